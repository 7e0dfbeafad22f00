package rongpush_test

import (
	"context"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/rongcloud"
	"github.com/notifier/notifier/internal/rongpush"
	"github.com/notifier/notifier/internal/sandbox"
)

// failing is a data centre whose primary host can be broken below HTTP as well.
func failing(t *testing.T, primary func(ctx context.Context, network, addr string) (net.Conn, error)) world {
	t.Helper()
	w := newWorld(t, "s")
	addr := strings.TrimPrefix(w.Ready().Primary, "http://")
	c, err := rongcloud.New(rongcloud.Options{
		Hosts: []string{w.Ready().Primary, w.Ready().Backup}, AppKey: "k", Secret: func() rongcloud.Secret { return rongcloud.NewSecret("s") },
		DialContext: func(ctx context.Context, network, to string) (net.Conn, error) {
			if primary != nil && to == addr {
				return primary(ctx, network, to)
			}
			return new(net.Dialer).DialContext(ctx, network, to)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return world{w.Server, c}
}

// endpoints are a golden request for each endpoint, and for each product of /push.json.
func endpoints(t *testing.T) []string {
	t.Helper()
	out := []string{"tags-set", "tags-batch", "tags-get", "push-filter", "push-message", "broadcast", "online", "users-plain", "system", "template", "recall", "custom"}
	paths := map[string]bool{}
	for _, name := range out {
		paths[rongpush.Goldens[name].Endpoint().Path] = true
	}
	for name, r := range rongpush.Goldens {
		if !paths[r.Endpoint().Path] {
			t.Fatalf("%s: no request of %s is in the table of fail-over", name, r.Endpoint().Path)
		}
	}
	return out
}

// arrivals counts what reached each host, and what was done.
func (w world) arrivals() (primary, backup, executed int) {
	for _, e := range w.Journal(0) {
		if e.Host == "primary" {
			primary++
		} else {
			backup++
		}
		if e.Executed {
			executed++
		}
	}
	return primary, backup, executed
}

// Fail-over: what breaks at the primary; which host gets a push that must not be made twice and a tag call that may be repeated, how
// often, and what is done; how the call is judged; and where the next call goes. The ways of a host to be down are asked of every endpoint,
// refusals and what else goes wrong of one of each kind. What comes of a class is the dispatcher's: ok is
// SENT, not_sent and retry_later wait, unknown is UNKNOWN, permanent is DEAD, config stops the lane, retry_safe is repeated.
func TestFailOverTable(t *testing.T) {
	timedOut := func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}
	}
	noName := func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.DNSError{Err: "no such host", IsNotFound: true}
	}
	closed := func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err == nil {
			_ = c.Close() // takes no byte any more
		}
		return c, err
	}
	const short = 300 * time.Millisecond
	const ok, unknown, safe = rongcloud.OK, rongcloud.Unknown, rongcloud.RetrySafe
	for _, tc := range []struct {
		name     string
		dial     func(context.Context, string, string) (net.Conn, error)
		fault    string // of the sandbox
		code     int
		timeout  time.Duration
		primary  int // requests of this call
		backup   int
		executed int
		push     rongcloud.Class
		tags     rongcloud.Class
		next     string
	}{
		{name: "well", primary: 1, executed: 1, push: ok, tags: ok, next: "primary"},
		{name: "refuses", fault: "refuse", backup: 1, executed: 1, push: ok, tags: ok, next: "backup"},
		{name: "no such name", dial: noName, backup: 1, executed: 1, push: ok, tags: ok, next: "backup"},
		{name: "times out before the request", dial: timedOut, backup: 1, executed: 1, push: ok, tags: ok, next: "backup"},
		{name: "is reset before the request", dial: closed, backup: 1, executed: 1, push: ok, tags: ok, next: "backup"},
		{name: "times out after the request, nothing done", fault: "stall", timeout: short, primary: 1, push: unknown, tags: safe, next: "backup"},
		{name: "times out after the request, done", fault: "timeout_after", timeout: short, primary: 1, executed: 1, push: unknown, tags: safe, next: "backup"},
		{name: "stalls in the answer", fault: "stall_after", timeout: short, primary: 1, executed: 1, push: unknown, tags: safe, next: "backup"},
		{name: "drips", fault: "drip", timeout: short, primary: 1, executed: 1, push: unknown, tags: safe, next: "backup"},
		{name: "is reset after the request, nothing done", fault: "reset_before", primary: 1, push: unknown, tags: safe, next: "backup"},
		{name: "is reset after the request, done", fault: "reset_after", primary: 1, executed: 1, push: unknown, tags: safe, next: "backup"},
		{name: "cuts the answer", fault: "truncate", primary: 1, executed: 1, push: unknown, tags: safe, next: "backup"},
		{name: "answers 502", fault: "http_5xx", primary: 1, push: unknown, tags: safe, next: "backup"},
		{name: "answers 1000", fault: "code", code: 1000, primary: 1, push: unknown, tags: safe, next: "backup"},
		{name: "answers 1050", fault: "code", code: 1050, primary: 1, push: unknown, tags: safe, next: "backup"},
		{name: "answers no JSON", fault: "answer", primary: 1, push: unknown, tags: safe, next: "backup"},
		{name: "redirects", fault: "redirect", primary: 1, push: unknown, tags: safe, next: "backup"},
		{name: "refuses what is in it", fault: "code", code: 1002, primary: 1, push: rongcloud.Permanent, tags: rongcloud.Permanent, next: "primary"},
		{name: "refuses who we are", fault: "code", code: 1004, primary: 1, push: rongcloud.Config, tags: rongcloud.Config, next: "primary"},
		{name: "has no such service", fault: "code", code: 1009, primary: 1, push: rongcloud.Config, tags: rongcloud.Config, next: "primary"},
		{name: "refuses for now", fault: "code", code: 1008, primary: 1, push: rongcloud.RetryLater, tags: rongcloud.RetryLater, next: "primary"},
	} {
		every := slices.Contains([]string{"well", "refuses", "times out before the request", "times out after the request, nothing done", "times out after the request, done", "drips", "answers 502"}, tc.name)
		for _, golden := range endpoints(t) {
			r := rongpush.Goldens[golden]
			if !every && !slices.Contains([]string{"push-filter", "system", "tags-set"}, golden) {
				continue
			}
			want := tc.push
			if strings.HasPrefix(golden, "tags-") { // no other endpoint may be called twice
				want = tc.tags
			}
			t.Run(tc.name+", "+golden, func(t *testing.T) {
				t.Parallel()
				w := failing(t, tc.dial)
				if tc.fault != "" {
					fault := sandbox.Fault{Kind: tc.fault, Host: "primary", Code: tc.code}
					if tc.fault == "answer" {
						fault.HTTP, fault.Body = 200, "<html>"
					}
					if err := w.Arm(fault); err != nil {
						t.Fatal(err)
					}
				}
				timeout := tc.timeout
				if timeout == 0 {
					timeout = enough
				}
				_, err := w.send(t, "c", r, timeout)
				got := ok
				if err != nil {
					got = err.Class
				}
				if got != want {
					t.Errorf("class %s, want %s (%v)", got, want, err)
				}
				primary, backup, executed := w.arrivals()
				if primary != tc.primary || backup != tc.backup || executed != tc.executed {
					t.Errorf("primary got %d, backup %d, %d done; want %d, %d, %d", primary, backup, executed, tc.primary, tc.backup, tc.executed)
				}
				if s := w.Stats().RongCloud; s.Doubles != 0 || s.RequestIDConflicts != 0 {
					t.Errorf("the vendor saw %+v", s)
				}
				host := map[string]string{"primary": w.Ready().Primary, "backup": w.Ready().Backup}[tc.next]
				if "http://"+w.client.Host() != host {
					t.Errorf("the next call goes to %s, want the %s", w.client.Host(), tc.next)
				}
			})
		}
	}
}

// The client stays on the host that works, though the other one is well again, and leaves it only when it fails.
func TestFailOverDoesNotFlap(t *testing.T) {
	w := newWorld(t, "s")
	get := rongpush.Goldens["tags-get"]
	hosts := func() (out []string) {
		for _, e := range w.Journal(0) {
			out = append(out, e.Host)
		}
		return out
	}
	n := 0
	call := func() *rongcloud.Error {
		n++
		_, err := w.send(t, strconv.Itoa(n), get, enough)
		return err
	}
	for _, broken := range []string{"primary", "backup"} {
		if err := w.Arm(sandbox.Fault{Kind: "http_5xx", Host: broken}); err != nil { // once: well again at once
			t.Fatal(err)
		}
		if err := call(); err == nil || err.Class != rongcloud.RetrySafe {
			t.Errorf("%s broken: %v", broken, err)
		}
		for range 5 {
			if err := call(); err != nil {
				t.Error(err)
			}
		}
	}
	want := "primary backup backup backup backup backup backup primary primary primary primary primary"
	if got := strings.Join(hosts(), " "); got != want {
		t.Errorf("hosts %s, want %s", got, want)
	}
}
