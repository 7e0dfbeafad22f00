//go:build synctests

package sim

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/rongcloud"
	"github.com/notifier/notifier/internal/rongpush"
	"github.com/notifier/notifier/internal/sandbox"
)

// Somebody else used the quota: the vendor says 1008 although our books are empty. It is booked as external use, nobody knocks again
// within the hour, and the broadcast goes once, later.
func TestSomebodyElseUsesTheQuota(t *testing.T) {
	simulate(t, setup{}, func(t *testing.T, w *world) {
		d := w.start(w.one(""))
		if err := w.vendor.Arm(sandbox.Fault{Path: "/push.json", Kind: "answer", HTTP: 429, Body: `{"code":1008,"errorMessage":"call frequency exceeded"}`}); err != nil {
			t.Fatal(err)
		}
		event := w.sale("bj", "lamp")
		time.Sleep(time.Hour)
		if n := w.arrivals("/push.json"); n != 1 {
			t.Errorf("%d calls in the hour of the refusal, want the refused one", n)
		}
		states, err := w.reader().Ledgers(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		external := 0
		for _, a := range states[0].Attempts {
			if a.State == ledger.External {
				external++
			}
		}
		if external == 0 {
			t.Error("no external charge is on record")
		}
		time.Sleep(time.Minute)
		sends := w.executed("/push.json")
		if len(sends) != 1 || text(sends[0]) != "lamp" || w.arrivals("/push.json") != 2 {
			t.Errorf("%d executed of %d calls an hour and a minute later, want 1 of 2", len(sends), w.arrivals("/push.json"))
		}
		time.Sleep(24 * time.Hour)
		d.stop()
		if got := w.words()[event]; got != "SENT" || w.arrivals("/push.json") != 2 {
			t.Errorf("fate %q after %d calls, want SENT after 2", got, w.arrivals("/push.json"))
		}
		w.books(1)
	})
}

// Somebody else pushes to users with our App Key and has used up the vendor's second whenever we come. Within a minute of our start such a
// refusal may be a predecessor's doing and nobody is accused; later it is said, told by /readyz and `status`, and over after an hour.
func TestSomebodyElsePushesToUsers(t *testing.T) {
	simulate(t, setup{quiet: true}, func(t *testing.T, w *world) {
		other, err := rongcloud.New(rongcloud.Options{Hosts: []string{"http://127.0.0.1:8080"}, AppKey: sandbox.DefaultKey, DialContext: w.net.DialContext, AllowHTTP: true,
			Secret: func() rongcloud.Secret { return rongcloud.NewSecret(sandbox.DefaultSecret) }})
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		users := make([]string, rongpush.MaxPushUsers)
		for i := range users {
			users[i] = fmt.Sprint("theirs-", i)
		}
		n := 0
		crowded := func() { // they take a second, and an order of ours falls into it
			n++
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			if _, err := rongpush.Send(ctx, other, fmt.Sprint("theirs-", n), rongpush.PushUsers{Users: users, Notification: rongpush.Notification{Text: "theirs"}}); err != nil {
				t.Fatal(err)
			}
			w.order(fmt.Sprint("ours-", n), "lamp")
			time.Sleep(20 * time.Second)
		}
		d := w.start(w.one(""))
		holds := func(when string, refusals int, lines int) {
			t.Helper()
			if got := d.gauge("notifier_quota_contested"); got != float64(refusals) {
				t.Errorf("%s: notifier_quota_contested is %v, want %d", when, got, refusals)
			}
			_, h := d.health("/readyz")
			if told := slices.ContainsFunc(h.Detail, func(s string) bool { return strings.HasPrefix(s, "somebody else uses main/user: ") }); told != (refusals > 0) {
				t.Errorf("%s: /readyz tells %q", when, h.Detail)
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			said := 0
			for _, line := range w.unsaid {
				if strings.Contains(line, "somebody else uses this App Key") {
					said++
				}
			}
			if said != lines {
				t.Errorf("%s: the log has said it %d times, want %d", when, said, lines)
			}
		}
		time.Sleep(20 * time.Second)
		crowded()
		holds("just after the start", 0, 0)
		time.Sleep(time.Minute)
		crowded()
		crowded()
		holds("later", 2, 1)
		states, err := w.reader().Ledgers(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if x := app.StatusOf(w.one(""), states, nil, time.Now()).External; len(x) != 1 || x[0].Lane != "main/user" || x[0].N != 2 || !x[0].Refusals {
			t.Errorf("status tells %+v", x)
		}
		d.stop()
		d = w.start(w.one(""))
		time.Sleep(10 * time.Second)
		holds("after a restart", 2, 1)
		time.Sleep(62 * time.Minute)
		holds("an hour after the last", 0, 1)
		d.stop()
		refused := 0
		for _, e := range w.vendor.Journal(0) {
			if e.Code == 1008 {
				refused++
			}
		}
		if refused != n {
			t.Errorf("%d calls were refused, want one of each of our %d orders", refused, n)
		}
		for event, fate := range w.words() {
			if fate != "SENT" {
				t.Errorf("%s: %s", event, fate)
			}
		}
		w.books(n)
	})
}
