package demo

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/tidwall/gjson"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/sandbox"
)

// snapshot is what the daemon's metrics say now.
type snapshot struct {
	events  int            // read by stage 1
	results map[string]int // of them: matched, no_match, ignored, dead
	fates   map[string]int // by kind
	pending map[string]int // by state
	busy    int            // pending that waits for nothing but us: merging, in flight, queued in a lane that is not scarce
	queued  map[string]int // pending for a slot, by scarce lane
}

// idle reports whether the daemon has nothing to do: what is pending waits for quiet hours, for people, or for a slot that is not
// free. A slot may be free and not used yet: a machine that halts for seconds makes the clock uncertain, and scarce lanes wait.
func (s *snapshot) idle(lanes []app.QuotaLane, now time.Time) bool {
	for _, l := range lanes {
		if s.queued[l.Lane] > 0 && !l.Next.After(now) {
			return false
		}
	}
	return s.busy == 0
}

func gather(g prometheus.Gatherer) (snapshot, error) {
	s := snapshot{results: map[string]int{}, fates: map[string]int{}, pending: map[string]int{}, queued: map[string]int{}}
	mfs, err := g.Gather()
	if err != nil {
		return s, fmt.Errorf("read the daemon's metrics: %w", err)
	}
	lanes := map[string]map[string]int{} // pending by lane and state
	scarce := map[string]bool{}
	for _, mf := range mfs {
		into, label := map[string]int(nil), ""
		switch mf.GetName() {
		case "notifier_events_total":
			into, label = s.results, "result"
		case "notifier_fates_total":
			into, label = s.fates, "fate"
		case "notifier_pending":
			into, label = s.pending, "state"
		case "notifier_quota_limit":
		default:
			continue
		}
		for _, m := range mf.GetMetric() {
			value := int(m.GetCounter().GetValue() + m.GetGauge().GetValue())
			l := map[string]string{}
			for _, p := range m.GetLabel() {
				l[p.GetName()] = p.GetValue()
			}
			if into == nil {
				scarce[l["lane"]] = true
				continue
			}
			into[l[label]] += value
			if label == "state" {
				if lanes[l["lane"]] == nil {
					lanes[l["lane"]] = map[string]int{}
				}
				lanes[l["lane"]][l["state"]] += value
			}
		}
	}
	for lane, states := range lanes {
		s.busy += states["merging"] + states["in_flight"]
		if scarce[lane] {
			s.queued[lane] = states["quota"]
		} else {
			s.busy += states["quota"]
		}
	}
	for _, n := range s.results {
		s.events += n
	}
	return s, nil
}

// note is a notification as a phone would show it.
type note struct {
	at          time.Time
	to          string
	title, body string
}

// arrivals follows the sandbox's journal, which forgets after a while.
type arrivals struct {
	server *sandbox.Server
	each   func(*sandbox.Entry) // or nil

	mu    sync.Mutex // guards what follows
	seq   int64
	calls map[string]int // by path
	last  []note         // newest last, at most keepNotes
}

const keepNotes = 8

func (a *arrivals) look() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, e := range a.server.Journal(a.seq) {
		a.seq = e.Seq
		a.calls[strings.TrimPrefix(e.Path, "/v2/"+appID)]++
		if a.each != nil {
			a.each(&e)
		}
		if !e.Executed {
			continue
		}
		if e.Vendor == vendorGetui {
			a.last = append(a.last, getuiNotes(&e)...)
		} else if n, ok := notification(&e); ok {
			a.last = append(a.last, n)
		}
	}
	a.last = a.last[max(0, len(a.last)-keepNotes):]
}

func (a *arrivals) seen() (calls map[string]int, last []note) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return maps.Clone(a.calls), slices.Clone(a.last)
}

// notification reads what a call shows on phones; tag calls show nothing.
func notification(e *sandbox.Entry) (note, bool) {
	n := note{at: time.UnixMilli(e.AtMS)}
	b := gjson.ParseBytes(e.Body)
	switch e.Path {
	case "/push/user.json", "/push.json":
		n.title = b.Get("notification.title").String()
		n.body = b.Get("notification.pushContent").String() + b.Get("notification.alert").String()
	case "/message/system/publish.json", "/message/broadcast.json", "/message/online/broadcast.json":
		n.title = gjson.Get(b.Get("pushExt").String(), "title").String()
		n.body = b.Get("pushContent").String()
	default:
		return n, false
	}
	to := b.Get("userIds")
	if !to.Exists() {
		to = b.Get("toUserId")
	}
	var names []string
	for _, u := range to.Array() {
		names = append(names, u.String())
	}
	switch tags := b.Get("audience.tag").Array(); {
	case len(names) == 1:
		n.to = names[0]
	case len(names) > 1:
		n.to = fmt.Sprintf("%s +%d", names[0], len(names)-1)
	case len(tags) > 0:
		for _, t := range tags {
			names = append(names, t.String())
		}
		n.to = strings.Join(names, " ")
	default:
		n.to = "全部用户 everyone"
	}
	return n, true
}

// getuiNotes reads what a call at Getui shows on phones; a batch is several messages.
func getuiNotes(e *sandbox.Entry) (out []note) {
	all := []gjson.Result{gjson.ParseBytes(e.Body)}
	if list := all[0].Get("msg_list"); list.Exists() {
		all = list.Array()
	}
	for _, m := range all {
		shown := m.Get("push_message.notification")
		if !shown.Exists() {
			continue
		}
		n := note{at: time.UnixMilli(e.AtMS), to: "全部用户 everyone", title: shown.Get("title").String(), body: shown.Get("body").String()}
		for _, path := range []string{"audience.cid.0", "audience.fast_custom_tag", "audience.tag.0.values.0"} {
			if to := m.Get(path); to.Exists() {
				n.to = to.String()
			}
		}
		out = append(out, n)
	}
	return out
}

// books follows the ledger, for the quota of the live view.
type books struct {
	mu     sync.Mutex // guards states
	states map[int32]*ledger.State
}

// follow reads the ledger until ctx ends.
func (b *books) follow(ctx context.Context, kafka []kgo.Opt, topic string) error {
	cl, err := kgo.NewClient(append(kafka[:len(kafka):len(kafka)], kgo.ConsumeTopics(topic), kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))...)
	if err != nil {
		return fmt.Errorf("follow the ledger: %w", err)
	}
	defer cl.Close()
	for {
		fs := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			return nil
		}
		b.mu.Lock()
		fs.EachRecord(func(r *kgo.Record) {
			st := b.states[r.Partition]
			if st == nil {
				st = ledger.NewState()
				b.states[r.Partition] = st
			}
			if e := st.Apply(string(r.Key), r.Value); e != nil && err == nil {
				err = fmt.Errorf("follow the ledger: %w", e)
			}
		})
		b.mu.Unlock()
		if err != nil {
			return err
		}
	}
}

// read lends the states to f.
func (b *books) read(f func(map[int32]*ledger.State)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f(b.states)
}
