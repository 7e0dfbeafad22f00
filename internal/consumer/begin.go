package consumer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"

	"github.com/notifier/notifier/internal/ledger"
)

// waitGenesis returns the partition count of the ledger's genesis, which places the accounts. Until stage 2 has written it for
// every partition, nothing may be produced (design.md 3.3): a partition that holds intents and has no genesis is stopped.
func (c *Consumer) waitGenesis(ctx context.Context) (int, error) {
	t := c.opt.Topics
	cl, err := kgo.NewClient(append(slices.Clone(c.opt.Kafka), kgo.ConsumeTopics(t.Control), kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(c.opt.FetchMaxWait))...)
	if err != nil {
		return 0, fmt.Errorf("wait for genesis: %w", err)
	}
	defer cl.Close()
	topics, err := kadm.NewClient(cl).ListTopics(ctx, t.Intents)
	if err != nil {
		return 0, fmt.Errorf("wait for genesis: list %s: %w", t.Intents, err)
	}
	intents := topics[t.Intents]
	if intents.Err != nil {
		return 0, fmt.Errorf("wait for genesis: %s: %w", t.Intents, intents.Err)
	}
	began, told := time.Now(), false
	begun := map[string]*ledger.Genesis{} // by key: one for each partition
	for {
		pc, cancel := context.WithTimeout(ctx, 5*time.Second)
		fs := cl.PollFetches(pc)
		cancel()
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		fs.EachRecord(func(r *kgo.Record) {
			if !strings.HasPrefix(string(r.Key), "genesis/") || r.Value == nil {
				return
			}
			g := new(ledger.Genesis)
			if json.Unmarshal(r.Value, g) == nil && g.IntentsID == intents.ID.String() {
				begun[string(r.Key)] = g
			}
		})
		for _, g := range begun {
			if g.Partitions != len(intents.Partitions) {
				return 0, fmt.Errorf("%s has %d partitions, the ledger was made for %d: nothing is evaluated; see docs/runbook.md#stopped-partition", t.Intents, len(intents.Partitions), g.Partitions)
			}
		}
		if n := len(intents.Partitions); n > 0 && len(begun) == n {
			return n, nil
		}
		if !told && time.Since(began) > 10*time.Second {
			told = true
			c.log.Warn("waiting for stage 2 to begin the ledger (genesis)", zap.String("topic", t.Control), zap.Int("begun", len(begun)), zap.Int("partitions", len(intents.Partitions)))
		}
	}
}

// begin commits where a new group starts, before anybody joins it: otherwise a partition without commits would start at `latest`
// anew after every restart and lose what came between. known are the topics the group has read before; left are those that the group's members
// begin, since it has some.
//
// Beginnings are committed with the leader's epoch, as all offsets are: the client asks the brokers whether it still holds before it fetches.
func (c *Consumer) begin(ctx context.Context, topics []string) (known map[string]bool, left []string, err error) {
	cl, err := kgo.NewClient(c.opt.Kafka...)
	if err != nil {
		return nil, nil, fmt.Errorf("evaluate: %w", err)
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	committed, err := adm.FetchOffsets(ctx, c.group())
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) { // nobody has begun it
		return nil, nil, fmt.Errorf("fetch the offsets of group %s: %w", c.group(), err)
	}
	known = map[string]bool{}
	committed.Each(func(o kadm.OffsetResponse) {
		if o.Err == nil && o.At >= 0 {
			known[o.Topic] = true
		}
	})
	if err := c.forgetAbsences(ctx, known); err != nil {
		return nil, nil, err
	}
	var fresh []string
	for _, t := range topics {
		if !known[t] {
			fresh = append(fresh, t)
		}
	}
	if len(fresh) == 0 {
		return known, nil, nil
	}
	if len(known) == 0 && !c.opt.Start.Set {
		return nil, nil, fmt.Errorf("%w: group %s has no offsets yet; set kafka.start to latest, earliest or a time", ErrNoStart, c.group())
	}
	missing, err := c.noteAbsent(ctx, adm, fresh)
	if err != nil {
		return nil, nil, err
	}
	fresh = slices.DeleteFunc(fresh, func(t string) bool { return slices.Contains(missing, t) })
	if len(fresh) == 0 {
		return known, nil, nil
	}
	from, _, err := c.listBeginning(ctx, adm, fresh)
	if err != nil {
		return nil, nil, fmt.Errorf("find where group %s begins: %w", c.group(), err)
	}
	os := kadm.Offsets{}
	begun := map[string]bool{}
	from.Each(func(o kadm.ListedOffset) {
		if o.Err == nil {
			os.AddOffset(o.Topic, o.Partition, o.Offset, o.LeaderEpoch)
			begun[o.Topic] = true
		} else {
			c.log.Warn("a topic of the catalogue cannot be read: its events are read once it can", zap.String("topic", o.Topic), zap.Error(o.Err))
		}
	})
	if len(os) == 0 {
		return known, nil, nil
	}
	// A group with members refuses this commit: then another instance has begun it, and its offsets count.
	if err := adm.CommitAllOffsets(ctx, c.group(), os); err != nil {
		if ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) {
			return nil, nil, fmt.Errorf("begin group %s: %w", c.group(), err)
		}
		c.log.Info("the group has members already, they began it", zap.String("group", c.group()), zap.NamedError("answer", err))
		return known, slices.Sorted(maps.Keys(begun)), nil
	}
	c.log.Info("new topics begin", zap.String("group", c.group()), zap.Strings("topics", slices.Sorted(maps.Keys(begun))))
	return known, nil, nil
}

