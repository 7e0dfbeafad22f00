//go:build synctests

package sim

import (
	"context"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/rongpush"
	"github.com/notifier/notifier/internal/sandbox"
)

// dial is how a daemon reaches the primary host.
type dial = func(ctx context.Context, network, addr string) (net.Conn, error)

// want is what becomes of a call: requests at the primary, at the backup, done, and the fate.
type want struct {
	primary, backup, done int
	fate                  string
}

// breaks is a world in which something breaks at the primary host with the first call of an endpoint.
type breaks struct {
	setup   setup
	account string // further keys
	dial    dial
	fault   *sandbox.Fault
	path    string
}

// from lets the event come that leads to the call, and gives what became of it.
func (b breaks) from(t *testing.T, happens func(*world) (event string)) (got want) {
	simulate(t, b.setup, func(t *testing.T, w *world) {
		if b.dial != nil {
			w.dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
				if addr == vendorAddr {
					return b.dial(ctx, network, addr)
				}
				return w.net.DialContext(ctx, network, addr)
			}
		}
		d := w.start(w.one(b.account))
		time.Sleep(time.Minute)
		if b.fault != nil {
			f := *b.fault
			f.Host = "primary"
			if f.Kind != "refuse" {
				f.Path, f.Times = b.path, 1
			}
			if err := w.vendor.Arm(f); err != nil {
				t.Fatal(err)
			}
		}
		event := happens(w)
		time.Sleep(3 * time.Hour)
		d.stop()
		for _, e := range w.vendor.Journal(0) {
			switch {
			case e.Path != b.path && (b.path != rongpush.TagSet.Path || e.Path != rongpush.TagBatchSet.Path): // a set may go again with others
				continue
			case e.Host == "primary":
				got.primary++
			default:
				got.backup++
			}
			if e.Executed {
				got.done++
			}
		}
		got.fate = w.words()[event]
		if s := w.vendor.Stats().RongCloud; s.Doubles != 0 || s.Overruns != 0 {
			t.Errorf("the vendor saw %+v", s)
		}
		w.books(1)
	})
	return got
}

// Fail-over, from the event to its fate: what breaks at the primary host with the first call of an endpoint; which host got that
// endpoint's calls and how often, what was done there, and what the event became. A call that must not be made twice reaches a second
// host only if it certainly never left for the first; the class between the two columns is rongpush's table of the same faults.
func TestFailOverEndsInFates(t *testing.T) {
	timedOut := func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}
	}
	noName := func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.DNSError{Err: "no such host", IsNotFound: true}
	}
	elsewhere := want{0, 1, 1, "SENT"}
	unknown := func(done int) want { return want{1, 0, done, "UNKNOWN"} }
	rejected := want{1, 0, 0, "DEAD(rejected-by-vendor)"}
	later := want{2, 0, 1, "SENT"}                                          // the same host again, when it may
	repeated := func(done int) want { return want{1, 1, done + 1, "SENT"} } // a tag set: at once; the first call may arrive after it and says the same
	ambiguous := func(done int) [3]want { return [3]want{unknown(done), unknown(done), repeated(done)} }
	for _, tc := range []struct {
		name  string
		dial  dial
		fault *sandbox.Fault
		want  [3]want // push to a user, broadcast, tags
	}{
		{name: "well", want: [3]want{{1, 0, 1, "SENT"}, {1, 0, 1, "SENT"}, {1, 0, 1, "SENT"}}},
		{name: "refuses", fault: &sandbox.Fault{Kind: "refuse"}, want: [3]want{elsewhere, elsewhere, elsewhere}},
		{name: "no such name", dial: noName, want: [3]want{elsewhere, elsewhere, elsewhere}},
		{name: "times out before the request", dial: timedOut, want: [3]want{elsewhere, elsewhere, elsewhere}},
		{name: "times out after the request, nothing done", fault: &sandbox.Fault{Kind: "stall"}, want: ambiguous(0)},
		{name: "times out after the request, done", fault: &sandbox.Fault{Kind: "timeout_after"}, want: ambiguous(1)},
		{name: "does it when we have given up", fault: &sandbox.Fault{Kind: "late", DelayMS: 20_000}, want: ambiguous(1)},
		{name: "stalls in the answer", fault: &sandbox.Fault{Kind: "stall_after"}, want: ambiguous(1)},
		{name: "drips", fault: &sandbox.Fault{Kind: "drip", DelayMS: 2000}, want: ambiguous(1)},
		{name: "is reset after the request, nothing done", fault: &sandbox.Fault{Kind: "reset_before"}, want: ambiguous(0)},
		{name: "is reset after the request, done", fault: &sandbox.Fault{Kind: "reset_after"}, want: ambiguous(1)},
		{name: "cuts the answer", fault: &sandbox.Fault{Kind: "truncate"}, want: ambiguous(1)},
		{name: "answers 502", fault: &sandbox.Fault{Kind: "http_5xx"}, want: ambiguous(0)},
		{name: "answers 1000", fault: &sandbox.Fault{Kind: "code", Code: 1000}, want: ambiguous(0)},
		{name: "answers 1050", fault: &sandbox.Fault{Kind: "code", Code: 1050}, want: ambiguous(0)},
		{name: "answers no JSON", fault: &sandbox.Fault{Kind: "answer", HTTP: 200, Body: "<html>"}, want: ambiguous(0)},
		{name: "redirects", fault: &sandbox.Fault{Kind: "redirect"}, want: ambiguous(0)},
		{name: "refuses what is in it", fault: &sandbox.Fault{Kind: "code", Code: 1002}, want: [3]want{rejected, rejected, rejected}},
		{name: "refuses who we are", fault: &sandbox.Fault{Kind: "code", Code: 1004}, want: [3]want{later, later, later}},
		{name: "has no such service", fault: &sandbox.Fault{Kind: "code", Code: 1009}, want: [3]want{later, later, later}},
		{name: "refuses for now", fault: &sandbox.Fault{Kind: "code", Code: 1008}, want: [3]want{later, later, later}},
	} {
		for i, path := range []string{rongpush.PushUser.Path, rongpush.Push.Path, rongpush.TagSet.Path} {
			t.Run(tc.name+path, func(t *testing.T) {
				got := breaks{setup{quiet: true}, "", tc.dial, tc.fault, path}.from(t, func(w *world) string {
					switch i {
					case 0:
						return w.order("u", "lamp")
					case 1:
						return w.sale("bj", "lamp")
					}
					return w.profile("u", map[string]any{"city": "bj"})
				})
				if got != tc.want[i] {
					t.Errorf("primary, backup, done, fate: %v, want %v", got, tc.want[i])
				}
			})
		}
	}
}

