//go:build synctests

package sim

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/sandbox"
)

// The vendor is gone for six hours: both hosts refuse connections, then a gateway answers 502 for another. Events go on.
func TestAnOutageOfSixHours(t *testing.T) {
	simulate(t, setup{quiet: true}, func(t *testing.T, w *world) {
		d := w.start(w.one(""))
		const (
			users   = 60
			known   = 30 // have tags at the vendor before the outage
			refused = 6 * time.Hour
			broken  = time.Hour
			every   = 10 * time.Minute
			worth   = time.Hour // the push's expire
		)
		for u := range known {
			w.profile(fmt.Sprintf("u%d", u), map[string]any{"city": "before"})
		}
		time.Sleep(time.Minute)
		before := w.vendor.Stats().RongCloud
		if err := w.vendor.Arm(sandbox.Fault{Host: "*", Kind: "refuse", DelayMS: refused.Milliseconds()}); err != nil {
			t.Fatal(err)
		}
		if err := w.vendor.Arm(sandbox.Fault{Kind: "http_5xx", Times: -1}); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		mended := began.Add(refused + broken)
		newest, pushed := map[string]string{}, map[string]time.Time{}
		casts := []string{}
		changes := known
		for i := 0; time.Now().Before(mended); i++ {
			for u := range users {
				user, city := fmt.Sprintf("u%d", u), fmt.Sprintf("c%d", (i+u)%7)
				w.profile(user, map[string]any{"city": city})
				newest[user] = "city_" + city
				changes++
			}
			pushed[w.order(fmt.Sprintf("u%d", i%users), fmt.Sprintf("order %d", i))] = time.Now()
			if i%20 == 0 {
				casts = append(casts, w.sale("bj", fmt.Sprintf("sale %d", i)))
			}
			time.Sleep(every)
		}
		dials := d.cable.dialled("127.0.0.1:8080") + d.cable.dialled("127.0.0.1:8081")
		reached := w.vendor.Stats().RongCloud.Calls - before.Calls
		t.Logf("%d dials, %d calls that reached the gateway, by lane and class %v", dials, reached, d.calls())
		// Every lane waits ever longer between two tries, up to 30 s, and tries with one call, which dials both hosts: five lanes have work (tags to
		// be read, tags one by one and in batches, pushes, broadcasts). What reaches the gateway is one call a try as well.
		tries := int((refused+broken)/(30*time.Second)) + 20
		if most := 5*2*tries + 5*int(broken/(30*time.Second)); dials+reached > most {
			t.Errorf("%d attempts in an outage of %s, want at most %d", dials+reached, refused+broken, most)
		}
		if n := w.vendor.Stats().RongCloud.Executed - before.Executed; n != 0 {
			t.Errorf("%d calls were executed in the outage", n)
		}
		if err := w.vendor.Disarm(); err != nil {
			t.Fatal(err)
		}
		if dials > 0 && reached > 0 {
			hit("V15", 1)
			hit("K14", 1) // the backlog of seven hours
		}
		time.Sleep(20 * time.Minute) // a closed lane is probed every 10 min at least
		tags := w.vendor.Tags(sandbox.DefaultKey)
		for user, want := range newest {
			if !slices.Equal(tags[user], []string{want}) {
				t.Errorf("%s has %v, its newest event asks for %s", user, tags[user], want)
			}
		}
		for _, e := range w.executed("/user/tag/set.json", "/user/tag/batch/set.json") {
			if at(e).Before(mended) {
				continue
			}
			for user, tags := range tagsIn(t, e) {
				if !slices.Equal(tags, []string{newest[user]}) {
					t.Errorf("%s was given %v after the outage, its newest event asks for %s: an old set was written", user, tags, newest[user])
				}
			}
		}
		time.Sleep(48 * time.Hour) // the broadcasts need the quota
		d.stop()

		words := w.words()
		unknown := 0
		for event, at := range pushed {
			want := []string{"SUPPRESSED(expired)"}
			if left := mended.Sub(at); left < worth {
				want = []string{"SENT", "SUPPRESSED(expired)"}
				if left < worth-20*time.Minute {
					want = want[:1]
				}
			}
			switch got := words[event]; {
			case got == "UNKNOWN": // a 502 leaves open whether the vendor acted
				unknown++
			case !slices.Contains(want, got):
				t.Errorf("the push of %s, %s before the end of the outage: %q, want %v", event, mended.Sub(at), got, want)
			}
		}
		for _, event := range casts {
			switch words[event] {
			case "SENT":
			case "UNKNOWN":
				unknown++
			default:
				t.Errorf("broadcast %s: %q", event, words[event])
			}
		}
		// Each 502 leaves one open, until the third in a row closes the lane; then only probes go, which fail with the gateway.
		if unknown > 2*3 {
			t.Errorf("%d outcomes unknown, want at most 3 in each of two lanes", unknown)
		}
		if st := w.vendor.Stats().RongCloud; st.RefusedByQuota != 0 || st.Overruns != 0 || st.Doubles != 0 {
			t.Errorf("the vendor counted %+v", st)
		}
		w.books(changes + len(pushed) + len(casts))
	})
}

// tagsIn gives what a tag call says, by user.
func tagsIn(t *testing.T, e sandbox.Entry) map[string][]string {
	t.Helper()
	var body struct {
		UserID  string   `json:"userId"`
		UserIDs []string `json:"userIds"`
		Tags    []string `json:"tags"`
	}
	if err := json.Unmarshal(e.Body, &body); err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{}
	for _, u := range append(body.UserIDs, body.UserID) {
		if u != "" {
			out[u] = body.Tags
		}
	}
	if len(out) == 0 {
		t.Fatalf("no user in %s %s", e.Path, e.Body)
	}
	return out
}
