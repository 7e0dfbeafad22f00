//go:build synctests

package sim

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/ledger"
)

// command sends a command to the fleet and wants every answer to be yes.
func (w *world) command(c ledger.Command) (as []ledger.Answer) {
	w.t.Helper()
	c.By, c.Why = "li", "test"
	as, err := w.reader().Send(w.t.Context(), c, -1, time.Minute)
	if err != nil {
		w.t.Fatalf("%s %s: %v", c.Cmd, c.Target, err)
	}
	for _, a := range as {
		if !a.OK {
			w.t.Fatalf("%s %s: %+v", c.Cmd, c.Target, a)
		}
	}
	return as
}

// What an edit does to what waits (rules-format.md 5), through files, real records and two processes that die: what the edited rule still
// says leaves, once; the rest is superseded; what is switched off waits, and what is removed is given up after two minutes.
func TestEditsInFlight(t *testing.T) {
	rule := func(name, when, body, more string) string {
		return fmt.Sprintf("  - name: %s\n    event: order.paid\n    mode: live\n    class: service\n    when: %s\n    push: {body: %q}\n    limits: {quiet: none, expire: 30h}\n%s", name, when, body, more)
	}
	file := func(rules ...string) string {
		return "version: 1\ndefaults: {owner: sim}\nrules:\n" + strings.Join(rules, "")
	}
	later := func(rule string) string { return strings.Replace(rule, "expire: 30h", "expire: 29h", 1) } // another revision that says the same
	merge := "    merge: {wait: 5m}\n"
	before := file(rule("same", `product == "a" or product == "b"`, "same ${product}", ""), rule("text", `product == "c"`, "old ${product}", ""), rule("off", `product == "d"`, "off ${product}", ""),
		rule("gone", `product == "e"`, "gone ${product}", ""), rule("merged", `product == "f"`, "${count} ${latest.product}", merge), rule("other", `product == "g"`, "other ${product}", ""))
	after := func(mode string) string {
		off := strings.Replace(rule("off", `product == "d"`, "off ${product}", ""), "mode: live", "mode: "+mode, 1)
		return file(later(rule("same", `product == "a"`, "same ${product}", "")), rule("text", `product == "c"`, "new ${product}", ""), off,
			later(rule("merged", `product == "f"`, "${count} ${latest.product}", merge)), rule("other", `product == "g"`, "other ${product}", ""))
	}
	simulate(t, setup{rules: before, quiet: true}, func(t *testing.T, w *world) {
		s := w.one("")
		d := w.start(s)
		time.Sleep(time.Minute)
		w.command(ledger.Command{Cmd: ledger.CmdPause, Target: "broadcasts"})
		w.command(ledger.Command{Cmd: ledger.CmdPause, Target: "all"})
		events := map[string]string{} // product -> event
		for _, p := range []string{"a", "b", "c", "d", "e", "f", "g"} {
			for range 20 { // records in between that nobody wants
				w.order("nobody", "z")
			}
			events[p] = w.order("u-"+p, p)
		}
		w.order("u-f", "f")
		time.Sleep(10 * time.Minute) // the merge is closed
		d.kill()
		w.edit(after("off"))
		d = w.start(s)
		time.Sleep(time.Minute)
		if as := w.command(ledger.Command{Cmd: ledger.CmdResume, Target: "all"}); !slices.ContainsFunc(as, func(a ledger.Answer) bool { return a.Intents == 4 }) { // same twice, text, merged
			t.Errorf("answers %+v, want 4 that are evaluated again", as)
		}
		time.Sleep(30 * time.Second)
		want := map[string]string{"a": "SENT", "b": "SUPPRESSED(superseded-by-rule-change)", "c": "SUPPRESSED(superseded-by-rule-change)", "f": "SENT", "g": "SENT"}
		check := func(when string) {
			t.Helper()
			got := w.words()
			for p, event := range events {
				if got[event] != want[p] {
					t.Errorf("%s: %s is %q, want %q", when, p, got[event], want[p])
				}
			}
		}
		check("after the resume")
		time.Sleep(2 * time.Minute)
		want["e"] = "SUPPRESSED(superseded-by-rule-change)"
		check("after two minutes")
		d.kill()
		d = w.start(s)
		time.Sleep(10 * time.Minute)
		check("after a second death")
		w.edit(after("live"))
		time.Sleep(3 * time.Minute)
		want["d"] = "SENT"
		check("after the rule is live again")
		d.stop()
		var texts []string
		for _, e := range w.executed("/push/user.json") {
			texts = append(texts, text(e))
		}
		slices.Sort(texts)
		if want := []string{"2 f", "off d", "other g", "same a"}; !slices.Equal(texts, want) {
			t.Errorf("texts %q, want %q", texts, want)
		}
		if p := w.pending(); len(p) != 0 {
			t.Errorf("pending %v", p)
		}
	})
}
