package query

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/internal/ledger"
)

// SilentError says who did not answer a command in time. The command stands: it takes effect when they come back.
type SilentError struct {
	ID         string
	Cmd        string
	Partitions []int32
	Owners     []string // the instances that the ledger names, "nobody" without one
	Answers    []ledger.Answer
}

func (e *SilentError) Error() string {
	next := "notifier status"
	if e.Cmd == ledger.CmdRecall { // it may be made and its outcome still to come
		next = "notifier attempts"
	}
	return fmt.Sprintf("command %s: no answer yet from partitions %v (owned by %v); it stands: it is obeyed when they run; next: %s", e.ID, e.Partitions, e.Owners, next)
}

// Send writes a command to the control topic and waits for the answers: of every partition, or of one if only is not negative. A stopped
// partition sends nothing and answers nothing; it obeys once it goes on, so only who asks for it alone waits for it.
func (r *Reader) Send(ctx context.Context, c ledger.Command, only int32, wait time.Duration) ([]ledger.Answer, error) {
	c.V, c.ID, c.At = ledger.Version, rand.Text()[:12], time.Now().UTC()
	cl, err := kgo.NewClient(append(slices.Clone(r.Kafka), kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)))...)
	if err != nil {
		return nil, fmt.Errorf("send command: %w", err)
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	topics, err := adm.ListTopics(ctx, r.Topics.Ledger, r.Topics.Control)
	if err != nil {
		return nil, fmt.Errorf("send command: %w", err)
	}
	if err := topics[r.Topics.Ledger].Err; err != nil {
		return nil, fmt.Errorf("send command: %s: %w", r.Topics.Ledger, err)
	}
	waiting := map[int32]bool{}
	for p := range topics[r.Topics.Ledger].Partitions {
		if only < 0 || p == only {
			waiting[p] = true
		}
	}
	end, err := adm.ListEndOffsets(ctx, r.Topics.Control)
	if err != nil {
		return nil, fmt.Errorf("send command: %w", err)
	}
	v, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("send command: %w", err)
	}
	if err := cl.ProduceSync(ctx, &kgo.Record{Topic: r.Topics.Control, Key: []byte(c.Key()), Value: v}).FirstErr(); err != nil {
		return nil, fmt.Errorf("send command: %w", err)
	}
	rd, err := kgo.NewClient(append(slices.Clone(r.Kafka), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{r.Topics.Control: end.KOffsets()[r.Topics.Control]}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(200*time.Millisecond))...)
	if err != nil {
		return nil, fmt.Errorf("send command: %w", err)
	}
	defer rd.Close()
	wctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	answers, err := r.stopped(ctx, c, only, waiting)
	if err != nil {
		return nil, err
	}
	for len(waiting) > 0 && wctx.Err() == nil {
		fs := rd.PollFetches(wctx)
		fs.EachRecord(func(rec *kgo.Record) {
			var a ledger.Answer
			if rec.Value == nil || ledger.IsCommand(string(rec.Key)) || json.Unmarshal(rec.Value, &a) != nil || a.ID != c.ID || !waiting[a.Partition] {
				return
			}
			delete(waiting, a.Partition)
			answers = append(answers, a)
		})
	}
	// What was read is not needed again; a control topic of answers would only grow.
	for _, a := range answers {
		if a.Instance != "" {
			cl.Produce(ctx, &kgo.Record{Topic: r.Topics.Control, Key: []byte(ledger.AnswerKey(a.ID, a.Partition))}, nil)
		}
	}
	_ = cl.Flush(ctx)
	slices.SortFunc(answers, func(a, b ledger.Answer) int { return int(a.Partition - b.Partition) })
	if len(waiting) == 0 {
		return answers, nil
	}
	e := &SilentError{ID: c.ID, Cmd: c.Cmd, Answers: answers}
	states, err := r.Ledgers(ctx)
	if err != nil {
		return answers, err
	}
	for p := range waiting {
		e.Partitions = append(e.Partitions, p)
	}
	slices.Sort(e.Partitions)
	for _, p := range e.Partitions {
		owner := "nobody"
		if st := states[p]; st != nil && st.Owner != nil && !st.Owner.Released {
			owner = st.Owner.Instance
		}
		e.Owners = append(e.Owners, owner)
	}
	return answers, e
}

// stopped answers for the stopped partitions, which nobody need wait for.
func (r *Reader) stopped(ctx context.Context, c ledger.Command, only int32, waiting map[int32]bool) (answers []ledger.Answer, err error) {
	if only >= 0 {
		return nil, nil
	}
	halts, err := r.Halts(ctx)
	if err != nil {
		return nil, fmt.Errorf("send command: %w", err)
	}
	for p, h := range halts {
		if waiting[p] {
			delete(waiting, p)
			answers = append(answers, ledger.Answer{V: ledger.Version, ID: c.ID, Partition: p, OK: true, At: c.At, Text: "stopped since " + h.At.Format(time.RFC3339) + ", nothing is sent from it; it obeys once it goes on"})
		}
	}
	return answers, nil
}
