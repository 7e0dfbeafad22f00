package ledger

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/internal/intent"
)

// waitingTags is a profile intent as it waits.
func waitingTags(change func(*Pending)) *Pending {
	at := time.Date(2026, 11, 21, 9, 0, 0, 123_456_789, time.UTC)
	in := &intent.Intent{V: intent.Version, Event: intent.EventRef{ID: "p-1", Type: "profile.changed", Time: at.Add(-3 * time.Second).Truncate(time.Millisecond), Topic: "crm.profiles", Partition: 3, Offset: 1_000_000},
		Rule: "tags", RuleSet: "9f86d081884c7d65", Account: "main", Key: "rongcloud:k", Target: "u-1", Action: intent.Tags}
	in.Profile = &intent.Profile{Version: in.Event.Time.UnixMilli()}
	p := &Pending{Intent: in, Seq: 77, At: at}
	if change != nil {
		change(p)
	}
	if p.Intent.ID == "" {
		p.Intent.ID = intent.MakeID(p.Intent.Position(), p.Intent.Rule, p.Intent.Target)
	}
	return p
}

// What waits is unpacked as it was packed, in every form that a profile intent has; what has more in it is not packed so.
func TestProfileIntentsThatWaitArePackedWhole(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Pending)
		not    bool
	}{
		"as most are":           {},
		"gone":                  {change: func(p *Pending) { p.Intent.Profile.Gone = true }},
		"a version of its own":  {change: func(p *Pending) { p.Intent.Profile.Version = -5 }},
		"time in nanoseconds":   {change: func(p *Pending) { p.Intent.Event.Time = p.Intent.Event.Time.Add(1); p.Intent.Profile.Version = 0 }},
		"an event of 1901":      {change: func(p *Pending) { p.Intent.Event.Time = time.Date(1901, 1, 1, 0, 0, 0, 5e6, time.UTC) }},
		"an event to come":      {change: func(p *Pending) { p.Intent.Event.Time = p.At.Add(time.Hour) }},
		"an id of its own":      {change: func(p *Pending) { p.Intent.ID = "x" }},
		"an id with a tail":     {change: func(p *Pending) { p.Intent.ID = "crm.profiles/3/1000000/tags/u-1~2#2" }},
		"one of two accounts":   {change: func(p *Pending) { p.Intent.ID = "crm.profiles/3/1000000/tags@main/u-1" }},
		"that with a tail":      {change: func(p *Pending) { p.Intent.ID = "crm.profiles/3/1000000/tags@main/u-1#2" }},
		"another's id":          {change: func(p *Pending) { p.Intent.ID = "crm.profiles/3/1000000/tags/u-2" }},
		"traced":                {change: func(p *Pending) { p.Intent.Trace, p.Linked = "00-aa-bb-01", "00-cc-dd-01" }},
		"no event id":           {change: func(p *Pending) { p.Intent.Event.ID = "" }},
		"the largest offsets":   {change: func(p *Pending) { p.Seq, p.Intent.Event.Offset = 1<<63-1, 1<<63-1 }},
		"an event of 9999":      {change: func(p *Pending) { p.Intent.Event.Time = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC) }, not: true},
		"an event without time": {change: func(p *Pending) { p.Intent.Event.Time = time.Time{} }, not: true},
		"fields":                {change: func(p *Pending) { p.Intent.Profile.Fields = map[string]intent.Value{"city": {Str: "bj"}} }, not: true},
		"stray":                 {change: func(p *Pending) { p.Stray = true }, not: true},
		"extended":              {change: func(p *Pending) { p.Extended = 1 }, not: true},
		"an expiry":             {change: func(p *Pending) { p.Intent.Policy.Expire = p.At }, not: true},
		"dead":                  {change: func(p *Pending) { p.Intent.Dead = "render-error" }, not: true},
		"a canary":              {change: func(p *Pending) { p.Intent.Canary = true }, not: true},
		"texts":                 {change: func(p *Pending) { p.Intent.Content = &intent.Content{Title: "t"} }, not: true},
		"an audience":           {change: func(p *Pending) { p.Intent.Audience = &intent.Audience{Everyone: true} }, not: true},
		"no profile":            {change: func(p *Pending) { p.Intent.Profile = nil }, not: true},
	} {
		t.Run(name, func(t *testing.T) {
			k := NewPacker()
			p := waitingTags(c.change)
			b, ok := k.PackTags([]byte("before"), p)
			if ok == c.not {
				t.Fatalf("packed: %v", ok)
			}
			if string(b[:6]) != "before" || !ok && (len(b) != 6 || len(k.kinds) != 0 || len(k.list) != 0) {
				t.Fatalf("%q, %d kinds", b, len(k.kinds))
			}
			if !ok {
				return
			}
			if diff := cmp.Diff(p, k.UnpackTags(string(b[6:]), p.Intent.Target)); diff != "" {
				t.Errorf("(-packed +unpacked):\n%s", diff)
			}
			if at := TagsAt(string(b[6:])); !at.Equal(p.At) {
				t.Errorf("taken in at %v, want %v", at, p.At)
			}
			x, err := k.Pack(p, Packed{}) // of the same kind
			if err != nil || len(k.kinds) != 1 {
				t.Fatalf("%d kinds, %v", len(k.kinds), err)
			}
			k.DropTags(string(b[6:]))
			if len(k.kinds) != 1 {
				t.Error("what another holds was forgotten")
			}
			if k.Drop(x); len(k.kinds) != 0 || k.list[0] != nil {
				t.Error("a kind that nobody holds is kept")
			}
		})
	}
}

