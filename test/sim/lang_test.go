//go:build synctests

package sim

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/rules"
	"github.com/notifier/notifier/internal/sandbox"
)

// The world begins on 2000-01-01 UTC, in a leap year.
func until(t time.Time) time.Duration {
	return t.Sub(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC))
}

func moment(t *testing.T, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// pushRule is a rule file with one push on orders; more are further lines of the rule.
func pushRule(push, more string) string {
	return "version: 1\ndefaults: {owner: sim}\nrules:\n  - name: order\n    event: order.paid\n    class: service\n    when: always\n    push: " + push + "\n" + more
}

// What send_at holds leaves at that time of the settings' zone, in the night in which clocks jump and on a leap day; a process that dies
// meanwhile changes nothing, and one that is not there at the time sends when it is back, not a day later.
func TestSendAt(t *testing.T) {
	for _, c := range []struct{ name, zone, at, more, comes, down, up, leaves string }{
		{"leap day", "Asia/Shanghai", "09:00", "", "2000-02-28T10:00:00+08:00", "2000-02-28T12:00:00+08:00", "2000-02-28T12:05:00+08:00", "2000-02-29T09:00:00+08:00"},
		{"a time that does not exist", "America/New_York", "02:30", "", "2000-04-01T22:00:00-05:00", "2000-04-02T01:00:00-05:00", "2000-04-02T01:30:00-05:00", "2000-04-02T03:00:00-04:00"},
		{"a time that is twice", "Europe/Berlin", "02:30", "", "2000-10-28T22:00:00+02:00", "2000-10-29T01:00:00+02:00", "2000-10-29T01:10:00+02:00", "2000-10-29T02:30:00+02:00"},
		{"between the two", "America/New_York", "01:30", "", "2000-10-29T01:40:00-04:00", "2000-10-29T01:50:00-04:00", "2000-10-29T01:20:00-05:00", "2000-10-30T01:30:00-05:00"},
		{"nobody is there at the time", "Europe/Berlin", "09:00", "", "2000-03-25T20:00:00+01:00", "2000-03-26T08:59:00+02:00", "2000-03-26T11:00:00+02:00", "2000-03-26T11:00:00+02:00"},
		{"in quiet hours", "America/New_York", "07:00", ", quiet: 22:00-08:30", "2000-04-01T22:30:00-05:00", "2000-04-02T07:30:00-04:00", "2000-04-02T07:40:00-04:00", "2000-04-02T08:30:00-04:00"},
		{"quiet hours that drop are asked at the time", "America/New_York", "09:00", ", quiet: 22:00-08:30, when_quiet: drop", "2000-04-01T22:30:00-05:00", "2000-04-02T05:00:00-04:00", "2000-04-02T05:10:00-04:00", "2000-04-02T09:00:00-04:00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			file := pushRule(`{body: "${product}"}`, fmt.Sprintf("    mode: live\n    send_at: %q\n    limits: {expire: 30h%s}\n", c.at, c.more))
			simulate(t, setup{after: until(moment(t, c.comes)) - time.Hour, zone: c.zone, rules: file, quiet: true}, func(t *testing.T, w *world) {
				s := w.one("")
				d := w.start(s)
				time.Sleep(time.Until(moment(t, c.comes)))
				event := w.order("u1", "lamp")
				time.Sleep(time.Until(moment(t, c.down)))
				if got := w.executed("/push/user.json"); len(got) != 0 || !slices.Equal(w.pending(), []string{event}) {
					t.Errorf("%d were sent before the time, %v wait", len(got), w.pending())
				}
				d.kill()
				time.Sleep(time.Until(moment(t, c.up)))
				d = w.start(s)
				time.Sleep(time.Until(moment(t, c.leaves)) + time.Hour) // found anew after the restart it would be a day later
				d.stop()
				got := w.executed("/push/user.json")
				if len(got) != 1 {
					t.Fatalf("%d were sent, fates %v", len(got), w.words())
				}
				if late := at(got[0]).Sub(moment(t, c.leaves)); late < 0 || late > 6*session || c.up != c.leaves && late > 5*time.Second {
					t.Errorf("it was sent at %s, want %s", at(got[0]), moment(t, c.leaves).UTC())
				}
				w.books(1)
			})
		})
	}
}

