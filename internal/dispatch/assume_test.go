package dispatch

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
)

// again deletes a topic and makes it anew.
func (b *bundle) again(topic string) {
	b.t.Helper()
	adm, sp := kadm.NewClient(b.cl), kadm.StringPtr
	if _, err := adm.DeleteTopics(b.t.Context(), topic); err != nil {
		b.t.Fatal(err)
	}
	cfg := map[string]*string{"retention.ms": sp("-1")}
	if topic == b.topics.Ledger {
		cfg["cleanup.policy"], cfg["message.timestamp.type"] = sp("compact"), sp("LogAppendTime")
	}
	if _, err := adm.CreateTopic(b.t.Context(), 1, 1, cfg, topic); err != nil {
		b.t.Fatal(err)
	}
	var err error
	b.cl.Close() // it knows the topic that was
	if b.cl, err = kgo.NewClient(b.kafka...); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(b.cl.Close)
}

// halt waits for the halt on record.
func (b *bundle) halt() (h ledger.Halt) {
	b.t.Helper()
	b.until("the partition is stopped", func() bool {
		for _, r := range b.control() {
			if string(r.Key) == ledger.HaltKey(0) {
				h = ledger.Halt{}
				if r.Value != nil {
					if err := json.Unmarshal(r.Value, &h); err != nil {
						b.t.Fatal(err)
					}
				}
			}
		}
		return h.ID != ""
	})
	return h
}

// control gives the committed records of the control topic.
func (b *bundle) control() (out []*kgo.Record) {
	b.t.Helper()
	end, err := kadm.NewClient(b.cl).ListCommittedOffsets(b.t.Context(), b.topics.Control)
	if err != nil {
		b.t.Fatal(err)
	}
	o, _ := end.Lookup(b.topics.Control, 0)
	cl, err := kgo.NewClient(append(slices.Clone(b.kafka), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{b.topics.Control: {0: kgo.NewOffset().AtStart()}}), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())...)
	if err != nil {
		b.t.Fatal(err)
	}
	defer cl.Close()
	for at := int64(0); at < o.Offset; {
		fs := cl.PollFetches(b.t.Context())
		if err := fs.Err(); err != nil {
			b.t.Fatal(err)
		}
		fs.EachRecord(func(r *kgo.Record) {
			if at = r.Offset + 1; !r.Attrs.IsControl() {
				out = append(out, r)
			}
		})
	}
	return out
}

// command writes one to the control topic and waits for its answer.
func (b *bundle) command(c ledger.Command) (ans ledger.Answer) {
	b.t.Helper()
	c.V, c.By, c.Why = 1, "li", "looked in the console"
	v, err := json.Marshal(c)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := b.cl.ProduceSync(b.t.Context(), &kgo.Record{Topic: b.topics.Control, Key: []byte(c.Key()), Value: v}).FirstErr(); err != nil {
		b.t.Fatal(err)
	}
	b.until("an answer to "+c.ID, func() bool {
		for _, a := range b.answers() {
			if a.ID == c.ID {
				ans = a
				return true
			}
		}
		return false
	})
	return ans
}

func assume(id string, h ledger.Halt, used string) ledger.Command {
	return ledger.Command{ID: id, Cmd: ledger.CmdAssume, Target: "stub:k", Expect: h.ID, Args: map[string]string{ledger.ArgUsed: used}}
}

func textsOf(calls []Call) (out []string) {
	for _, c := range calls {
		if c.Content != nil {
			out = append(out, c.Content.Body)
		}
	}
	slices.Sort(out)
	return out
}

