//go:build synctests

package sim

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/sandbox"
)

// A broadcast that leaves users out goes through Push Plus: no slot of the scarce lane, one call a second, at most once.
func TestLeavingUsersOutGoesThroughPushPlus(t *testing.T) {
	const rule = `
version: 1
rules:
  - name: sale
    event: sale.opened
    mode: live
    class: marketing
    when: always
    broadcast: {audience: {all_of: ["city_${city}"], none_of: [old]}, body: "${product}"}
    limits: {quiet: none, expire: 240h}
`
	simulate(t, setup{rules: rule}, func(t *testing.T, w *world) {
		d := w.start(w.one("    services: {push_plus: true, broadcast: false}\n"))
		var events []string
		for i := range 6 {
			events = append(events, w.sale("bj", fmt.Sprintf("lamp %d", i)))
		}
		time.Sleep(time.Minute)
		sent := w.executed("/push/custom.json")
		if len(sent) != 6 || w.arrivals("/push.json") != 0 {
			t.Fatalf("%d through Push Plus, %d through the scarce lane; want 6 and none", len(sent), w.arrivals("/push.json"))
		}
		for i, e := range sent {
			var body struct {
				Audience struct {
					TagItems []struct {
						Tags  []string
						IsNot bool
					}
					IsToAll *bool `json:"is_to_all"`
				}
			}
			if err := json.Unmarshal(e.Body, &body); err != nil {
				t.Fatal(err)
			}
			items := body.Audience.TagItems
			if len(items) != 2 || items[0].Tags[0] != "city_bj" || items[0].IsNot || items[1].Tags[0] != "old" || !items[1].IsNot || body.Audience.IsToAll == nil || *body.Audience.IsToAll {
				t.Errorf("audience of %s", e.Body)
			}
			if i > 0 && e.AtMS-sent[i-1].AtMS < 1000 {
				t.Errorf("%d ms between two calls, want a second", e.AtMS-sent[i-1].AtMS)
			}
		}
		if err := w.vendor.Arm(sandbox.Fault{Path: "/push/custom.json", Kind: "reset_after"}); err != nil {
			t.Fatal(err)
		}
		lost := w.sale("bj", "lost")
		time.Sleep(time.Hour)
		d.stop()
		words := w.words()
		for _, e := range events {
			if words[e] != "SENT" {
				t.Errorf("%s is %s, want SENT", e, words[e])
			}
		}
		if words[lost] != "UNKNOWN" || w.arrivals("/push/custom.json") != 7 {
			t.Errorf("an unclear call is %s after %d calls; want UNKNOWN, never made again", words[lost], w.arrivals("/push/custom.json"))
		}
		w.books(7)
	})
}