// A rule acts on the events of its life, by the event's time: also on one that a stopped daemon finds hours after the end.
func TestLifeOfARule(t *testing.T) {
	const from, end = "2000-04-02T03:00:00-04:00", "2000-04-02T05:00:00-04:00" // 02:30 does not exist that night
	file := pushRule(`{body: "${product}"}`, "    mode: live\n    from: 2000-04-02 02:30\n    until: 2000-04-02 05:00\n    limits: {expire: 24h}\n")
	simulate(t, setup{after: until(moment(t, from)) - time.Hour, zone: "America/New_York", rules: file, quiet: true}, func(t *testing.T, w *world) {
		s := w.one("")
		d := w.start(s)
		want := map[string]string{}
		time.Sleep(time.Until(moment(t, from)) - time.Second)
		w.order("u1", "too early")
		time.Sleep(time.Second)
		want[w.order("u1", "the first moment")] = "SENT"
		time.Sleep(time.Until(moment(t, end)) - time.Hour)
		d.kill()
		d = w.start(s)
		time.Sleep(50 * time.Minute)
		d.stop()
		time.Sleep(time.Until(moment(t, end)) - time.Second)
		want[w.order("u1", "the last moment")] = "SENT"
		time.Sleep(time.Second)
		w.order("u1", "too late")
		time.Sleep(3 * time.Hour)
		d = w.start(s) // three hours after the events' time
		hit("E10", 2)
		time.Sleep(6 * session)
		d.stop()
		if got := w.words(); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("fates %v, want %v", got, want)
		}
		w.books(2)
	})
}

// What user_when asks is the row as it is when the call leaves; what a text holds is the row as it was when the text was fixed. Both over
// the death of the process.
func TestUserWhenAndTextsOfAHeldPush(t *testing.T) {
	file := pushRule(`{title: "${now | date(\"MM-DD HH:mm\")}", body: "${product} for ${user.city} ${user.level | default(\"?\")}"}`,
		"    mode: live\n    user_when: level == \"vip\"\n    send_at: \"09:00\"\n    limits: {expire: 30h}\n")
	simulate(t, setup{after: until(moment(t, "2000-02-28T10:00:00+08:00")), rules: file, quiet: true}, func(t *testing.T, w *world) {
		s := w.one("")
		d := w.start(s)
		w.profile("stays", map[string]any{"city": "bj", "level": "vip"})
		w.profile("leaves", map[string]any{"city": "bj", "level": "vip"})
		w.profile("comes", map[string]any{"city": "bj", "level": "normal"})
		w.profile("moves", map[string]any{"city": "bj", "level": "vip"})
		w.profile("nowhere", map[string]any{"level": "vip"})
		w.profile("unknown", map[string]any{"city": "bj"})
		time.Sleep(20 * time.Minute)
		want, users := map[string]string{}, map[string]string{}
		for user, words := range map[string]string{"stays": "SENT", "leaves": "SUPPRESSED(opted-out)", "comes": "SENT", "moves": "SENT", "nowhere": "DEAD(render-error)",
			"unknown": "SUPPRESSED(opted-out)", "never-seen": "DEAD(render-error)"} {
			users[user] = w.order(user, user)
			want[users[user]] = words
		}
		time.Sleep(time.Hour)
		d.kill()
		d = w.start(s)
		w.profile("leaves", map[string]any{"level": "normal"})
		w.profile("comes", map[string]any{"level": "vip"})
		w.profile("moves", map[string]any{"city": "sh"})
		time.Sleep(24 * time.Hour)
		d.stop()
		got := w.words()
		for user, event := range users {
			if got[event] != want[event] {
				t.Errorf("%s: %s, want %s", user, got[event], want[event])
			}
		}
		var texts []string
		for _, e := range w.executed("/push/user.json") {
			texts = append(texts, text(e))
			if !strings.Contains(string(e.Body), `"02-28 10:20"`) || at(e).Sub(moment(t, "2000-02-29T09:00:00+08:00")) > 5*time.Second {
				t.Errorf("sent at %s: %s, want a title with the time at which the text was fixed", at(e), e.Body)
			}
		}
		slices.Sort(texts)
		if want := []string{"comes for bj normal", "moves for bj vip", "stays for bj vip"}; !slices.Equal(texts, want) {
			t.Errorf("texts %q, want %q", texts, want)
		}
	})
}