// A number that is free is given again, and those of others stay.
func TestKindsAreNumberedAnew(t *testing.T) {
	k := NewPacker()
	pack := func(rules string) string {
		b, ok := k.PackTags(nil, waitingTags(func(p *Pending) { p.Intent.RuleSet = rules }))
		if !ok {
			t.Fatal("not packed")
		}
		return string(b)
	}
	a, b, again := pack("a"), pack("b"), pack("a")
	k.DropTags(a)
	if c := k.UnpackTags(again, "u-1").Intent.RuleSet; c != "a" {
		t.Errorf("the rules of the second are %q", c)
	}
	k.DropTags(again)
	c := pack("c")
	if len(k.list) != 2 {
		t.Errorf("%d numbers for two kinds", len(k.list))
	}
	for want, s := range map[string]string{"b": b, "c": c} {
		if got := k.UnpackTags(s, "u-1").Intent.RuleSet; got != want {
			t.Errorf("the rules are %q, want %q", got, want)
		}
	}
}

// What a take-over packs as it reads is what it would have kept: records that come, change and go, profile intents and pushes.
func TestATakeOverPacksWhatItReads(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 6))
		plain, packing := NewState(), NewState()
		packing.packPending()
		for i := range 200 {
			p := waitingTags(func(p *Pending) {
				p.Intent.Target, p.Intent.Event.Offset, p.Seq = fmt.Sprint("u-", r.IntN(9)), int64(r.IntN(40)), int64(i)
				switch r.IntN(4) {
				case 0: // a push
					p.Intent.Profile, p.Intent.Action, p.Intent.Rule = nil, intent.Push, "order-paid"
					p.Intent.Content = &intent.Content{Title: fmt.Sprint(i)}
				case 1:
					p.Stray = true
				}
			})
			var value []byte
			if r.IntN(3) > 0 {
				var err error
				if value, err = encode(p); err != nil {
					t.Fatal(err)
				}
			}
			for _, s := range []*State{plain, packing} {
				if err := s.Apply(PendingKey(string(p.Intent.ID)), value); err != nil {
					t.Fatal(err)
				}
			}
			if packing.PendingCount() != len(plain.Pending) {
				t.Fatalf("seed %d, step %d: %d pending, want %d", seed, i, packing.PendingCount(), len(plain.Pending))
			}
		}
		k, rest, tags, err := packing.Waiting()
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]*Pending{}
		for _, x := range rest {
			p, err := x.Pending()
			if err != nil {
				t.Fatal(err)
			}
			got[string(p.Intent.ID)] = p
			k.Drop(x.Packed)
		}
		for p := range tags {
			got[string(p.Intent.ID)] = p
		}
		if diff := cmp.Diff(plain.Pending, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("seed %d (-kept +packed):\n%s", seed, diff)
		}
		if len(k.kinds) != 0 {
			t.Fatalf("seed %d: %d kinds of nobody", seed, len(k.kinds))
		}
	}
}

// What a take-over has packed is asked for in the fates as what it has not: a pending intent that has its fate since is not made again.
func TestFatesOfWhatIsPackedAreFound(t *testing.T) {
	opt, _, _ := brokers(t, 1)
	cl, err := kgo.NewClient(opt.Kafka...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	st := NewState()
	st.packPending()
	tags := waitingTags(nil)
	push := waitingTags(func(p *Pending) {
		p.Intent.Profile, p.Intent.Action, p.Intent.Rule, p.Intent.Event.Offset = nil, intent.Push, "order-paid", 5
	})
	other := waitingTags(func(p *Pending) { p.Intent.Event.Offset = 7 })
	for _, p := range []*Pending{tags, push, other} {
		if p != other {
			value, err := encode(p)
			if err != nil {
				t.Fatal(err)
			}
			if err := st.Apply(PendingKey(string(p.Intent.ID)), value); err != nil {
				t.Fatal(err)
			}
		}
		value, err := json.Marshal(NewFate(p.Intent, Sent, ReasonNone, p.At))
		if err != nil {
			t.Fatal(err)
		}
		if err := cl.ProduceSync(within(t), &kgo.Record{Topic: opt.Topics.Fates, Key: []byte(p.Intent.Event.ID), Value: value}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Fated(within(t), opt, 0, 0, st)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[intent.ID]bool{tags.Intent.ID: true, push.Intent.ID: true}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What is in every id of an event for several accounts, or of a topic that was made again, is not kept for each user.
func TestIDsOfSeveralAccountsTakeNoRoom(t *testing.T) {
	size := func(id intent.ID) int {
		b, ok := NewPacker().PackTags(nil, waitingTags(func(p *Pending) { p.Intent.ID = id }))
		if !ok {
			t.Fatalf("%q is not packed", id)
		}
		return len(b)
	}
	plain := size("")
	for id, more := range map[intent.ID]int{"crm.profiles/3/1000000/tags@main/u-1": 0, "crm.profiles/3/1000000/tags/u-1~1": 3, "crm.profiles/3/1000000/tags@main/u-1~1#2": 5} {
		if n := size(id); n > plain+more+1 { // flags beyond the seventh take a byte
			t.Errorf("%s takes %d bytes, the plain one %d", id, n, plain)
		}
	}
}
