//go:build synctests

package sim

import (
	"context"
	"net"
	"os"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/rongpush"
	"github.com/notifier/notifier/internal/sandbox"
)

// Fail-over, from the event to its fate: what breaks at the primary host with the first call of an endpoint; which host got that
// endpoint's calls and how often, what was done there, and what the event became. A call that must not be made twice reaches a second
// host only if it certainly never left for the first; the class between the two columns is rongpush's table of the same faults.
func TestFailOverEndsInFates(t *testing.T) {
	type dial = func(ctx context.Context, network, addr string) (net.Conn, error)
	primary := vendorAddr
	timedOut := func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}
	}
	noName := func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.DNSError{Err: "no such host", IsNotFound: true}
	}
	// What becomes of a call: requests at the primary, at the backup, done, and the fate.
	type want struct {
		primary, backup, done int
		fate                  string
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
				simulate(t, setup{quiet: true}, func(t *testing.T, w *world) {
					if tc.dial != nil {
						w.dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
							if addr == primary {
								return tc.dial(ctx, network, addr)
							}
							return w.net.DialContext(ctx, network, addr)
						}
					}
					d := w.start(w.one(""))
					time.Sleep(time.Minute)
					if tc.fault != nil {
						f := *tc.fault
						f.Host = "primary"
						if f.Kind != "refuse" {
							f.Path, f.Times = path, 1
						}
						if err := w.vendor.Arm(f); err != nil {
							t.Fatal(err)
						}
					}
					var event string
					switch i {
					case 0:
						event = w.order("u", "lamp")
					case 1:
						event = w.sale("bj", "lamp")
					case 2:
						event = w.profile("u", map[string]any{"city": "bj"})
					}
					time.Sleep(3 * time.Hour)
					d.stop()
					var got want
					for _, e := range w.vendor.Journal(0) {
						switch {
						case e.Path != path && (path != rongpush.TagSet.Path || e.Path != rongpush.TagBatchSet.Path): // a set may go again with others
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
					if got != tc.want[i] {
						t.Errorf("primary, backup, done, fate: %v, want %v", got, tc.want[i])
					}
					if s := w.vendor.Stats().RongCloud; s.Doubles != 0 || s.Overruns != 0 {
						t.Errorf("the vendor saw %+v", s)
					}
					w.books(1)
				})
			})
		}
	}
}
