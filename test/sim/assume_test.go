//go:build synctests

package sim

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/notifier/notifier/internal/ledger"
)

// The ledger topic is deleted under a daemon that has sent two broadcasts and holds three. The next one sends nothing until people say how
// much is used, however long that takes; then what came since goes within the quota, and nothing goes twice. What had waited may have been
// sent, for all anybody knows: it is UNKNOWN.
func TestALedgerThatIsLostGoesOnByWhatPeopleSay(t *testing.T) {
	simulate(t, setup{quiet: true, after: 15*time.Hour + 50*time.Minute}, func(t *testing.T, w *world) {
		s := w.one("")
		d := w.start(s)
		time.Sleep(time.Minute)
		var first, waited, meanwhile []string
		for _, product := range []string{"a", "b"} {
			first = append(first, w.sale("c0", product))
		}
		time.Sleep(2 * time.Minute)
		for _, product := range []string{"c", "d", "e"} {
			waited = append(waited, w.sale("c0", product))
		}
		time.Sleep(time.Minute)
		if n := len(w.executed("/push.json")); n != 2 {
			t.Fatalf("%d broadcasts left, want 2", n)
		}
		d.kill()
		if _, err := kadm.NewClient(w.cl).DeleteTopics(t.Context(), prefix+".ledger"); err != nil {
			t.Fatal(err)
		}
		d = w.start(s)
		time.Sleep(time.Minute)
		for _, product := range []string{"f", "g", "h", "i"} {
			meanwhile = append(meanwhile, w.sale("c0", product))
		}
		time.Sleep(3 * time.Hour) // the hour of the first two is over
		if n := w.arrivals("/push.json"); n != 2 {
			t.Fatalf("%d calls reached the vendor while nobody knew the quota, want 2", n)
		}
		halts, err := w.reader().Halts(t.Context())
		if err != nil || halts[0].Kind != ledger.HaltLost {
			t.Fatalf("halts %v, %v", halts, err)
		}
		hit("Q4", 1)
		key := "rongcloud:" + s.Accounts[0].AppKey
		answers, err := w.reader().Send(t.Context(), ledger.Command{Cmd: ledger.CmdAssume, Target: key, Args: map[string]string{ledger.ArgUsed: "2"}, Expect: halts[0].ID, By: "li", Why: "the console shows 2"}, 0, time.Minute)
		if err != nil || len(answers) != 1 || !answers[0].OK || !strings.Contains(answers[0].Text, "the ledger was lost") {
			t.Fatalf("answers %+v, %v", answers, err)
		}
		time.Sleep(4 * 24 * time.Hour)
		d.stop()

		words := w.words()
		for want, events := range map[string][]string{"SENT": slices.Concat(first, meanwhile), "UNKNOWN": waited} {
			for _, e := range events {
				if words[e] != want {
					t.Errorf("%s is %q, want %s", e, words[e], want)
				}
			}
		}
		sends := w.executed("/push.json")
		count := map[string]int{}
		for _, e := range sends {
			count[text(e)]++
		}
		for product, n := range count {
			if n != 1 {
				t.Errorf("%s was sent %d times", product, n)
			}
		}
		if len(sends) != 6 {
			t.Errorf("%d broadcasts were sent, want 6: %v", len(sends), count)
		}
		for _, o := range overruns(times(sends)) {
			t.Error("the vendor's limit is passed:", o)
		}
		if st := w.vendor.Stats().RongCloud; st.RefusedByQuota != 0 || st.Overruns != 0 || st.Doubles != 0 {
			t.Errorf("the vendor counted %+v", st)
		}
		w.books(len(waited) + len(meanwhile))
	})
}