// noteAbsent gives those of the topics that do not exist, and notes them on the control topic: everything they will hold is read,
// although the client finds a new topic only some time after its first records.
func (c *Consumer) noteAbsent(ctx context.Context, adm *kadm.Client, topics []string) (missing []string, err error) {
	have, err := adm.ListTopics(ctx, topics...)
	if err != nil {
		return nil, fmt.Errorf("look which topics of the catalogue exist: %w", err)
	}
	for _, t := range topics {
		if errors.Is(have[t].Err, kerr.UnknownTopicOrPartition) {
			missing = append(missing, t)
		}
	}
	if len(missing) == 0 {
		return nil, nil
	}
	noted, err := ledger.Absences(ctx, c.opt.Kafka, c.opt.Topics)
	if err != nil {
		return nil, err
	}
	var first []string
	for _, t := range missing {
		c.log.Warn("a topic of the catalogue does not exist: its events are read from its start once it does", zap.String("topic", t))
		if _, ok := noted[t]; !ok {
			first = append(first, t)
		}
	}
	return missing, ledger.NoteAbsences(ctx, c.opt.Kafka, c.opt.Topics, first, &ledger.Absence{V: ledger.Version, Instance: c.opt.Instance, At: time.Now().UTC()})
}

// noteNew is noteAbsent for the topics that a reload brings, and keeps where those that exist end now.
func (c *Consumer) noteNew(ctx context.Context, cl *kgo.Client, before, now []string) error {
	var brought []string
	for _, t := range now {
		if !slices.Contains(before, t) {
			brought = append(brought, t)
		}
	}
	if len(brought) == 0 {
		return nil
	}
	adm := kadm.NewClient(cl)
	missing, err := c.noteAbsent(ctx, adm, brought)
	if err != nil {
		return err
	}
	brought = slices.DeleteFunc(brought, func(t string) bool { return slices.Contains(missing, t) })
	if len(brought) == 0 || c.opt.Start.Earliest || !c.opt.Start.At.IsZero() {
		return nil
	}
	ends, err := adm.ListEndOffsets(ctx, brought...) // what comes until the group has given their partitions to somebody is read
	if err != nil {
		return fmt.Errorf("find where new topics begin: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	ends.Each(func(o kadm.ListedOffset) {
		if _, ok := c.kept[o.Topic][o.Partition]; ok || o.Err != nil {
			return
		}
		c.keep(o.Topic, o.Partition, kgo.EpochOffset{Epoch: o.LeaderEpoch, Offset: o.Offset})
	})
	return nil
}

