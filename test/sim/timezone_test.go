//go:build synctests

package sim

import (
	"strings"
	"testing"
	"time"
)

// The settings' timezone is another one after a restart: what is counted by days, and what is quiet, is by the new one at once, also for what
// was sent and held under the old.
func TestTheTimezoneIsAnotherOneAfterARestart(t *testing.T) {
	limits := "mode: live\n    limits: {per_user: 1 per day, quiet: 22:00-07:00, expire: 30h}\n"
	file := strings.Replace(ruleFile, "limits: {quiet: none, expire: 240h}", "limits: {quiet: none, quota: 1 per day, expire: 240h}", 1)
	file = strings.Replace(file, "mode: live\n    class: service\n    when: always\n    push: {title: \"Thanks\", body: \"${product}\"}\n    limits: {quiet: none, expire: 1h}\n",
		"class: service\n    when: always\n    push: {title: \"Thanks\", body: \"${product}\"}\n    "+limits, 1)
	const shanghai, newYork = "Asia/Shanghai", "America/New_York"
	simulate(t, setup{after: until(moment(t, "2000-03-06T21:30:00+08:00")), zone: shanghai, rules: file, quiet: true}, func(t *testing.T, w *world) {
		d := w.start(w.one(""))
		time.Sleep(time.Minute)
		first, sale1 := w.order("u1", "a"), w.sale("c1", "a")
		time.Sleep(time.Hour)
		held := w.order("u2", "b") // 22:31 in Shanghai, 09:31 in New York
		time.Sleep(5 * time.Minute)
		check := func(when string, want map[string]string) {
			t.Helper()
			words := w.words()
			for event, word := range want {
				if words[event] != word {
					t.Errorf("%s: %s is %q, want %q", when, event, words[event], word)
				}
			}
		}
		check("in Shanghai", map[string]string{first: "SENT", sale1: "SENT", held: ""})
		d.kill()
		w.zone = newYork
		d = w.start(w.one(""))
		time.Sleep(15 * time.Minute)
		check("in New York, where it is not quiet", map[string]string{held: "SENT"})
		time.Sleep(time.Until(moment(t, "2000-03-07T00:30:00+08:00"))) // another day in Shanghai, 11:30 of the same in New York
		again, sale2 := w.order("u1", "c"), w.sale("c1", "b")
		time.Sleep(15 * time.Minute)
		check("the same day in New York", map[string]string{again: "SUPPRESSED(capped)", sale2: ""})
		time.Sleep(time.Until(moment(t, "2000-03-06T23:00:00-05:00")))
		night := w.order("u3", "d")
		time.Sleep(30 * time.Minute)
		check("quiet in New York", map[string]string{night: "", sale2: ""})
		time.Sleep(time.Until(moment(t, "2000-03-07T00:10:00-05:00")))
		check("another day in New York", map[string]string{night: "", sale2: "SENT"})
		d.stop()
		w.zone = shanghai
		d = w.start(w.one("")) // 13:10
		time.Sleep(15 * time.Minute)
		back := w.order("u1", "e")
		time.Sleep(5 * time.Minute)
		check("back in Shanghai by day", map[string]string{night: "SENT", back: "SENT"})
		d.stop()
		w.books(7)
	})
}