// The ledger is lost: nothing is sent until people say how much is used. Then what has a fate stays as it is, what waited may have left and
// is UNKNOWN, and what came since goes, as far as what they said leaves room.
func TestALostLedgerGoesOnOnlyByWhatPeopleSay(t *testing.T) {
	t.Parallel()
	b := setup(t)
	stop := b.start(b.account(), nil)
	sent := b.intent("sent", "r", "*", intent.Broadcast)
	b.produce(sent, b.intent("second", "r", "*", intent.Broadcast))
	b.fates(2)
	b.produce(b.intent("waits", "r", "*", intent.Broadcast), b.intent("waits too", "r", "*", intent.Broadcast), b.profile("p1", "u1", 1, map[string]string{"city": "bj"})) // no slot is left in the hour
	b.fates(3)
	stop()
	before := textsOf(b.vendor.seen())
	if len(before) != 2 {
		t.Fatalf("calls %v", before)
	}
	b.again(b.topics.Ledger)

	stop = b.start(b.account(), nil)
	first := b.halt()
	b.produce(b.intent("later", "r", "*", intent.Broadcast))
	stop()
	stop = b.start(b.account(), nil) // the stop is the same one, also for another process
	h := b.halt()
	if h.ID != first.ID || h.End != first.End || h.Kind != ledger.HaltLost {
		t.Errorf("the halt is %+v, was %+v", h, first)
	}
	if got := textsOf(b.vendor.seen()); len(got) != 2 {
		t.Fatalf("sent from a stopped partition: %v", got)
	}
	ans := b.command(assume("c1", h, "1"))
	if !ans.OK || !strings.Contains(ans.Text, "partition 0 goes on, 1 slots of each scarce lane count as used; the ledger was lost") {
		t.Errorf("answer %+v", ans)
	}
	fs := b.fates(6)
	if got, want := kinds(fs), []string{"later SENT", "p1 SENT", "second SENT", "sent SENT", "waits UNKNOWN", "waits too UNKNOWN"}; !slices.Equal(got, want) {
		t.Errorf("fates %v, want %v", got, want)
	}
	// Its source sends an event again that was sent before the loss: it is known. A second one finds no slot.
	repeated := *sent
	repeated.ID = "t/0/99/r/*"
	b.produce(&repeated, b.intent("no slot", "r", "*", intent.Broadcast))
	fs = b.fates(7)
	if got := kinds(fs); !slices.Contains(got, "sent SUPPRESSED(duplicate)") {
		t.Errorf("fates %v, want a duplicate", got)
	}
	st := b.state("what waits", func(st *ledger.State) bool { return len(st.Pending) == 1 })
	if !st.Balanced() || st.Position.Intents != 5 {
		t.Errorf("%d intents, balanced %t: want later, waits, waits too, sent again, no slot", st.Position.Intents, st.Balanced())
	}
	if got, want := textsOf(b.vendor.seen()), []string{"later", "second", "sent"}; !slices.Equal(got, want) {
		t.Errorf("the vendor got %v, want %v", got, want)
	}

	// A person decides on what may have been sent, on each request alone.
	for i, f := range fs {
		if f.Fate == ledger.FateUnknown {
			if at := st.Attempts[f.Attempt]; at == nil || len(at.Affected) != 1 {
				t.Errorf("attempt of %s: %+v, want that it speaks for nothing else", f.Event.ID, at)
			}
			if ans := b.command(ledger.Command{ID: fmt.Sprint("c2-", i), Cmd: ledger.CmdResolve, Target: f.Attempt, Args: map[string]string{"as": "not-sent"}}); !ans.OK {
				t.Errorf("resolve %+v: %+v", f, ans)
			}
		}
	}
	// The partition is not stopped any more, and an old word frees nothing.
	if ans := b.command(assume("c3", ledger.Halt{ID: "another"}, "0")); ans.OK || !strings.Contains(ans.Text, "not stopped") {
		t.Errorf("of a partition that is not stopped: %+v", ans)
	}
	stop()
	b.again(b.topics.Ledger)
	b.start(b.account(), nil)
	h2 := b.halt()
	if h2.ID == h.ID {
		t.Error("a second loss has the id of the first: the old word would let it go on")
	}
	if ans := b.command(assume("c4", h2, "2")); !ans.OK || !strings.Contains(ans.Text, "goes on, 2 slots") {
		t.Errorf("after a second loss: %+v, want that the new word counts", ans)
	}
}

// The intents topic was made again: the ledger knows what it sent, and goes on with what is in the new one.
func TestIntentsThatWereMadeAgainAreTakenIn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	stop := b.start(b.account(), nil)
	old := b.intent("old", "r", "u1", intent.Push)
	b.produce(old, b.intent("a", "r", "u2", intent.Push), b.intent("b", "r", "u3", intent.Push))
	b.fates(3)
	stop()
	b.again(b.topics.Intents)
	b.produce(old, b.intent("new", "r", "u4", intent.Push)) // one that was taken in, and one that was not
	b.start(b.account(), nil)
	h := b.halt()
	if ans := b.command(assume("c1", h, "2")); !ans.OK || strings.Contains(ans.Text, "lost") {
		t.Errorf("answer %+v", ans)
	}
	if got, want := kinds(b.fates(4)), []string{"a SENT", "b SENT", "new SENT", "old SENT"}; !slices.Equal(got, want) {
		t.Errorf("fates %v, want %v", got, want)
	}
	st := b.state("the new one", func(st *ledger.State) bool { return st.Position.Intents == 4 })
	if used := usedOf(st, "broadcast"); used != 2 || !st.Balanced() || st.Genesis.IntentsID != h.IntentsID {
		t.Errorf("%d slots are charged, want 2; genesis %+v", used, st.Genesis)
	}
}