// forgetAbsences takes back the notes of topics that have begun: a topic that leaves the catalogue and comes back years later must not
// be read from its start.
func (c *Consumer) forgetAbsences(ctx context.Context, known map[string]bool) error {
	noted, err := ledger.Absences(ctx, c.opt.Kafka, c.opt.Topics)
	if err != nil {
		return err
	}
	var over []string
	for t := range noted {
		if known[t] {
			over = append(over, t)
		}
	}
	return ledger.NoteAbsences(ctx, c.opt.Kafka, c.opt.Topics, over, nil)
}

// beginPartitions gives partitions without a committed offset a beginning of their own: a topic that is new to the group begins
// where kafka.start says, a partition that was added to a topic the group has read before, or of a topic that did not exist when somebody
// looked, begins at its start, all of it is new. The beginnings are kept for commitBeginnings.
func (c *Consumer) beginPartitions(ctx context.Context, m map[string]map[int32]kgo.Offset, known map[string]bool) error {
	var fresh, added []string
	for topic, ps := range m {
		for _, at := range ps {
			if at.EpochOffset().Offset >= 0 {
				continue
			}
			if known[topic] {
				added = append(added, topic)
			} else {
				fresh = append(fresh, topic)
			}
			break
		}
	}
	if len(fresh)+len(added) == 0 {
		return nil
	}
	cl, err := kgo.NewClient(c.opt.Kafka...)
	if err != nil {
		return fmt.Errorf("find where partitions begin: %w", err)
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	from, whole := kadm.ListedOffsets{}, map[string]bool{} // the topics that are read from their start
	for _, t := range added {
		whole[t] = true
	}
	if len(added) > 0 {
		if from, err = adm.ListStartOffsets(ctx, added...); err != nil {
			return fmt.Errorf("find where partitions begin: %w", err)
		}
	}
	if len(fresh) > 0 {
		at, waited, err := c.listBeginning(ctx, adm, fresh)
		if err != nil {
			return fmt.Errorf("find where partitions begin: %w", err)
		}
		maps.Copy(from, at)
		maps.Copy(whole, waited)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for topic, ps := range m {
		for p, at := range ps {
			o, ok := from.Lookup(topic, p)
			if at.EpochOffset().Offset >= 0 {
				continue
			}
			if !ok || o.Err != nil { // a topic that was just made may have no leader yet
				if whole[topic] {
					ps[p] = kgo.NewOffset().AtStart()
				}
				continue
			}
			ps[p] = kgo.NewOffset().At(o.Offset).WithEpoch(o.LeaderEpoch)
			if c.begun == nil {
				c.begun = map[string]map[int32]kgo.EpochOffset{}
			}
			if c.begun[topic] == nil {
				c.begun[topic] = map[int32]kgo.EpochOffset{}
			}
			c.begun[topic][p] = ps[p].EpochOffset()
			c.waker.poke()
		}
	}
	return nil
}

// listBeginning asks where topics that are new to the group begin: where kafka.start says. Those that did not exist when somebody looked
// (waited) begin at their start instead of at the end.
func (c *Consumer) listBeginning(ctx context.Context, adm *kadm.Client, topics []string) (_ kadm.ListedOffsets, waited map[string]bool, err error) {
	var from kadm.ListedOffsets
	switch {
	case c.opt.Start.Earliest:
		from, err = adm.ListStartOffsets(ctx, topics...)
		return from, nil, err
	case !c.opt.Start.At.IsZero():
		from, err = adm.ListOffsetsAfterMilli(ctx, c.opt.Start.At.UnixMilli(), topics...)
		return from, nil, err
	}
	noted, err := ledger.Absences(ctx, c.opt.Kafka, c.opt.Topics)
	if err != nil {
		return nil, nil, err
	}
	waited = map[string]bool{}
	var ends, starts []string
	for _, t := range topics {
		if _, ok := noted[t]; ok {
			waited[t] = true
			starts = append(starts, t)
		} else {
			ends = append(ends, t)
		}
	}
	from = kadm.ListedOffsets{}
	if len(ends) > 0 { // without a topic the client asks for all there are
		if from, err = adm.ListEndOffsets(ctx, ends...); err != nil {
			return nil, nil, err
		}
		c.notLater(from)
	}
	if len(starts) > 0 {
		at, err := adm.ListStartOffsets(ctx, starts...)
		if err != nil {
			return nil, nil, err
		}
		maps.Copy(from, at)
	}
	return from, waited, nil
}

// commitBeginnings commits, as a member, where partitions of ours begin, before what is polled of them is worked on: after a restart
// they must not look like partitions that nobody has begun.
func (c *Consumer) commitBeginnings(ctx context.Context, cl *kgo.Client) error {
	c.mu.Lock()
	begun := c.begun
	c.begun = nil
	c.mu.Unlock()
	if len(begun) == 0 {
		return nil
	}
	var rs []*kgo.Record
	for topic, ps := range begun {
		for p, at := range ps {
			rs = append(rs, &kgo.Record{Topic: topic, Partition: p, Offset: at.Offset - 1, LeaderEpoch: at.Epoch}) // the commit is of the one after it
		}
	}
	cc, cancel := context.WithTimeout(context.WithoutCancel(ctx), txnTimeout) // a transaction may be open: it is finished, not torn
	defer cancel()
	err := cl.CommitRecords(cc, rs...)
	c.mu.Lock()
	defer c.mu.Unlock()
	for topic, ps := range begun {
		for p, at := range ps {
			if err == nil {
				delete(c.kept[topic], p)
			} else {
				c.keep(topic, p, at)
			}
		}
	}
	if err != nil {
		return fmt.Errorf("commit where new partitions begin: %w", err)
	}
	return nil
}

// keep notes where a partition without commits begins. c.mu is held.
func (c *Consumer) keep(topic string, p int32, at kgo.EpochOffset) {
	if c.kept == nil {
		c.kept = map[string]map[int32]kgo.EpochOffset{}
	}
	if c.kept[topic] == nil {
		c.kept[topic] = map[int32]kgo.EpochOffset{}
	}
	if had, ok := c.kept[topic][p]; !ok || at.Offset < had.Offset { // the earliest counts
		c.kept[topic][p] = at
	}
}

// unkeep forgets it of topics that are not in the catalogue any more: one that comes back begins where it ends then.
func (c *Consumer) unkeep(topics []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.kept, func(topic string, _ map[int32]kgo.EpochOffset) bool { return !slices.Contains(topics, topic) })
}

// notLater lets ends of topics be where they were when a reload brought them, or where a session before this one found them and could not
// commit that.
func (c *Consumer) notLater(ends kadm.ListedOffsets) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for topic, ps := range c.kept {
		for p, at := range ps {
			if o, ok := ends.Lookup(topic, p); ok && (o.Err != nil || at.Offset < o.Offset) { // also where nobody tells the end now: it would be found anew, later
				o.Offset, o.LeaderEpoch, o.Err = at.Offset, at.Epoch, nil
				ends[topic][p] = o
			}
		}
	}
}

// watchLeft waits until members of the group have begun the topics that were left to them: we may be one of these.
func (c *Consumer) watchLeft(ctx context.Context, cl *kgo.Client, left []string) {
	t := time.NewTicker(leftEvery)
	defer t.Stop()
	for !c.settled.Load() {
		committed, err := kadm.NewClient(cl).FetchOffsets(ctx, c.group())
		if err == nil && !slices.ContainsFunc(left, func(topic string) bool { return !begunIn(committed, topic) }) {
			c.settled.Store(true)
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// leftEvery is how often it is asked: somebody waits for readiness.
const leftEvery = 200 * time.Millisecond

func begunIn(committed kadm.OffsetResponses, topic string) bool {
	for _, o := range committed[topic] {
		if o.Err == nil && o.At >= 0 {
			return true
		}
	}
	return false
}

// Unsettled says that a new group has no beginning yet; "" when it has one. With `latest` what is produced before is skipped.
func (c *Consumer) Unsettled() string {
	if c.settled.Load() {
		return ""
	}
	return "stage 1 has not settled yet where it begins to read"
}
