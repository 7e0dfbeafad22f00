//go:build synctests

package sim

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/sandbox"
)

const dayOfListsRules = `
version: 1
rules:
  - name: early
    event: order.paid
    mode: live
    class: marketing
    when: product == "early"
    push: {title: "Thanks", body: "lamps"}
    limits: {quiet: none, expire: 3h}
    send_at: "09:00"
  - name: late
    event: order.paid
    mode: live
    class: marketing
    when: product == "late"
    push: {title: "Thanks", body: "chairs"}
    limits: {quiet: none, expire: 3h}
    send_at: "15:00"
`

// List pushes have a limit of their own a day, in users. It is kept, over a restart and from one day of the vendor to the next, and where the vendor
// has less than the settings say its word is believed. Nobody waits for it: whoever is left goes in batches.
func TestGetuiKeepsTheDayOfLists(t *testing.T) {
	const wave, limit, days = 50, 70, 2
	for _, tc := range []struct {
		name    string
		vendor  int
		listed  int // users a day
		refused int // lists a day
	}{
		{"as the settings say", limit, 50 + 18, 0}, // and a call each
		{"the vendor has less", limit / 2, 0, 1},   // its word is for the day, and for the next owner too
	} {
		t.Run(tc.name, func(t *testing.T) {
			simulate(t, setup{rules: dayOfListsRules, quiet: true}, func(t *testing.T, w *world) {
				knobs := sandbox.DefaultKnobs()
				knobs.ListDayLimit = tc.vendor
				if err := w.vendor.SetKnobs(knobs); err != nil {
					t.Fatal(err)
				}
				s := w.third(fmt.Sprintf("    quota: {lists: {day: %d}}\n", limit))
				d := w.start(s)
				users := map[string]string{}
				order := func(product string) {
					for range wave {
						user := fmt.Sprintf("bulk-cid-%04d", len(users))
						users[w.order(user, product)] = user
					}
				}
				for range days { // from 08:00 in Shanghai
					time.Sleep(30 * time.Minute)
					order("early")
					time.Sleep(3 * time.Hour)
					d.kill()
					d = w.start(s)
					time.Sleep(3 * time.Hour)
					order("late")
					time.Sleep(17*time.Hour + 30*time.Minute)
				}
				d.stop()
				words := w.words()
				for event, user := range users {
					if _, n := w.vendor.Deliveries(user); words[event] != "SENT" || n != 1 {
						t.Errorf("%s: %s, delivered %d times", user, words[event], n)
					}
				}
				listed, refused := 0, 0
				for _, e := range w.vendor.Journal(0) {
					switch {
					case e.Code == 30008:
						refused++
					case e.Executed && strings.HasSuffix(e.Path, "/push/list/cid"):
						var body struct{ Audience struct{ CID []string } }
						if err := json.Unmarshal(e.Body, &body); err != nil {
							t.Fatal(err)
						}
						listed += len(body.Audience.CID)
					}
				}
				if listed != tc.listed*days || refused != tc.refused*days {
					t.Errorf("%d users by lists, %d lists refused; want %d and %d", listed, refused, tc.listed*days, tc.refused*days)
				}
				w.books(wave * 2 * days)
			})
		})
	}
}
