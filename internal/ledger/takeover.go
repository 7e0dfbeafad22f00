package ledger

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/internal/failpoint"
)

// HaltError means that the ledger does not belong to what stands beside it: nothing may be sent from this partition until
// a human has looked (design.md 3.3). It is not cured by trying again.
type HaltError struct {
	Halt
	Cure string
	log  span // of the intents
}

func (e *HaltError) Error() string {
	return fmt.Sprintf("partition %d is stopped: %s; %s", e.Partition, e.What, e.Cure)
}

// TakenOver is a partition that is ours: what was restored, and the two clocks at one moment.
type TakenOver struct {
	Writer *Writer
	State  *State
	Broker time.Time // the broker's clock at the second owner record
	Local  time.Time // this machine's clock (with monotonic reading) when that was known
	Took   time.Duration
	New    bool // no genesis was there: the first commit writes it
}

// TakeOver makes this process the owner of a ledger partition (design.md 3.1): both transactional ids are initialised, which
// aborts and locks out every earlier owner, then the owner record is written twice, once through each id, and the ledger
// is read up to the second. Whatever an earlier owner ever committed stands before it. Nothing may be sent before this returns. What lies far
// back is read while the rest happens: the log before our second record is the same whenever it is read.
func TakeOver(ctx context.Context, opt Options) (_ *TakenOver, err error) {
	began := time.Now()
	w := &Writer{opt: opt, nonce: nonce(opt.Instance), at: map[string]int{}, sizes: Sizes{}}
	defer func() {
		if err != nil {
			w.Close()
		}
		if err != nil && ctx.Err() != nil { // whatever met the end of it first
			err = fmt.Errorf("take over partition %d: %w", opt.Partition, context.Cause(ctx))
		}
	}()
	reading, stop := context.WithCancel(ctx)
	defer stop()
	restored := make(chan error, 1)
	var st *State
	go func() {
		var err error
		st, err = restore(reading, opt, w.nonce)
		restored <- err
	}()
	for i := range w.cl {
		if w.cl[i], err = w.client(i); err != nil {
			return nil, fmt.Errorf("take over partition %d: %w", opt.Partition, err)
		}
	}
	if err := w.fence(ctx); err != nil {
		return nil, err
	}
	failpoint.Here(failpoint.Fenced)
	for i := range w.cl {
		w.Put(ownerKey, Owner{V: Version, Instance: opt.Instance, Nonce: w.nonce, Round: i + 1, At: time.Now().UTC()})
		if err := w.commit(ctx, w.cl[i]); err != nil {
			return nil, fmt.Errorf("take over partition %d: owner record %d: %w", opt.Partition, i+1, err)
		}
	}
	local := time.Now()
	broker, err := w.AppendTime(ctx)
	if err != nil {
		return nil, fmt.Errorf("take over partition %d: %w", opt.Partition, err)
	}
	if err := <-restored; err != nil {
		return nil, fmt.Errorf("take over partition %d: %w", opt.Partition, err)
	}
	w.sizes = st.Sizes // its own go on from there
	t := &TakenOver{Writer: w, State: st, Broker: broker, Local: local}
	err = t.checkGenesis(ctx)
	if halt, ok := errors.AsType[*HaltError](err); ok {
		if err := halt.stand(ctx, opt); err != nil {
			return nil, fmt.Errorf("take over partition %d: %w", opt.Partition, err)
		}
		if opt.Assume != nil {
			if as := opt.Assume(halt.Halt); as != nil {
				err = t.assume(halt, as)
			}
		}
	}
	if err != nil {
		return nil, err
	}
	t.Took = time.Since(began)
	return t, nil
}

