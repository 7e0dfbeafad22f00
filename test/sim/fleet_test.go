//go:build synctests

package sim

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/sandbox"
)

// twoAccounts is a rule file in which every event goes to both accounts.
func twoAccounts(names ...string) string {
	b := "version: 1\ndefaults: {owner: sim}\nrules:\n"
	for _, n := range names {
		b += fmt.Sprintf(`
  - {name: tag-%[1]s, event: profile.changed, account: %[1]s, tags: ["city_${city}"]}
  - name: sale-%[1]s
    event: sale.opened
    account: %[1]s
    mode: live
    class: marketing
    when: always
    broadcast: {audience: {all_of: ["city_${city}"]}, title: "${city}", body: "${product}"}
    limits: {quiet: none, expire: 240h}
  - name: order-%[1]s
    event: order.paid
    account: %[1]s
    mode: live
    class: service
    when: always
    push: {title: "Thanks", body: "${product}"}
    limits: {quiet: none, expire: 1h}
`, n)
	}
	return b
}

// Two processes share two accounts on two partitions; one is stopped cleanly midway, comes back, and the other is stopped. Everything
// arrives exactly once.
func TestTwoDaemons(t *testing.T) {
	keys := []string{"app-key-0", "app-key-1"}
	if ledger.HashPartition([]byte("rongcloud:"+keys[0]), 2) == ledger.HashPartition([]byte("rongcloud:"+keys[1]), 2) {
		t.Fatal("the two accounts are in one partition: choose other keys")
	}
	apps := []sandbox.App{{Vendor: "rongcloud", Key: keys[0], Secret: "secret-0"}, {Vendor: "rongcloud", Key: keys[1], Secret: "secret-1"}}
	for _, stop := range []string{"clean", "unclean"} {
		t.Run(stop, func(t *testing.T) {
			simulate(t, setup{apps: apps, rules: twoAccounts("zero", "one"), quiet: true}, func(t *testing.T, w *world) {
				accounts := ""
				for i, name := range []string{"zero", "one"} {
					w.write(apps[i].Secret, apps[i].Secret)
					accounts += fmt.Sprintf("\n  %s:\n    app_key: %s\n    secret: \"${file:%s/%s}\"%s", name, apps[i].Key, w.dir, apps[i].Secret, hosts)
				}
				sa, sb := w.settingsFile("a", 8088, 2, accounts), w.settingsFile("b", 8089, 2, accounts)
				a, b := w.start(sa), w.start(sb)
				time.Sleep(10 * time.Minute)
				newest := map[string]string{}
				var texts []string
				events := 0
				hour := func() {
					for i := range 120 {
						user, city := fmt.Sprintf("u%d", i%17), fmt.Sprintf("c%d", (i+events)%5)
						w.profile(user, map[string]any{"city": city})
						newest[user] = "city_" + city
						texts = append(texts, fmt.Sprintf("order %d", len(texts)))
						w.order(user, texts[len(texts)-1])
						events += 2
						if i == 60 {
							texts = append(texts, fmt.Sprintf("sale %d", len(texts)))
							w.sale("c1", texts[len(texts)-1])
							events++
						}
						time.Sleep(30 * time.Second)
					}
				}
				both := func() {
					t.Helper()
					if got := [][]int32{a.owned(), b.owned()}; len(got[0]) != 1 || len(got[1]) != 1 {
						t.Errorf("partitions are owned as %v, want one each", got)
					}
				}
				both()
				hour()
				if stop == "clean" {
					a.stop()
				} else {
					a.kill()
				}
				hour()
				if got := b.owned(); len(got) != 2 {
					t.Errorf("the one that is left owns %v", got)
				}
				a = w.start(sa)
				hour()
				both()
				b.stop()
				hour()
				time.Sleep(48 * time.Hour) // four broadcasts an account, three a day
				a.stop()

				for i, app := range apps {
					sent := map[string]int{}
					for _, e := range w.executed("/push.json", "/push/user.json") {
						if e.App == app.Key {
							sent[text(e)]++
						}
					}
					for _, want := range texts {
						if sent[want] != 1 {
							t.Errorf("account %d: %q was executed %d times", i, want, sent[want])
						}
					}
					tags := w.vendor.Tags(app.Key)
					for user, want := range newest {
						if !slices.Equal(tags[user], []string{want}) {
							t.Errorf("account %d: %s has %v, want %s", i, user, tags[user], want)
						}
					}
				}
				for event, words := range w.words() {
					for word := range strings.FieldsSeq(words) {
						if word != "SENT" && word != "COALESCED" && word != "SUPPRESSED(unchanged)" {
							t.Errorf("%s: %s", event, words)
						}
					}
				}
				if st := w.vendor.Stats().RongCloud; st.RefusedByQuota != 0 || st.Overruns != 0 || st.Doubles != 0 {
					t.Errorf("the vendor counted %+v", st)
				}
				w.books(2 * events)
			})
		})
	}
}
