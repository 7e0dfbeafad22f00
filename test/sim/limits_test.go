//go:build synctests

package sim

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// limited is ruleFile with limits for both rules: two orders an hour in all, a product once a day for a user; one sale a day.
var limited = strings.NewReplacer(
	"limits: {quiet: none, expire: 240h}", `limits: {quiet: none, quota: 1 per day, reserve: 1, reserve_until: "22:00", expire: 240h}`,
	"limits: {quiet: none, expire: 1h}", `limits: {quiet: none, once: {by: "${product}", in: 24h}, rule: 2 in 1h, brake: 3 in 24h, expire: 1h}`).Replace(ruleFile)

// The limits of rules hold over restarts, clean and unclean.
func TestLimitsOfRulesOverRestarts(t *testing.T) {
	simulate(t, setup{rules: limited, quiet: true}, func(t *testing.T, w *world) {
		s := w.one("")
		d := w.start(s)
		first, sale1 := w.order("u1", "lamp"), w.sale("c1", "one")
		time.Sleep(time.Minute)
		d.kill()
		d = w.start(s)
		time.Sleep(3 * time.Minute)
		again, second, third, sale2 := w.order("u1", "lamp"), w.order("u2", "lamp"), w.order("u3", "lamp"), w.sale("c2", "two")
		time.Sleep(2 * time.Hour)
		d.stop()
		d = w.start(s)
		fourth := w.order("u4", "lamp")
		time.Sleep(15 * time.Minute)   // in these tests a restarted daemon takes up to 10 min to see its first event
		fifth := w.order("u5", "lamp") // the fourth send within a day: the brake
		time.Sleep(2 * time.Hour)
		want := map[string]string{first: "SENT", sale1: "SENT", again: "SUPPRESSED(repeated)", second: "SENT", third: "SUPPRESSED(capped)", fourth: "SENT", fifth: "SUPPRESSED(expired)"}
		words := w.words()
		if fmt.Sprint(words) != fmt.Sprint(want) {
			t.Errorf("fates %v, want %v", words, want)
		}
		if p := w.pending(); len(p) != 1 || p[0] != sale2 {
			t.Errorf("pending %v: the second sale waits for its day", p)
		}
		states, err := w.reader().Ledgers(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		braked := false
		for _, st := range states {
			braked = braked || st.Pauses["rule/order"].Brake
		}
		if !braked {
			t.Error("the brake is not on record")
		}
		time.Sleep(24 * time.Hour)
		d.stop()
		if got := w.words()[sale2]; got != "SENT" {
			t.Errorf("the second sale is %q on the next day", got)
		}
		w.books(8)
	})
}