// The same of the other endpoints that events lead to: a host that refuses, times out before and after the request, drips, answers 5xx.
// Reads of tags are harmless and made again; of the others no call reaches a second host once a byte of it may have left.
func TestFailOverOfEveryEndpointEndsInFates(t *testing.T) {
	const rule = `
version: 1
defaults: {owner: sim}
rules:
  - name: RULE
    event: EVENT
    mode: live
    class: marketing
    when: always
    DELIVERY
    limits: {quiet: none, expire: 240h}
`
	const message = `title: "t", body: "${product}", message: {type: RC:TxtMsg, content: {content: "${product}"}}}`
	sale := func(w *world) string { return w.sale("bj", "lamp") }
	timedOut := func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}
	}
	for _, ep := range []struct {
		path, account, rule string
		happens             func(*world) string
	}{
		{rongpush.SystemPublish.Path, "", strings.NewReplacer("EVENT", "order.paid", "DELIVERY", "push: {"+message).Replace(rule), func(w *world) string { return w.order("u", "lamp") }},
		{rongpush.Push.Path, "", strings.NewReplacer("EVENT", "sale.opened", "DELIVERY", `broadcast: {audience: {all_of: ["city_${city}"]}, `+message).Replace(rule), sale},
		{rongpush.BroadcastMessage.Path, "    allow: [everyone]\n    approval: waived\n", strings.NewReplacer("EVENT", "sale.opened", "DELIVERY", "broadcast: {audience: everyone, "+message).Replace(rule), sale},
		{rongpush.OnlineMessage.Path, "    allow: [everyone]\n    approval: waived\n", strings.NewReplacer("EVENT", "sale.opened", "DELIVERY", "broadcast: {audience: online, "+message).Replace(rule), sale},
		{rongpush.PushCustom.Path, "    services: {push_plus: true}\n", strings.NewReplacer("EVENT", "sale.opened", "DELIVERY", `broadcast: {audience: {all_of: ["city_${city}"], none_of: [old]}, body: "${product}"}`).Replace(rule), sale},
		{rongpush.TagsGet.Path, "    tags: {foreign: keep}\n", "", func(w *world) string { return w.profile("u", map[string]any{"city": "bj"}) }},
	} {
		read := ep.path == rongpush.TagsGet.Path
		for _, tc := range []struct {
			name  string
			dial  dial
			fault *sandbox.Fault
			want  want
		}{
			{"well", nil, nil, want{1, 0, 1, "SENT"}},
			{"refuses", nil, &sandbox.Fault{Kind: "refuse"}, want{0, 1, 1, "SENT"}},
			{"times out before the request", timedOut, nil, want{0, 1, 1, "SENT"}},
			{"times out after the request, nothing done", nil, &sandbox.Fault{Kind: "stall"}, want{1, 0, 0, "UNKNOWN"}},
			{"times out after the request, done", nil, &sandbox.Fault{Kind: "timeout_after"}, want{1, 0, 1, "UNKNOWN"}},
			{"drips", nil, &sandbox.Fault{Kind: "drip", DelayMS: 2000}, want{1, 0, 1, "UNKNOWN"}},
			{"answers 502", nil, &sandbox.Fault{Kind: "http_5xx"}, want{1, 0, 0, "UNKNOWN"}},
		} {
			t.Run(tc.name+ep.path, func(t *testing.T) {
				if read && tc.want.fate == "UNKNOWN" {
					tc.want = want{1, 1, tc.want.done + 1, "SENT"}
				}
				rules := strings.Replace(ep.rule, "RULE", "only", 1)
				if got := (breaks{setup{quiet: true, rules: rules}, ep.account, tc.dial, tc.fault, ep.path}).from(t, ep.happens); got != tc.want {
					t.Errorf("primary, backup, done, fate: %v, want %v", got, tc.want)
				}
			})
		}
	}
}