func usedOf(st *ledger.State, lane string) (n int) {
	for _, at := range st.Attempts {
		if at.Lane == lane && at.State == ledger.External {
			n += at.Weight
		}
	}
	return n
}

// A partition with two accounts goes on when both were named: what was said of one says nothing of the other's quota.
func TestEveryAccountOfAStoppedPartitionMustBeNamed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.produce(b.intent("x", "r", "u1", intent.Push))
	b.again(b.topics.Ledger)
	both := func(o *Options) {
		second := b.account()
		second.Name, second.Key = "backup", "stub:second"
		o.Accounts = append(o.Accounts, second)
	}
	stop := b.start(b.account(), both)
	h := b.halt()
	if ans := b.command(assume("c1", h, "2")); !ans.OK || !strings.Contains(ans.Text, "noted; partition 0 goes on once the same is said of backup") {
		t.Errorf("of one of two: %+v", ans)
	}
	other := assume("c2", h, "0")
	other.Target = "stub:second"
	if ans := b.command(other); !ans.OK || !strings.Contains(ans.Text, "goes on, 0 slots") {
		t.Errorf("of both: %+v", ans)
	}
	b.fates(1)
	stop()

	// A third account comes into the settings while it counts: nobody said what it used, so it is all.
	b.start(b.account(), func(o *Options) {
		both(o)
		third := b.account()
		third.Name, third.Key = "third", "stub:third"
		o.Accounts = append(o.Accounts, third)
	})
	st := b.state("the third account's charge", func(st *ledger.State) bool {
		for _, at := range st.Attempts {
			if at.Account == "stub:third" && at.Lane == "broadcast" && at.Weight == 2 {
				return true
			}
		}
		return false
	})
	if _, ok := st.Genesis.Assumed.Accounts["stub:third"]; !ok {
		t.Errorf("genesis %+v", st.Genesis.Assumed)
	}
	for _, at := range st.Attempts {
		if at.State == ledger.External && at.Account == "stub:second" {
			t.Errorf("charged: %+v, want nothing", at)
		}
		if at.State == ledger.External && time.Since(at.At) > time.Hour {
			t.Errorf("charged at %s", at.At)
		}
	}
}

// The ledger is a copy: what it holds as pending may have been sent since. What has a fate keeps it, the rest is UNKNOWN.
func TestWhatACopyOfTheLedgerHoldsMayHaveBeenSent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(nil)
	for i, id := range []string{"has a fate", "has none"} {
		in := b.intent(id, "r", "u1", intent.Push)
		a.admit(in, int64(i))
		if i == 0 {
			a.w.Fate(ledger.NewFate(in, ledger.Sent, "", time.Now()))
		}
	}
	g := *a.gen
	g.LedgerID = "elsewhere"
	a.w.WriteGenesis(&g)
	b.commit(a)
	stop := b.start(b.account(), nil)
	h := b.halt()
	if ans := b.command(assume("c1", h, "0")); h.Kind != ledger.HaltForeign || !ans.OK {
		t.Errorf("halt %+v, answer %+v", h, ans)
	}
	if got, want := kinds(b.fates(2)), []string{"has a fate SENT", "has none UNKNOWN"}; !slices.Equal(got, want) {
		t.Errorf("fates %v, want %v", got, want)
	}
	stop()
	if st := b.readLedger(); !st.Balanced() || len(st.Pending) != 0 || len(b.vendor.seen()) != 0 {
		t.Errorf("balanced %t, %d pending, %d calls", st.Balanced(), len(st.Pending), len(b.vendor.seen()))
	}
}

// A partition without an account goes on with any word that names it; one with another number of partitions with none.
func TestPartitionsWithoutAnAccount(t *testing.T) {
	b := &bundle{t: t, vendor: &stubVendor{}}
	d := New(b.options(b.account()))
	h := ledger.Halt{ID: "h", Partition: int32(1 - ledger.HashPartition([]byte("stub:k"), 2)), Partitions: 2}
	for free, want := range map[string]bool{"": false, "0=x,1=x": false, "0=h,1=h": true} {
		c := assume("c", ledger.Halt{ID: "other"}, "1")
		c.Args[ledger.ArgFree] = free
		d.commands = map[string]command{c.Key(): {Command: c}}
		if got := d.assumption(h) != nil; got != want {
			t.Errorf("with %q: goes on %t, want %t", free, got, want)
		}
	}
	if ledger.HaltCount.Curable() {
		t.Error("another number of partitions is cured by a word")
	}
}