// Who is in a canary, and which variant a user reads, is the same after the process died and the rule file was edited.
func TestCanaryAndVariantsAreStable(t *testing.T) {
	const users = 120
	file := pushRule(`{body: "${product} plain", variants: [{name: a, share: 40, body: "${product} a"}, {name: b, share: 60, body: "${product} b"}]}`, "    mode: canary 50%\n    limits: {expire: 1h}\n")
	simulate(t, setup{rules: file, quiet: true}, func(t *testing.T, w *world) {
		s := w.one("")
		d := w.start(s)
		events := map[string]int{}
		ask := func() {
			for i := range users {
				events[w.order(fmt.Sprint("u", i), "x")] = i
			}
			time.Sleep(6 * session) // a dead process is still a member of its groups for a while
		}
		ask()
		d.kill()
		w.rules = []rules.File{w.rules[0], {Name: "rules.yaml", Data: []byte("# edited\n" + strings.Replace(file, "when: always", `when: product != "y"`, 1))}}
		d = w.start(s)
		ask()
		d.stop()
		seen, kinds := map[int][]string{}, map[string]int{}
		for event, fs := range w.fates() {
			word := string(fs[0].Fate) + " " + string(fs[0].Reason) + " " + fs[0].Variant
			seen[events[event]] = append(seen[events[event]], word)
			kinds[word]++
		}
		for i := range users {
			if got := seen[i]; len(got) != 2 || got[0] != got[1] {
				t.Errorf("u%d: %q", i, got)
			}
		}
		if len(kinds) != 3 || kinds["SUPPRESSED canary "] < users/2 || kinds["SENT  a"] < users/4 || kinds["SENT  b"] < users/4 {
			t.Errorf("fates %v", kinds)
		}
		texts := map[string]bool{}
		for _, e := range w.executed("/push/user.json") {
			texts[text(e)] = true
		}
		if len(texts) != 2 || !texts["x a"] || !texts["x b"] {
			t.Errorf("texts %v", texts)
		}
		w.books(2 * users)
	})
}

// The first account of a rule's list cannot be reached: everything goes through the second, once, also over a death of the process; an
// ambiguous push stays UNKNOWN and goes nowhere; once the first is back it is used again.
func TestAListOfAccounts(t *testing.T) {
	keys := []string{"app-key-0", "app-key-1"}
	apps := []sandbox.App{{Vendor: "rongcloud", Key: keys[0], Secret: "secret-0"}, {Vendor: "rongcloud", Key: keys[1], Secret: "secret-1"}}
	file := strings.ReplaceAll(pushRule(`{body: "${product}"}`, "    account: [zero, one]\n    mode: live\n    limits: {expire: 24h}\n"), "rules:\n", `rules:
  - name: sale
    event: sale.opened
    account: [zero, one]
    mode: live
    class: marketing
    when: always
    broadcast: {audience: {all_of: ["city_${city}"]}, body: "${product}"}
    limits: {expire: 240h}
`)
	simulate(t, setup{apps: apps, rules: file, quiet: true}, func(t *testing.T, w *world) {
		accounts := ""
		for i, name := range []string{"zero", "one"} { // each has a host of its own
			w.write(apps[i].Secret, apps[i].Secret)
			accounts += fmt.Sprintf("\n  %s:\n    vendor: rongcloud\n    app_key: %s\n    secret: \"${file:%s/%s}\"\n    hosts: [\"http://127.0.0.1:%d\"]", name, apps[i].Key, w.dir, apps[i].Secret, 8081-i)
		}
		s := w.settingsFile("a", 8088, 2, accounts)
		d := w.start(s)
		time.Sleep(10 * time.Minute)
		cut := func() { d.cable.set(func(addr string) bool { return strings.HasSuffix(addr, ":8081") }) }
		want := map[string]string{}
		through := func(words string, n int) {
			for range n {
				want[w.order(fmt.Sprint("u", len(want)), fmt.Sprint("order ", len(want)))] = words
				time.Sleep(20 * time.Second)
			}
		}
		through("SENT", 3)
		if err := w.vendor.Arm(sandbox.Fault{Kind: "timeout_after", Path: "/push/user.json", Times: 1}); err != nil {
			t.Fatal(err)
		}
		through("UNKNOWN", 1)
		through("SENT", 1)
		cut()
		through("COALESCED SENT", 10)
		want[w.sale("bj", "sale 1")] = "COALESCED SENT"
		time.Sleep(2 * time.Minute)
		d.kill()
		d = w.start(s)
		cut()
		through("COALESCED SENT", 10)
		time.Sleep(6 * session) // the dead process is still a member of its groups for a while
		d.cable.mend()
		time.Sleep(time.Minute)
		through("SENT", 5)
		want[w.sale("bj", "sale 2")] = "SENT"
		time.Sleep(10 * time.Minute)
		d.stop()
		for event, words := range w.words() {
			if want[event] != words {
				t.Errorf("%s: %s, want %s", event, words, want[event])
			}
			delete(want, event)
		}
		if len(want) > 0 {
			t.Errorf("without a fate: %v", want)
		}
		sent, by := map[string]int{}, map[string]int{}
		for _, e := range w.executed("/push/user.json", "/push.json") {
			sent[text(e)]++
			by[e.App]++
		}
		for what, n := range sent {
			if n != 1 {
				t.Errorf("%q was executed %d times", what, n)
			}
		}
		if by[keys[0]] != 5+5+1 || by[keys[1]] != 20+1 {
			t.Errorf("executed by account: %v", by)
		}
	})
}