// fence initialises both transactional ids, both at once: which comes first changes nothing (takeover_model_test.go), and each is several round
// trips.
func (w *Writer) fence(ctx context.Context) error {
	var errs [len(w.cl)]error
	var wg sync.WaitGroup
	for i, cl := range w.cl {
		wg.Go(func() {
			if _, _, err := cl.ProducerID(ctx); err != nil {
				errs[i] = fmt.Errorf("take over partition %d: initialise transactional id %d: %w", w.opt.Partition, i, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs[:]...)
}

func nonce(instance string) string { return instance + "-" + rand.Text()[:12] }

// restore reads the partition from its start up to our own second owner record. Any fetch error fails it: a state with a
// hole is worse than none.
func restore(ctx context.Context, opt Options, nonce string) (*State, error) {
	cl, err := kgo.NewClient(append(slices.Clone(opt.Kafka),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{opt.Topics.Ledger: {opt.Partition: kgo.NewOffset().AtStart()}}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchMaxWait(100*time.Millisecond), kgo.MaxDecompressBatchBytes(MaxBatch))...)
	if err != nil {
		return nil, fmt.Errorf("restore: %w", err)
	}
	defer func() { go cl.Close() }() // it tells the broker that its fetches are over, which nobody has to wait for
	st := NewState()
	st.packPending()
	for {
		fs := cl.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("restore: %w", context.Cause(ctx))
		}
		var bad error
		fs.EachError(func(t string, p int32, err error) { bad = errors.Join(bad, fmt.Errorf("read %s[%d]: %w", t, p, err)) })
		if bad != nil {
			return nil, fmt.Errorf("restore: %w", bad)
		}
		if done, err := st.fold(fs.Records(), nonce); err != nil {
			return nil, fmt.Errorf("restore: %w", err)
		} else if done {
			return st, nil
		}
	}
}

// fold folds records in that follow each other, up to the second owner record of a take-over, which done reports.
func (s *State) fold(records []*kgo.Record, nonce string) (done bool, err error) {
	var last map[string]int
	for i, r := range records {
		if i == 0 || string(records[i-1].Key) == ownerKey {
			last = lasting(records, i)
		}
		key := string(r.Key)
		if at, ok := last[key]; ok && at != i {
			if err := s.pass(key, r.Value); err != nil {
				return false, fmt.Errorf("offset %d: %w", r.Offset, err)
			}
			continue
		}
		prev := s.Owner
		id, call := strings.CutPrefix(key, AttemptKey(""))
		before := s.Attempts[id]
		if err := s.Apply(key, r.Value); err != nil {
			return false, fmt.Errorf("offset %d: %w", r.Offset, err)
		}
		if call {
			s.ends(id, before, r.Timestamp)
		}
		if key == ownerKey && s.Owner != nil && s.Owner.Nonce == nonce {
			done = s.Owner.Round == 2
			if s.Owner = prev; done { // ours is not a predecessor
				return true, nil
			}
		}
	}
	return false, nil
}

// lasting gives the places of the last records of their keys, from one place up to the next owner record, which may be where reading ends: most
// of what a busy partition writes is replaced or removed soon, and decoding it is most of a take-over's work. Attempts are not among them, since
// an outcome is noted beside the start before it (ends).
func lasting(records []*kgo.Record, from int) map[string]int {
	last := make(map[string]int, (len(records)-from)/2)
	for i, r := range records[from:] {
		key := string(r.Key)
		if key == ownerKey {
			break
		}
		if !strings.HasPrefix(key, AttemptKey("")) {
			last[key] = from + i
		}
	}
	return last
}

// checkGenesis compares the ledger with the topics beside it (design.md 3.3).
func (t *TakenOver) checkGenesis(ctx context.Context) error {
	opt, p := t.Writer.opt, t.Writer.opt.Partition
	adm := kadm.NewClient(t.Writer.cl[0])
	topics, err := adm.ListTopics(ctx, opt.Topics.Intents, opt.Topics.Ledger)
	if err != nil {
		return fmt.Errorf("take over partition %d: list topics: %w", p, err)
	}
	intents, ledger := topics[opt.Topics.Intents], topics[opt.Topics.Ledger]
	if err := errors.Join(intents.Err, ledger.Err); err != nil {
		return fmt.Errorf("take over partition %d: list topics: %w", p, err)
	}
	start, err := adm.ListStartOffsets(ctx, opt.Topics.Intents)
	if err != nil {
		return fmt.Errorf("take over partition %d: start of %s: %w", p, opt.Topics.Intents, err)
	}
	end, err := adm.ListEndOffsets(ctx, opt.Topics.Intents)
	if err != nil {
		return fmt.Errorf("take over partition %d: end of %s: %w", p, opt.Topics.Intents, err)
	}
	lo, _ := start.Lookup(opt.Topics.Intents, p)
	hi, ok := end.Lookup(opt.Topics.Intents, p)
	if !ok || hi.Err != nil || lo.Err != nil {
		return fmt.Errorf("take over partition %d: offsets of %s: %w", p, opt.Topics.Intents, errors.Join(lo.Err, hi.Err))
	}
	const cure = "nothing is sent from it; see docs/runbook.md#stopped-partition"
	halt := func(kind HaltKind, f string, a ...any) error {
		return &HaltError{Halt{V: Version, Partition: p, Instance: opt.Instance, What: fmt.Sprintf(f, a...), Kind: kind, Partitions: len(intents.Partitions),
			IntentsID: intents.ID.String(), LedgerID: ledger.ID.String(), End: hi.Offset}, cure, span{lo.Offset, hi.Offset}}
	}
	g, st := t.State.Genesis, t.State
	if g == nil {
		if hi.Offset > 0 {
			return halt(HaltLost, "the ledger has no genesis record but %s[%d] has held %d offsets: the ledger was lost or is another one", opt.Topics.Intents, p, hi.Offset)
		}
		if st.PendingCount()+len(st.Attempts)+st.KnownUsers() > 0 {
			return halt(HaltLost, "the ledger holds records but no genesis record")
		}
		t.begin(len(intents.Partitions), intents.ID.String(), ledger.ID.String())
		return nil
	}
	switch {
	case g.Partitions != len(intents.Partitions) || g.Partitions != len(ledger.Partitions):
		return halt(HaltCount, "the ledger was made for %d partitions, now %s has %d and %s has %d: accounts would move to partitions that do not know their quota",
			g.Partitions, opt.Topics.Intents, len(intents.Partitions), opt.Topics.Ledger, len(ledger.Partitions))
	case g.IntentsID != intents.ID.String():
		return halt(HaltIntents, "%s was deleted and made again since the ledger began", opt.Topics.Intents)
	case g.LedgerID != ledger.ID.String():
		return halt(HaltForeign, "%s is not the topic this ledger began in", opt.Topics.Ledger)
	case st.Position.Next > hi.Offset:
		return halt(HaltBeyond, "the ledger stands at offset %d of %s[%d], which ends at %d: intents were lost", st.Position.Next, opt.Topics.Intents, p, hi.Offset)
	case st.Position.Next < lo.Offset:
		return halt(HaltBeyond, "the ledger stands at offset %d of %s[%d], which begins at %d: unread intents were deleted", st.Position.Next, opt.Topics.Intents, p, lo.Offset)
	}
	return nil
}

// begin gives the ledger a new genesis: the first commit writes it.
func (t *TakenOver) begin(partitions int, intents, ledger string) {
	id := ""
	if t.Writer.opt.Incarnate != nil {
		id = t.Writer.opt.Incarnate()
	} else {
		id = rand.Text()[:6]
	}
	t.State.Genesis = &Genesis{V: Version, Partitions: partitions, IntentsID: intents, LedgerID: ledger, Incarnation: id, At: t.Broker.UTC()}
	t.New = true
}

// GenesisKey is the key of a partition's genesis copy on the control topic, where stage 1 waits for it.
func GenesisKey(partition int32) string { return fmt.Sprintf("genesis/%d", partition) }

// WriteGenesis buffers the genesis record and its copy for stage 1: part of the first commit of a new ledger.
func (w *Writer) WriteGenesis(g *Genesis) {
	w.Put(genesisKey, g)
	w.Answer(GenesisKey(w.opt.Partition), g)
}
