//go:build synctests

package sim

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/sandbox"
)

// asking is a catalogue with the fields that consent names.
var asking = strings.Replace(catalogue, "      city:  {path: profile.city}\n", "      city:  {path: profile.city}\n      blocked: {path: profile.blocked, type: bool}\n      push_ok: {path: profile.push_ok, type: bool}\n", 1)

const consents = "consent: {never: blocked, marketing: push_ok}\n"

// pushes is a push rule for each name, CLASS-ACCOUNTS with - between accounts, and nothing else: no tag rule, no user_when, no ${user.x}.
func pushes(names ...string) string {
	b := "version: 1\ndefaults: {owner: sim}\nrules:\n"
	for _, n := range names {
		class, accounts, _ := strings.Cut(n, "-")
		b += fmt.Sprintf("  - {name: %s, event: order.paid, mode: live, class: %s, account: [%s], when: always, push: {body: b}, limits: {expire: 1h}}\n", n, class, strings.ReplaceAll(accounts, "-", ", "))
	}
	return b
}

// twoApps are the settings of a daemon with the accounts zero and one, whose hosts are each their own.
func (w *world) twoApps(apps []sandbox.App) string {
	accounts := ""
	for i, name := range []string{"zero", "one"} {
		w.write(apps[i].Secret, apps[i].Secret)
		accounts += fmt.Sprintf("\n  %s:\n    vendor: rongcloud\n    app_key: %s\n    secret: \"${file:%s/%s}\"\n    hosts: [\"http://127.0.0.1:%d\"]", name, apps[i].Key, w.dir, apps[i].Secret, 8081-i)
	}
	return accounts
}

var consentApps = []sandbox.App{{Vendor: "rongcloud", Key: "app-key-0", Secret: "secret-0"}, {Vendor: "rongcloud", Key: "app-key-1", Secret: "secret-1"}}

// Consent is obeyed in every account a push goes through, whatever the rules are: also through the second of a list, and by the first
// push rule that a reload brings an account, which knows what was said before.
func TestConsentHoldsWhateverTheRulesAre(t *testing.T) {
	simulate(t, setup{apps: consentApps, rules: pushes("service-zero-one", "marketing-zero-one"), keys: consents, quiet: true}, func(t *testing.T, w *world) {
		w.rules[0].Data = []byte(asking)
		s := w.settingsFile("a", 8088, 2, w.twoApps(consentApps))
		d := w.start(s)
		time.Sleep(10 * time.Minute)
		w.profile("blocked", map[string]any{"blocked": true, "push_ok": true})
		w.profile("agreed", map[string]any{"blocked": false, "push_ok": true})
		w.profile("declined", map[string]any{"blocked": false, "push_ok": false})
		time.Sleep(time.Minute)
		want := map[string]string{}
		order := func(moved string, service int) { // moved is the fate in the account that did not send
			for _, user := range []string{"blocked", "agreed", "declined", "unheard-of"} {
				words := strings.Repeat(moved, 2)
				switch sent := strings.Repeat("SENT ", service); user {
				case "blocked":
					words += strings.Repeat("SUPPRESSED(blocked) ", service+1)
				case "agreed":
					words += sent + "SENT"
				default: // who never said that he is blocked is not; who never agreed has not
					words += sent + "SUPPRESSED(opted-out)"
				}
				want[w.order(user, "p")] = strings.TrimSpace(words)
				time.Sleep(20 * time.Second)
			}
		}
		order("", 1)
		d.cable.set(func(addr string) bool { return strings.HasSuffix(addr, ":8081") })
		for range 10 { // zero gives up what waits in it once it has tried in vain
			w.order("agreed", "p")
			time.Sleep(20 * time.Second)
		}
		order("COALESCED ", 1)
		d.cable.mend()
		time.Sleep(time.Hour)
		w.edit(pushes("service-zero-one", "marketing-zero-one", "service-one"))
		time.Sleep(time.Minute)
		order("", 2)
		time.Sleep(10 * time.Minute)
		d.stop()
		words := w.words()
		for event, want := range want {
			if words[event] != want {
				t.Errorf("%s: %s, want %s", event, words[event], want)
			}
		}
	})
}

// An account that begins to keep the profile table when events have gone by knows nothing of the users in them, and says so until
// nobody can doubt that it was read; a new installation has nothing to say.
func TestALateProfileTableIsTold(t *testing.T) {
	simulate(t, setup{apps: consentApps, rules: pushes("service-zero"), quiet: true}, func(t *testing.T, w *world) {
		w.rules[0].Data = []byte(asking)
		accounts := w.twoApps(consentApps)
		status := func() (late []string) {
			states, err := w.reader().Ledgers(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, x := range app.StatusOf(w.settingsFile("a", 8088, 1, accounts), states, nil, time.Now()).LateProfiles {
				late = append(late, fmt.Sprint(x.Account, " ", x.Users))
			}
			return late
		}
		d := w.start(w.settingsFile("a", 8088, 1, accounts))
		time.Sleep(10 * time.Minute)
		w.profile("u1", map[string]any{"blocked": true})
		w.order("u2", "p")
		time.Sleep(10 * time.Minute)
		if got := status(); len(got) > 0 {
			t.Errorf("status tells of %v, and nobody asks for profiles", got)
		}
		d.stop()
		w.keys = consents
		d = w.start(w.settingsFile("a", 8088, 1, accounts))
		time.Sleep(20 * time.Minute)
		if got := fmt.Sprint(status()); got != "[zero 0 one 0]" {
			t.Errorf("status tells of %s", got)
		}
		if w.said("the profile table of an account begins only now") != 2 {
			t.Error("the log does not tell")
		}
		w.profile("u1", map[string]any{"blocked": true})
		time.Sleep(time.Minute)
		blocked := w.order("u1", "p")
		time.Sleep(time.Minute)
		if got := fmt.Sprint(status()); got != "[zero 1 one 1]" {
			t.Errorf("status tells of %s once a profile came again", got)
		}
		d.stop()
		if got := w.words()[blocked]; got != "SUPPRESSED(blocked)" {
			t.Errorf("%s after the profile came again", got)
		}
		time.Sleep(31 * 24 * time.Hour)
		if got := status(); len(got) > 0 {
			t.Errorf("status tells of %v after a month", got)
		}
	})
	simulate(t, setup{keys: consents, quiet: true}, func(t *testing.T, w *world) {
		w.rules[0].Data = []byte(asking)
		w.profile("u1", map[string]any{"city": "bj"})
		d := w.start(w.one(""))
		time.Sleep(20 * time.Minute)
		d.stop()
		if c := w.change(); c == nil || c.Table == nil || !c.Table.Kept || c.Table.Late {
			t.Errorf("a new installation says %+v", c)
		}
	})
}
