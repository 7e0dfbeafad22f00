//go:build synctests

package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/sandbox"
	"github.com/notifier/notifier/internal/settings"
)

// third is the settings of one daemon whose account is the sandbox's first app at Getui; users are cids.
func (w *world) third(more string) *settings.Settings {
	w.write("master", "ms-notifier-test-0001")
	return w.settingsFile("a", 8088, 1, fmt.Sprintf(`
  third:
    vendor: getui
    host: "http://%s"
    app_id: AppIdNotifierTest00001
    app_key: ak-notifier-test-0001
    master_secret: "${file:%s/master}"
    identify: cid
`, vendorAddr, w.dir)+more)
}

// Getui's live behaviour is not known where its pages are silent. Whatever it is, with calls that come late, break or are refused, and a
// process that dies: every event has its fate, no device gets a push twice, and no closed quota is called.
func TestGetuiWhateverItsReading(t *testing.T) {
	plain := sandbox.DefaultKnobs()
	repeated := func(e sandbox.Entry) bool { return len(e.Repeats) > 0 }
	said := func(route string, code int, words string) func(sandbox.Entry) bool {
		return func(e sandbox.Entry) bool {
			return e.Fault == "" && e.Code == code && strings.HasSuffix(e.Path, route) && strings.Contains(string(e.Answer), words)
		}
	}
	// Each case must have met what it is about: one that did not proves nothing.
	for _, c := range []struct {
		name string
		turn func(*sandbox.Knobs)
		more string // settings of the account
		met  map[string]func(sandbox.Entry) bool
	}{
		{"as its cases have it", func(*sandbox.Knobs) {}, "", map[string]func(sandbox.Entry) bool{"a repeat": repeated}},
		{"a repeat is a new task", func(k *sandbox.Knobs) { k.DupMode = "drop_new_task" }, "", map[string]func(sandbox.Entry) bool{"a repeat": repeated}},
		{"a repeat is refused", func(k *sandbox.Knobs) { k.DupMode = "reject" }, "", map[string]func(sandbox.Entry) bool{"a repeat": said("/push/single/cid", 20001, "cannot be repeat")}},
		{"unknown targets have a word", func(k *sandbox.Knobs) { k.BatchBadTarget = "status" }, "", map[string]func(sandbox.Entry) bool{"the word": said("/push/single/batch/cid", 0, "target_invalid")}},
		{"an unknown target refuses its batch", func(k *sandbox.Knobs) { k.BatchBadTarget = "reject_all" }, "", map[string]func(sandbox.Entry) bool{
			"a refused batch": said("/push/single/batch/cid", 20001, "target user is invalid")}},
		{"one token at a time, numbers for times", func(k *sandbox.Knobs) { k.SingleActiveToken, k.NumericTimes, k.TokenTTLMS = true, true, 2*3600*1000 }, "", map[string]func(sandbox.Entry) bool{
			"a revoked token": said("", 10001, ""), "a number": said("/auth", 0, `"expire_time":9`)}},
		{"few pushes a minute", func(k *sandbox.Knobs) { k.SingleMinuteLimit = 120 }, "", map[string]func(sandbox.Entry) bool{"the limit": said("", 10005, "")}},
		{"few pushes a day", func(k *sandbox.Knobs) { k.PushDayLimit = 100 }, "", map[string]func(sandbox.Entry) bool{"the limit": said("", 30009, "")}},
		{"fewer broadcasts than the settings say", func(k *sandbox.Knobs) { k.AppMinuteLimit, k.AppDayLimit = 1, 2 }, "", map[string]func(sandbox.Entry) bool{
			"the minute": said("/push/tag", 30014, ""), "the day": said("/push/tag", 30010, "")}},
		{"a repeat may be sent again", func(k *sandbox.Knobs) { k.DupMode = "leak" }, "", nil}, // counted below
		{"a wrong sign has the code of a token, and tokens are short", func(k *sandbox.Knobs) { k.AuthBadSignCode, k.TokenTTLMS, k.AuthSkewMS = 10001, 1800*1000, 5000 }, "", map[string]func(sandbox.Entry) bool{
			"a wrong sign": said("/auth", 10001, ""), "a clock that is ahead": said("/auth", 20001, "timestamp is invalid")}},
		{"small batches, one tag bought", func(k *sandbox.Knobs) { k.BatchMax, k.FastTagEnabled = 2, true }, "    services: {fast_tag: true}\n", map[string]func(sandbox.Entry) bool{
			"a batch too large": said("/push/single/batch/cid", 20001, "msg_list"), "a push to one tag": said("/push/fast_custom_tag", 0, "RASA")}},
	} {
		for _, seed := range seeds(t, 1) {
			t.Run(fmt.Sprintf("%s/%d", c.name, seed), func(t *testing.T) {
				t.Parallel()
				simulate(t, setup{rules: getuiRules, quiet: true}, func(t *testing.T, w *world) {
					r := rand.New(rand.NewPCG(seed, 5))
					knobs := plain
					c.turn(&knobs)
					if err := w.vendor.SetKnobs(knobs); err != nil {
						t.Fatal(err)
					}
					for _, f := range []sandbox.Fault{{Kind: "reset_after", Probability: 0.04}, {Kind: "reset_before", Probability: 0.03}, {Kind: "truncate", Probability: 0.03}, {Kind: "http_5xx", Probability: 0.03},
						{Kind: "timeout_after", Probability: 0.02, DelayMS: 20_000}, {Kind: "code", HTTP: 401, Code: 10001, Probability: 0.01}} {
						f.Vendor, f.Path, f.Times = "getui", "*", -1
						if err := w.vendor.Arm(f); err != nil {
							t.Fatal(err)
						}
					}
					s := w.third(c.more)
					d := w.start(s)
					time.Sleep(time.Minute)
					apart := 8000
					if knobs.SingleMinuteLimit > 0 { // more in a minute than it takes
						apart /= 10
					}
					users, nobody := map[string]string{}, map[string]bool{} // event -> user
					for i := range 150 {
						user := fmt.Sprintf("bulk-cid-%04d", i)
						unknown := r.IntN(12) == 0
						if unknown {
							user = fmt.Sprint("nobody-", i)
						}
						event := w.order(user, fmt.Sprint("text ", r.IntN(40)))
						users[event], nobody[event] = user, unknown
						if i%20 == 10 {
							w.sale("bj", fmt.Sprint(i))
							if knobs.AppMinuteLimit == 1 {
								w.sale("bj", fmt.Sprint(i, " again"))
							}
						}
						if r.IntN(3) > 0 { // otherwise the next comes with it, and may go in the same call
							time.Sleep(time.Duration(r.IntN(apart)) * time.Millisecond)
						}
						if i == 75 {
							d.kill()
							d = w.start(s)
						}
						if knobs.SingleActiveToken && i%40 == 20 {
							w.authAsOther()
						}
						if knobs.AuthBadSignCode != plain.AuthBadSignCode { // its tokens are asked for all the time
							switch i {
							case 30:
								w.write("master", "wrong")
							case 40:
								w.write("master", "ms-notifier-test-0001")
							case 100:
								w.vendor.AdvanceGetuiClock(6000)
							case 110:
								w.vendor.AdvanceGetuiClock(-6000)
							}
						}
					}
					time.Sleep(time.Hour)
					if err := w.vendor.Disarm(); err != nil {
						t.Fatal(err)
					}
					time.Sleep(3 * time.Hour)
					d.stop()
					leaked := 0
					got := w.words()
					count := map[string]int{}
					for event, user := range users {
						_, n := w.vendor.Deliveries(user) // the sales are for a tag that nobody has
						if n > 1 {
							leaked++
						}
						want, most := []string{"SENT", "UNKNOWN"}, 1
						if knobs.DupMode == "leak" { // then the device shows the newest: they have one notify_id
							most = 3
						}
						if knobs.PushDayLimit > 0 { // until the vendor's midnight; these keep for an hour
							want = append(want, "SUPPRESSED(expired)")
						}
						if nobody[event] {
							want[0] = "DEAD(rejected-by-vendor)"
						}
						count[got[event]]++
						if nobody[event] && knobs.DupMode == "reject" && got[event] == "SENT" {
							continue // taken, says the answer to the repeat; whom it did not reach, only the lost answer said
						}
						if !slices.Contains(want, got[event]) || n > most || got[event] == "SENT" && n == 0 {
							t.Errorf("%s: %s, delivered %d times", user, got[event], n)
						}
					}
					journal := w.vendor.Journal(0)
					for what, is := range c.met {
						if !slices.ContainsFunc(journal, is) {
							t.Errorf("the vendor never met this case's %s", what)
						}
					}
					if (leaked > 0) != (knobs.DupMode == "leak") {
						t.Errorf("%d devices got a push again", leaked)
					}
					st := w.vendor.Stats().Getui
					if st.DuplicateDeliveries+st.RequestIDConflicts+st.WithoutOverlay+st.OversizedCalls+st.ForcedRevokes+st.ScheduledCalls+st.Overruns+st.Doubles > 0 {
						t.Errorf("the vendor counts %+v", st)
					}
					if knobs.PushDayLimit+knobs.SingleMinuteLimit == 0 && knobs.AppDayLimit == plain.AppDayLimit && st.CallsWhileClosed > 0 { // elsewhere the vendor has less than the settings say
						t.Errorf("%d calls to a closed quota", st.CallsWhileClosed)
					}
					if least := 100 - 50*min(knobs.PushDayLimit, 1); count["SENT"] < least {
						t.Errorf("fates %v", count)
					}
					t.Logf("fates %v, %d calls of %d, %d to a closed quota", count, st.Executed, st.Calls, st.CallsWhileClosed)
				})
			})
		}
	}
}
