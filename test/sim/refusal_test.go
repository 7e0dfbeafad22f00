//go:build synctests

package sim

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/rongcloud"
	"github.com/notifier/notifier/internal/rongpush"
	"github.com/notifier/notifier/internal/sandbox"
)

// gauge reads the sum of a metric of the daemon over its labels.
func (d *daemon) gauge(name string) (sum float64) {
	d.w.t.Helper()
	mfs, err := d.app.Registry().Gather()
	if err != nil {
		d.w.t.Fatal(err)
	}
	for _, mf := range mfs {
		if mf.GetName() == name {
			for _, m := range mf.GetMetric() {
				sum += m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

// Every answer that says something of us and not of the event: for an hour everything is refused with it. Nothing is lost, the lanes
// say so, the vendor is hardly asked, and once the cause is gone everything goes by itself.
func TestRefusalsOfTheAccountForAnHour(t *testing.T) {
	for _, f := range []sandbox.Fault{{Code: 1001}, {Code: 1004}, {Code: 1006}, {Code: 2007}, {Code: 1002, Body: "invalid App-Key."}, {Code: 404, HTTP: 404}, {Code: 1007}, {Code: 1009}} {
		t.Run(fmt.Sprint(f.Code), func(t *testing.T) {
			simulate(t, setup{quiet: true}, func(t *testing.T, w *world) {
				d := w.start(w.one(""))
				time.Sleep(time.Minute)
				f.Host, f.Kind, f.Times = "*", "code", -1
				if err := w.vendor.Arm(f); err != nil {
					t.Fatal(err)
				}
				var events []string
				for i := range 20 {
					events = append(events, w.profile(fmt.Sprint("u", i), map[string]any{"city": "bj"}), w.order(fmt.Sprint("u", i), fmt.Sprint("o", i)))
				}
				events = append(events, w.sale("bj", "lamp"))
				time.Sleep(49 * time.Minute)
				if fates := len(w.words()); fates != 0 {
					t.Errorf("%d fates while everything is refused, want every event kept", fates)
				}
				if d.gauge("notifier_lane_held") == 0 {
					t.Error("notifier_lane_held tells nothing")
				}
				// Lanes with work: reads, pushes, broadcasts; each with what was in flight, then a probe or a trial after 15 s, 30 s, ... 10 min.
				if n := w.vendor.Stats().RongCloud.Calls; n > 16+4+3*12 {
					t.Errorf("%d calls, want few", n)
				}
				t.Logf("%d calls in 49 minutes", w.vendor.Stats().RongCloud.Calls)
				if err := w.vendor.Disarm(); err != nil {
					t.Fatal(err)
				}
				if f.Code == 404 || f.Code == 1007 || f.Code == 1009 { // else the broadcast, whose tries take slots, would be tried in two hours
					w.command(ledger.Command{Cmd: ledger.CmdResume, Target: "lane/main/broadcast"})
				}
				time.Sleep(15 * time.Minute) // the longest pause, and the hour of the first try; the pushes are worth an hour
				d.stop()
				words := w.words()
				for _, e := range events {
					if words[e] != "SENT" {
						t.Errorf("%s: %q", e, words[e])
					}
				}
				if n := d.gauge("notifier_lane_held"); n != 0 {
					t.Errorf("%v lanes are told to be held", n)
				}
				w.books(len(events))
			})
		})
	}
}

// A broadcast service that is off: only a real request finds out when it is on, and each takes a slot. So there are few, some are left for
// when it is, and whoever has switched it on need not wait.
func TestAServiceThatIsOffForHoursTakesFewSlots(t *testing.T) {
	for _, resumed := range []bool{false, true} {
		simulate(t, setup{quiet: true}, func(t *testing.T, w *world) {
			d := w.start(w.one(""))
			if err := w.vendor.Arm(sandbox.Fault{Host: "*", Path: "/push.json", Kind: "code", Code: 1009, Times: -1}); err != nil {
				t.Fatal(err)
			}
			sale := w.sale("bj", "lamp")
			time.Sleep(80 * time.Minute)
			if n := len(w.executed("/push.json")) + len(w.words()); n != 0 {
				t.Errorf("%d calls done or fates while the service is off", n)
			}
			if n := w.vendor.Stats().RongCloud.Calls; n > 4 { // two tries, and two reads of tags at most
				t.Errorf("%d calls in 80 minutes", n)
			}
			if err := w.vendor.Disarm(); err != nil {
				t.Fatal(err)
			}
			wait := 2 * time.Hour
			if resumed {
				w.command(ledger.Command{Cmd: ledger.CmdResume, Target: "lane/main/broadcast", By: "li", Why: "enabled"})
				wait = time.Minute
			}
			time.Sleep(wait)
			d.stop()
			if got := w.words()[sale]; got != "SENT" {
				t.Errorf("resumed %t: the sale is %q with the day's last slot", resumed, got)
			}
		})
	}
}

// A wrong setting that the vendor answers as a parameter error, for half an hour: four events are dead letters, and one with each trial of
// the closed lane; the topic is not.
func TestATopicIsNotDeadLetteredByAWrongSetting(t *testing.T) {
	simulate(t, setup{quiet: true}, func(t *testing.T, w *world) {
		d := w.start(w.one(""))
		if err := w.vendor.Arm(sandbox.Fault{Host: "*", Path: "/push/user.json", Kind: "code", Code: 1002, Times: -1}); err != nil {
			t.Fatal(err)
		}
		const orders = 60
		for i := range orders {
			w.order(fmt.Sprint("u", i), fmt.Sprint("o", i))
			time.Sleep(30 * time.Second)
		}
		if err := w.vendor.Disarm(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(11 * time.Minute)
		d.stop()
		count := map[string]int{}
		for _, word := range w.words() {
			count[word]++
		}
		trials := 7 // after 15 s, 30 s, 1, 2, 4, 8, 10 min
		if dead := count["DEAD(rejected-by-vendor)"]; dead < 4 || dead > 4+trials || count["SENT"] != orders-dead {
			t.Errorf("%v of %d, want 4 to %d dead and the rest sent", count, orders, 4+trials)
		}
		w.books(orders)
	})
}

// The canary finds within its round what somebody else did to a user's tags, tells it, and changes nothing; a repair is for who is asked.
func TestTheCanaryFindsDrift(t *testing.T) {
	simulate(t, setup{}, func(t *testing.T, w *world) {
		d := w.start(w.one("    tags: {verify: 100 per day}\n"))
		for i := range 80 {
			w.profile(fmt.Sprint("u", i), map[string]any{"city": "bj"})
		}
		time.Sleep(time.Minute)
		reads := w.arrivals(rongpush.TagsGet.Path)
		cl, err := rongcloud.New(rongcloud.Options{Hosts: []string{"http://127.0.0.1:8080"}, AppKey: sandbox.DefaultKey, AllowHTTP: true, DialContext: w.net.DialContext,
			Secret: func() rongcloud.Secret { return rongcloud.NewSecret(sandbox.DefaultSecret) }})
		if err != nil {
			t.Fatal(err)
		}
		defer cl.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		for _, s := range []rongpush.SetTags{{User: "u3"}, {User: "u4", Tags: []string{"city_bj", "city_sh"}}, {User: "u5", Tags: []string{"city_bj", "theirs"}}} {
			if _, err := rongpush.Send(ctx, cl, "others", s); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(25 * time.Hour) // 100 a day, so 80 once
		if n := d.gauge("notifier_tag_drift_users"); n != 2 {
			t.Errorf("%v users are told to differ, want 2", n)
		}
		if n := w.arrivals(rongpush.TagsGet.Path) - reads; n < 2 || n > 4 {
			t.Errorf("%d reads in a day, want 100 users of 50 each", n)
		}
		if got := w.vendor.Tags(sandbox.DefaultKey)["u4"]; len(got) != 2 {
			t.Errorf("u4 has %v: the canary changes nothing", got)
		}
		w.profile("u5", map[string]any{"city": "sz"})
		w.profile("u3", map[string]any{"city": "sz"})
		time.Sleep(time.Minute)
		if got := fmt.Sprint(w.vendor.Tags(sandbox.DefaultKey)["u5"]); got != "[city_sz theirs]" {
			t.Errorf("u5 has %s, want the tag kept that the canary saw", got)
		}
		if n := d.gauge("notifier_tag_drift_users"); n != 1 {
			t.Errorf("%v users are told to differ after one was written, want 1", n)
		}
		d.stop()
	})
}
