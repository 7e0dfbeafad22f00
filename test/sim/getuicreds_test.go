//go:build synctests

package sim

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/sandbox"
)

const getuiLoadRules = getuiRules + `
  - name: city
    event: profile.changed
    tags: ["city_${city}"]
`

// authAsOther is another replica of the app that asks for a token.
func (w *world) authAsOther() {
	const key, secret = "ak-notifier-test-0001", "ms-notifier-test-0001"
	stamp := fmt.Sprint(w.vendor.GetuiClock())
	sum := sha256.Sum256([]byte(key + stamp + secret))
	w.call("POST", "/auth", map[string]string{"appkey": key, "timestamp": stamp, "sign": hex.EncodeToString(sum[:])})
}

// Under a load of pushes, tags and broadcasts tokens run out every two minutes, or somebody else's make them worthless every 20 s, or the clocks
// of this machine and the vendor's are a quarter of an hour apart, so that no token is to be had: nothing is lost, nothing is doubled, nothing is
// UNKNOWN, and /auth is asked no more than it may be.
func TestGetuiCredentialsUnderLoad(t *testing.T) {
	const minutes, each = 3, 100 * time.Millisecond
	skewed := func(by time.Duration) func(*world, time.Duration) {
		return func(w *world, at time.Duration) {
			switch at {
			case time.Minute:
				w.vendor.AdvanceGetuiClock(by.Milliseconds())
			case minutes * time.Minute:
				w.vendor.AdvanceGetuiClock(-by.Milliseconds())
			}
		}
	}
	for _, tc := range []struct {
		name    string
		turn    func(*sandbox.Knobs)
		during  func(w *world, at time.Duration)
		refused bool // calls must have met 10001
		auths   [2]int
	}{
		{"tokens run out", func(k *sandbox.Knobs) { k.TokenTTLMS = 2 * 60 * 1000 }, nil, false, [2]int{minutes, 6 * (minutes + 40)}},
		{"tokens are revoked", func(k *sandbox.Knobs) { k.SingleActiveToken = true }, func(w *world, at time.Duration) {
			if at%(20*time.Second) == 0 {
				w.authAsOther()
			}
		}, true, [2]int{5, 6 * (minutes + 40)}},
		{"the vendor's clock is ahead", func(k *sandbox.Knobs) { k.TokenTTLMS = 2 * 60 * 1000 }, skewed(15 * time.Minute), true, [2]int{3, 6 * (minutes + 40)}},
		{"the vendor's clock is behind", func(k *sandbox.Knobs) { k.TokenTTLMS = 2 * 60 * 1000 }, skewed(-15 * time.Minute), false, [2]int{3, 6 * (minutes + 40)}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			simulate(t, setup{rules: getuiLoadRules, quiet: true}, func(t *testing.T, w *world) {
				k := sandbox.DefaultKnobs()
				if tc.turn != nil {
					tc.turn(&k)
				}
				if err := w.vendor.SetKnobs(k); err != nil {
					t.Fatal(err)
				}
				d := w.start(w.tagged("    identify: cid\n    brake: 100000 in 10m\n"))
				time.Sleep(time.Minute)
				cid := func(i int) string { return fmt.Sprintf("bulk-cid-%04d", i%1000) }
				pushed, city := map[string]int{}, map[string]string{}
				var others []string
				for i := range int(minutes * time.Minute / each) {
					at := time.Duration(i) * each
					if tc.during != nil {
						tc.during(w, at)
					}
					w.order(cid(i), fmt.Sprint("lamp ", i))
					pushed[cid(i)]++
					if i%20 == 0 {
						user, c := cid(i*7), fmt.Sprint("c", i%3)
						others, city[user] = append(others, w.profile(user, map[string]any{"city": c})), c
					}
					if i%600 == 300 {
						others = append(others, w.sale("bj", fmt.Sprint(i)))
					}
					time.Sleep(each)
				}
				if tc.during != nil {
					tc.during(w, minutes*time.Minute)
				}
				time.Sleep(40 * time.Minute)
				d.stop()
				words := w.words()
				for event, got := range words {
					if got != "SENT" && !(slices.Contains(others, event) && (got == "COALESCED" || got == "SUPPRESSED(unchanged)")) {
						t.Errorf("%s: %s", event, got)
					}
				}
				for user, n := range pushed {
					if _, got := w.vendor.Deliveries(user); got != n {
						t.Errorf("%s got %d pushes of %d", user, got, n)
					}
				}
				for user, c := range city {
					if got := w.tagsOf(user); !slices.Equal(got, []string{"city_" + c}) {
						t.Errorf("%s has %v, want city_%s", user, got, c)
					}
				}
				auths, refused := 0, 0
				for _, e := range w.vendor.Journal(0) {
					switch {
					case e.Vendor == "getui" && e.Path == "/v2/"+getuiApp+"/auth" && e.Headers["User-Agent"] == "notifier":
						auths++
					case e.Code == 10001:
						refused++
					}
				}
				if auths < tc.auths[0] || auths > tc.auths[1] || tc.refused && refused == 0 {
					t.Errorf("%d requests for a token, want %v; %d calls refused for theirs", auths, tc.auths, refused)
				}
				w.kept()
				w.books(len(others) + int(minutes*time.Minute/each))
				t.Logf("%d requests for a token, %d calls refused for theirs", auths, refused)
			})
		})
	}
}
