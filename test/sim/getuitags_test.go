//go:build synctests

package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/sandbox"
	"github.com/notifier/notifier/internal/settings"
)

const getuiApp = "AppIdNotifierTest00001"

// tagged is the settings of one daemon whose account is the sandbox's first app at Getui.
func (w *world) tagged(more string) *settings.Settings {
	w.write("master", "ms-notifier-test-0001")
	return w.settingsFile("a", 8088, 1, fmt.Sprintf(`
  third:
    vendor: getui
    host: "http://%s"
    app_id: %s
    app_key: ak-notifier-test-0001
    master_secret: "${file:%s/master}"
%s`, vendorAddr, getuiApp, w.dir, more))
}

// call is somebody else's call to the sandbox.
func (w *world) call(method, path string, body any) {
	w.t.Helper()
	if err := w.ask(method, path, body); err != nil {
		w.t.Fatal(err)
	}
}

// insist is call by one who asks again: the vendor's faults meet everybody.
func (w *world) insist(method, path string, body any) {
	w.t.Helper()
	var err error
	for range 20 {
		if err = w.ask(method, path, body); err == nil {
			return
		}
	}
	w.t.Fatal(err)
}

func (w *world) ask(method, path string, body any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequest(method, "http://"+vendorAddr+"/v2/"+getuiApp+path, bytes.NewReader(b))
	if err != nil {
		return err
	}
	req.Header["token"] = []string{"tok-valid"}
	tr := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		return w.net.DialContext(ctx, network, addr)
	}}
	defer tr.CloseIdleConnections()
	resp, err := (&http.Client{Transport: tr}).Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var ans struct{ Code int }
	if err := json.NewDecoder(resp.Body).Decode(&ans); err != nil || ans.Code != 0 {
		return fmt.Errorf("%s %s is answered %d: %w", method, path, ans.Code, err)
	}
	return nil
}

// tagCalls counts the daemon's changes of tags that took effect, by kind.
func (w *world) tagCalls() map[string]int {
	out := map[string]int{}
	for _, e := range w.vendor.Journal(0) {
		if e.Vendor == "getui" && e.Executed && e.Headers["User-Agent"] == "notifier" && strings.Contains(e.Path, "/custom_tag/") {
			kind := map[string]string{"PUT": "add", "DELETE": "remove", "POST": "replace", "GET": "read"}[e.Method]
			out[kind]++
			if kind != "read" {
				out["changes"]++
			}
		}
	}
	return out
}

func (w *world) tagsOf(cid string) []string {
	return slices.Sorted(slices.Values(w.vendor.GetuiTags(getuiApp)[cid]))
}

// kept fails the test unless the vendor was never asked for more than it allows.
func (w *world) kept() {
	w.t.Helper()
	if st := w.vendor.Stats().Getui; st.Overruns+st.OversizedCalls+st.Doubles > 0 {
		w.t.Errorf("the vendor counts %+v", st)
	}
}

// getuiAmbiguity is ambiguity for the calls that change tags at Getui.
func getuiAmbiguity(r *rand.Rand) sandbox.Fault {
	f := ambiguity(r)
	f.Vendor, f.Lane = "getui", []string{"tag_set_cid", "tag_batch_add", "tag_batch_del"}[r.IntN(3)]
	return f
}

// Whatever the vendor does with single calls, and however late, a device ends up with the tags of its user's newest event, and with those that
// others gave it. Every third schedule has a restart, clean or not, in the middle.
func TestGetuiTagsOfTheNewestEventWin(t *testing.T) {
	schedules, late, replaced := seeds(t, 60), 0, 0
	for _, seed := range schedules {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			simulate(t, setup{quiet: true}, func(t *testing.T, w *world) {
				r := rand.New(rand.NewPCG(seed, 9))
				s := w.tagged("    identify: cid\n    tags: {delay: " + []string{"0s", "5s", "1m"}[r.IntN(3)] + "}\n")
				users := 1 + r.IntN(5)
				cid := func(i int) string { return fmt.Sprintf("bulk-cid-%04d", i) }
				foreign := map[string][]string{}
				for i := range users {
					if r.IntN(3) == 0 {
						foreign[cid(i)] = []string{"theirs"}
						w.call("PUT", "/user/custom_tag/batch/theirs", map[string]any{"cid": []string{cid(i)}})
						time.Sleep(time.Minute) // five a minute
					}
				}
				d := w.start(s)
				newest := map[string][2]string{}
				change := func() {
					user := cid(r.IntN(users))
					f := newest[user]
					fields := map[string]any{}
					if r.IntN(4) > 0 {
						f[0] = fmt.Sprintf("c%d", r.IntN(4))
						fields["city"] = f[0]
					}
					if r.IntN(3) == 0 || len(fields) == 0 {
						f[1] = fmt.Sprintf("l%d", r.IntN(3))
						fields["level"] = f[1]
					}
					w.profile(user, fields)
					newest[user] = f
				}
				steps := 4 + r.IntN(10)
				restart := -1
				if seed%3 == 2 {
					restart = r.IntN(steps)
				}
				for i := range steps {
					if r.IntN(2) == 0 {
						if err := w.vendor.Arm(getuiAmbiguity(r)); err != nil {
							t.Fatal(err)
						}
					}
					change()
					if r.IntN(3) == 0 {
						change()
					}
					time.Sleep(time.Duration(r.Int64N(int64(4 * time.Minute))))
					if i == restart {
						if r.IntN(2) == 0 {
							d.stop()
						} else {
							d.kill()
						}
						d = w.start(s)
					}
				}
				time.Sleep(10 * time.Minute)
				if err := w.vendor.Disarm(); err != nil {
					t.Fatal(err)
				}
				time.Sleep(40 * time.Minute)
				d.stop()
				for user, f := range newest {
					want := slices.Clone(foreign[user])
					for i, v := range f {
						if v != "" {
							want = append(want, []string{"city_", "level_"}[i]+v)
						}
					}
					slices.Sort(want)
					if got := w.tagsOf(user); !slices.Equal(got, want) {
						t.Errorf("%s has %v, want %v", user, got, want)
					}
				}
				for _, e := range w.vendor.Journal(0) {
					if e.Fault == "late" && e.Executed {
						late++
					}
				}
				replaced += w.tagCalls()["replace"]
				if t.Failed() {
					for _, e := range w.vendor.Journal(0) {
						t.Log(at(e).Format(time.TimeOnly+".000"), e.Method, e.Path, string(e.Body), e.HTTP, e.Code, "executed", e.Executed, e.Fault)
					}
				}
				for event, words := range w.words() {
					if words != "SENT" && words != "COALESCED" && words != "SUPPRESSED(unchanged)" {
						t.Errorf("%s: %s", event, words)
					}
				}
				w.kept()
				w.books(w.events["profile"])
			})
		})
	}
	if len(schedules) >= 60 && (late < 15 || replaced < 15) {
		t.Errorf("only %d calls executed late and %d replacements: the schedules prove little", late, replaced)
	}
	t.Logf("%d calls were executed after the client had given up, %d replaced a set", late, replaced)
}

// Users who change alike share calls; one who changes alone in two ways is read and replaced.
func TestGetuiTagsTakeTheFewestCalls(t *testing.T) {
	simulate(t, setup{quiet: true}, func(t *testing.T, w *world) {
		d := w.start(w.tagged("    identify: cid\n"))
		time.Sleep(15 * time.Minute)
		for i := range 1500 {
			w.profile(fmt.Sprintf("bulk-cid-%04d", i), map[string]any{"city": "bj"})
		}
		time.Sleep(5 * time.Minute)
		if got := w.tagCalls(); got["add"] > 3 || got["changes"] != got["add"] {
			t.Errorf("%v for 1500 users of one tag", got)
		}
		before := w.tagCalls()
		w.call("PUT", "/user/custom_tag/batch/theirs", map[string]any{"cid": []string{"bulk-cid-0007"}})
		w.profile("bulk-cid-0007", map[string]any{"city": "sh", "level": "gold"})
		time.Sleep(5 * time.Minute)
		got := w.tagCalls()
		if got["replace"] != 1 || got["read"] != 1 || got["changes"] != before["changes"]+1 {
			t.Errorf("%v, want one read and one replacement", got)
		}
		if tags := w.tagsOf("bulk-cid-0007"); !slices.Equal(tags, []string{"city_sh", "level_gold", "theirs"}) {
			t.Errorf("tags %v", tags)
		}
		w.profile("bulk-cid-0007", map[string]any{"city": "gz", "level": "iron"}) // not twice a day
		time.Sleep(5 * time.Minute)
		if got := w.tagCalls(); got["replace"] != 1 {
			t.Errorf("%v, replaced twice in a day", got)
		}
		if tags := w.tagsOf("bulk-cid-0007"); !slices.Equal(tags, []string{"city_gz", "level_iron", "theirs"}) {
			t.Errorf("tags %v", tags)
		}
		d.stop()
		w.kept()
		w.books(1502)
	})
}

// What the day's quota leaves undone is told, with until when, and goes after midnight in Shanghai; also when the vendor says it first and
// the process changes.
func TestGetuiTagsWaitForTheNextDay(t *testing.T) {
	for _, vendors := range []bool{false, true} {
		t.Run(fmt.Sprint("the vendor says it ", vendors), func(t *testing.T) {
			simulate(t, setup{quiet: true}, func(t *testing.T, w *world) {
				more := "    identify: cid\n"
				if vendors {
					k := sandbox.DefaultKnobs()
					k.TagDayLimit = 6
					if err := w.vendor.SetKnobs(k); err != nil {
						t.Fatal(err)
					}
				} else {
					more += "    quota: {tags: {day: 6}}\n"
				}
				s := w.tagged(more)
				d := w.start(s)
				time.Sleep(time.Minute)
				for i := range 9 {
					w.profile(fmt.Sprintf("bulk-cid-%04d", i), map[string]any{"city": fmt.Sprint("c", i)})
				}
				time.Sleep(time.Hour)
				d.kill()
				d = w.start(s)
				time.Sleep(13 * time.Hour) // about 22:00 in Shanghai
				if n := w.tagCalls()["changes"]; n != 6 {
					t.Errorf("%d changes on the first day, want 6", n)
				}
				if st := w.vendor.Stats().Getui; vendors && st.CallsWhileClosed > 1 { // the owner after the kill need not ask again
					t.Errorf("%d calls although the day was used up", st.CallsWhileClosed)
				}
				states, err := w.reader().Ledgers(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				told := false
				for _, l := range app.QuotaOf(s, nil, states, time.Now()).Accounts[0].Lanes {
					if l.Lane != "third/tag" {
						continue
					}
					told = true
					until := time.Date(2000, 1, 1, 16, 0, 0, 0, time.UTC) // midnight there
					if l.Waiting != 3 || l.Next.Before(until) || l.Next.After(until.Add(5*time.Minute)) {
						t.Errorf("%d wait until %s, want 3 until %s", l.Waiting, l.Next, until)
					}
				}
				if !told {
					t.Error("the quota of tags is not told")
				}
				time.Sleep(4 * time.Hour)
				d.stop()
				for i := range 9 {
					if got := w.tagsOf(fmt.Sprintf("bulk-cid-%04d", i)); !slices.Equal(got, []string{fmt.Sprint("city_c", i)}) {
						t.Errorf("user %d has %v", i, got)
					}
				}
				w.kept()
				w.books(9)
			})
		})
	}
}

// A user by alias is all of its devices; one whom no device has is told.
func TestGetuiTagsByAlias(t *testing.T) {
	simulate(t, setup{quiet: true}, func(t *testing.T, w *world) {
		d := w.start(w.tagged(""))
		time.Sleep(time.Minute)
		events := map[string]string{}
		for _, user := range []string{"user_1001", "user_1002", "nobody"} {
			events[user] = w.profile(user, map[string]any{"city": "bj", "level": "gold"})
		}
		time.Sleep(10 * time.Minute)
		w.profile("user_1001", map[string]any{"city": "sh"})
		time.Sleep(10 * time.Minute)
		d.stop()
		const cid = "aadaf59782dcba2ca6083e4a47e895f"
		for end, want := range map[string]string{"1": "[city_sh level_gold]", "5": "[city_sh level_gold]", "2": "[city_bj level_gold]"} {
			if got := fmt.Sprint(w.tagsOf(cid + end)); got != want {
				t.Errorf("device %s has %s, want %s", end, got, want)
			}
		}
		words := w.words()
		if words[events["user_1001"]] != "SENT" || words[events["user_1002"]] != "SENT" || words[events["nobody"]] != "DEAD(rejected-by-vendor)" {
			t.Errorf("fates %v", words)
		}
		w.kept()
		w.books(4)
	})
}

// Unknown devices among many are found without sending the call in ever smaller parts.
func TestGetuiTagsOfUnknownDevices(t *testing.T) {
	simulate(t, setup{quiet: true}, func(t *testing.T, w *world) {
		d := w.start(w.tagged("    identify: cid\n"))
		time.Sleep(time.Minute)
		for i := range 200 {
			w.profile(fmt.Sprint("gone-", i), map[string]any{"city": "bj"})
		}
		time.Sleep(10 * time.Minute)
		d.stop()
		dead := 0
		for _, words := range w.words() {
			if words == "DEAD(rejected-by-vendor)" {
				dead++
			}
		}
		calls := 0
		for _, e := range w.vendor.Journal(0) {
			if e.Method == "PUT" {
				calls++
			}
		}
		if dead != 200 || calls > 6 {
			t.Errorf("%d of 200 are dead after %d calls", dead, calls)
		}
		w.books(200)
	})
}

// A user who is forgotten loses all tags, also those that nobody here gave.
func TestGetuiTagsOfAUserWhoIsForgotten(t *testing.T) {
	simulate(t, setup{quiet: true}, func(t *testing.T, w *world) {
		w.call("PUT", "/user/custom_tag/batch/theirs", map[string]any{"cid": []string{"bulk-cid-0001"}})
		d := w.start(w.tagged("    identify: cid\n"))
		time.Sleep(15 * time.Minute)
		w.profile("bulk-cid-0001", map[string]any{"city": "bj"}) // one change: nobody reads the user for it
		time.Sleep(20 * time.Minute)
		w.command(ledger.Command{Cmd: ledger.CmdForget, Target: "bulk-cid-0001"})
		time.Sleep(40 * time.Minute)
		d.stop()
		if got := w.tagsOf("bulk-cid-0001"); len(got) != 0 {
			t.Errorf("tags %v", got)
		}
		states, err := w.reader().Ledgers(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, st := range states {
			for key, table := range st.Users {
				if table.Len() != 0 {
					t.Errorf("%s still has %d rows", key, table.Len())
				}
			}
		}
	})
}

// A resync finds what an earlier system left, what somebody else took, and leaves what others gave.
func TestGetuiTagsAreResynced(t *testing.T) {
	simulate(t, setup{quiet: true}, func(t *testing.T, w *world) {
		at := func(tag string) (path string, body any) {
			return "/user/custom_tag/batch/" + tag, map[string]any{"cid": []string{"bulk-cid-0001"}}
		}
		do := func(method, tag string) {
			path, body := at(tag)
			w.call(method, path, body)
		}
		do("PUT", "city_old")
		d := w.start(w.tagged("    identify: cid\n"))
		time.Sleep(15 * time.Minute)
		for i := range 3 {
			w.profile(fmt.Sprint("bulk-cid-000", i), map[string]any{"city": "bj", "level": "gold"})
		}
		time.Sleep(10 * time.Minute)
		do("PUT", "theirs")
		do("DELETE", "level_gold")
		if got := fmt.Sprint(w.tagsOf("bulk-cid-0001")); got != "[city_bj city_old theirs]" {
			t.Fatal(got)
		}
		w.command(ledger.Command{Cmd: ledger.CmdResync, Target: "getui:ak-notifier-test-0001"})
		time.Sleep(time.Hour)
		d.stop()
		for i, want := range []string{"[city_bj level_gold]", "[city_bj level_gold theirs]", "[city_bj level_gold]"} {
			if got := fmt.Sprint(w.tagsOf(fmt.Sprint("bulk-cid-000", i))); got != want {
				t.Errorf("user %d has %s, want %s", i, got, want)
			}
		}
		w.kept()
	})
}

// The vendor accepts a change before it is made: a tag that goes to and fro is changed back only when the first change can be made, whoever
// made it.
func TestGetuiTagsToAndFro(t *testing.T) {
	for _, ends := range []string{"no process", "one in peace", "one by SIGKILL"} {
		t.Run(ends+" ends", func(t *testing.T) {
			simulate(t, setup{quiet: true}, func(t *testing.T, w *world) {
				s := w.tagged("    identify: cid\n    quota: {tags: {minute: 100}}\n    tags: {delay: 0s}\n")
				d := w.start(s)
				k := sandbox.DefaultKnobs()
				k.TagMinuteLimit = 100
				if err := w.vendor.SetKnobs(k); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
				for i, city := range []string{"bj", "sh", "bj", "sh", "bj"} {
					w.profile("bulk-cid-0001", map[string]any{"city": city})
					time.Sleep(5 * time.Second)
					if i != 1 || ends == "no process" {
						continue
					}
					if ends == "one in peace" {
						d.stop()
					} else {
						d.kill()
					}
					d = w.start(s) // it takes over the event that waits, within the minute
				}
				time.Sleep(20 * time.Minute)
				d.stop()
				last := map[string]time.Time{}
				for _, e := range w.vendor.Journal(0) {
					if e.Vendor != "getui" || e.Method != "PUT" && e.Method != "DELETE" || !strings.Contains(e.Path, "/custom_tag/") {
						continue
					}
					if gap := at(e).Sub(last[e.Path]); !last[e.Path].IsZero() && gap < time.Minute {
						t.Errorf("%s changed again after %s", e.Path, gap)
					}
					last[e.Path] = at(e)
				}
				if len(last) != 2 {
					t.Errorf("calls on %v", last)
				}
				if got := fmt.Sprint(w.tagsOf("bulk-cid-0001")); got != "[city_bj]" {
					t.Errorf("tags %s", got)
				}
				w.books(w.events["profile"])
			})
		})
	}
}

// An operation on tags that the vendor says failed goes once more, and then is dead: it is not tried for ever, holds up nobody else, and the
// user's next event asks again.
func TestGetuiTagsThatFail(t *testing.T) {
	for _, times := range []int{1, -1} {
		t.Run(fmt.Sprint("times ", times), func(t *testing.T) {
			simulate(t, setup{quiet: true}, func(t *testing.T, w *world) {
				d := w.start(w.tagged("    identify: cid\n"))
				time.Sleep(15 * time.Minute)
				path := "/v2/" + getuiApp + "/user/custom_tag/batch/city_bj"
				if err := w.vendor.Arm(sandbox.Fault{Vendor: "getui", Path: path, Kind: "code", HTTP: 400, Code: 23001, Times: times}); err != nil {
					t.Fatal(err)
				}
				failed := []string{w.profile("bulk-cid-0001", map[string]any{"city": "bj"}), w.profile("bulk-cid-0002", map[string]any{"city": "bj"})}
				other := w.profile("bulk-cid-0003", map[string]any{"city": "sh"})
				time.Sleep(6 * time.Hour)
				calls := 0
				for _, e := range w.vendor.Journal(0) {
					if e.Code == 23001 {
						calls++
					}
				}
				if err := w.vendor.Disarm(); err != nil {
					t.Fatal(err)
				}
				next := w.profile("bulk-cid-0001", map[string]any{"city": "bj", "level": "gold"})
				time.Sleep(time.Hour)
				d.stop()
				want, most, tags := "SENT", 1, "[city_bj level_gold] [city_bj] [city_sh]"
				if times < 0 {
					want, most, tags = "DEAD(rejected-by-vendor)", 4, "[city_bj level_gold] [] [city_sh]" // two together, twice; then each alone
				}
				words := w.words()
				for _, e := range failed {
					if words[e] != want {
						t.Errorf("%s is %s, want %s", e, words[e], want)
					}
				}
				got := fmt.Sprint(w.tagsOf("bulk-cid-0001"), w.tagsOf("bulk-cid-0002"), w.tagsOf("bulk-cid-0003"))
				if calls != most || words[other] != "SENT" || words[next] != "SENT" || got != tags {
					t.Errorf("%d failed calls, want %d; %v; tags %s, want %s", calls, most, words, got, tags)
				}
				w.kept()
				w.books(4)
			})
		})
	}
}

// The charges of a day are few records, and none is lost: what the books say is what the vendor counted, also for the next owner.
func TestGetuiTagChargesAreSummedUp(t *testing.T) {
	simulate(t, setup{quiet: true}, func(t *testing.T, w *world) {
		s := w.tagged("    identify: cid\n")
		d := w.start(s)
		time.Sleep(time.Minute)
		for i := range 120 {
			w.profile(fmt.Sprintf("bulk-cid-%04d", i), map[string]any{"city": fmt.Sprint("c", i)})
			time.Sleep(time.Minute)
			if i == 60 {
				d.kill()
				d = w.start(s)
			}
		}
		time.Sleep(20 * time.Minute)
		d.stop()
		states, err := w.reader().Ledgers(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		records, slots := 0, 0
		for _, st := range states {
			for _, at := range st.Attempts {
				records, slots = records+1, slots+at.Weight
			}
		}
		if n := w.tagCalls()["changes"]; n != 120 || slots != n || records > 5 {
			t.Errorf("%d changes are %d slots in %d records", n, slots, records)
		}
		used := 0
		for _, l := range app.QuotaOf(s, nil, states, time.Now()).Accounts[0].Lanes {
			if l.Lane == "third/tag" {
				used = l.Windows[1].Used
			}
		}
		if used != 120 {
			t.Errorf("%d of the day are used", used)
		}
	})
}

// Changed tag rules reach the users who are known: those whose tags differ, with a call for all of one difference.
func TestGetuiTagRulesChange(t *testing.T) {
	simulate(t, setup{quiet: true}, func(t *testing.T, w *world) {
		d := w.start(w.tagged("    identify: cid\n"))
		time.Sleep(time.Minute)
		for i := range 80 {
			w.profile(fmt.Sprintf("bulk-cid-%04d", i), map[string]any{"city": "bj", "level": "gold"})
		}
		time.Sleep(10 * time.Minute)
		before := w.tagCalls()["changes"]
		w.edit(strings.ReplaceAll(ruleFile, "level_${level}", "rank_${level}"))
		time.Sleep(20 * time.Minute)
		d.stop()
		for i := range 80 {
			if got := fmt.Sprint(w.tagsOf(fmt.Sprintf("bulk-cid-%04d", i))); got != "[city_bj rank_gold]" {
				t.Errorf("user %d has %s", i, got)
			}
		}
		if n := w.tagCalls()["changes"] - before; n != 2 {
			t.Errorf("%d calls, want 2", n)
		}
		w.kept()
	})
}

// With calls that are lost, cut, refused for now or late, few slots a minute, one token at a time and a process that dies: every user who has a
// device ends up with the tags of the newest event, and every event has its fate.
func TestGetuiTagsWhateverHappens(t *testing.T) {
	for _, identify := range []string{"cid", "alias"} {
		for _, seed := range seeds(t, 2) {
			t.Run(fmt.Sprintf("%s/%d", identify, seed), func(t *testing.T) {
				simulate(t, setup{quiet: true}, func(t *testing.T, w *world) {
					r := rand.New(rand.NewPCG(seed, 11))
					k := sandbox.DefaultKnobs()
					k.TagMinuteLimit, k.SingleActiveToken, k.TokenTTLMS = 2, true, 2*3600*1000
					user, devices := func(i int) string { return fmt.Sprintf("bulk-cid-%04d", i) }, 1
					if identify == "alias" {
						user, devices = func(i int) string { return fmt.Sprint("u_", i) }, 2
						var pairs []map[string]string
						for i := range 100 {
							pairs = append(pairs, map[string]string{"cid": fmt.Sprintf("bulk-cid-%04d", i), "alias": user(i / 2)})
						}
						w.call("POST", "/user/alias", map[string]any{"data_list": pairs})
					}
					if err := w.vendor.SetKnobs(k); err != nil {
						t.Fatal(err)
					}
					for _, f := range []sandbox.Fault{{Kind: "reset_after", Probability: 0.1}, {Kind: "reset_before", Probability: 0.05}, {Kind: "truncate", Probability: 0.05}, {Kind: "http_5xx", Probability: 0.05},
						{Kind: "timeout_after", Probability: 0.05, DelayMS: 20_000}, {Kind: "late", Probability: 0.05, DelayMS: 40_000}, {Kind: "code", HTTP: 401, Code: 10001, Probability: 0.02},
						{Kind: "code", HTTP: 200, Code: 2, Probability: 0.03}, {Kind: "code", HTTP: 403, Code: 30012, Probability: 0.03}} {
						f.Vendor, f.Path, f.Times = "getui", "*", -1
						if err := w.vendor.Arm(f); err != nil {
							t.Fatal(err)
						}
					}
					s := w.tagged("    identify: " + identify + "\n")
					d := w.start(s)
					time.Sleep(time.Minute)
					newest, unknown := map[int][2]string{}, map[string]bool{}
					for i := range 150 {
						if r.IntN(10) == 0 {
							unknown[w.profile(fmt.Sprint("nobody_", i), map[string]any{"city": "bj"})] = true
							continue
						}
						n := r.IntN(50)
						f := newest[n]
						f[0] = fmt.Sprint("c", r.IntN(3))
						fields := map[string]any{"city": f[0]}
						if r.IntN(3) == 0 {
							f[1] = fmt.Sprint("l", r.IntN(2))
							fields["level"] = f[1]
						}
						newest[n] = f
						w.profile(user(n), fields)
						time.Sleep(time.Duration(r.IntN(40)) * time.Second)
						if i == 75 {
							d.kill()
							d = w.start(s)
						}
					}
					time.Sleep(2 * time.Hour)
					if err := w.vendor.Disarm(); err != nil {
						t.Fatal(err)
					}
					time.Sleep(2 * time.Hour)
					d.stop()
					for n, f := range newest {
						want := "city_" + f[0]
						if f[1] != "" {
							want += " level_" + f[1]
						}
						for i := range devices {
							if got := w.tagsOf(fmt.Sprintf("bulk-cid-%04d", n*devices+i)); strings.Join(got, " ") != want {
								t.Errorf("device %d of %s has %v, want %s", i, user(n), got, want)
							}
						}
					}
					for event, words := range w.words() {
						ok := words == "SENT" || words == "COALESCED" || words == "SUPPRESSED(unchanged)"
						if unknown[event] {
							ok = words == "DEAD(rejected-by-vendor)"
						}
						if !ok {
							t.Errorf("%s: %s, unknown %v", event, words, unknown[event])
						}
					}
					w.kept()
					w.books(150)
					t.Logf("%v", w.tagCalls())
				})
			})
		}
	}
}

// Reads that are used up or paused hold up no change: it goes by single tags.
func TestGetuiTagsNeedNoReads(t *testing.T) {
	for _, paused := range []bool{false, true} {
		t.Run(fmt.Sprint("paused ", paused), func(t *testing.T) {
			simulate(t, setup{quiet: true}, func(t *testing.T, w *world) {
				d := w.start(w.tagged("    identify: cid\n"))
				time.Sleep(15 * time.Minute)
				if paused {
					w.command(ledger.Command{Cmd: ledger.CmdPause, Target: "lane/third/tag-get"})
				} else if err := w.vendor.Arm(sandbox.Fault{Vendor: "getui", Lane: "tag_get", Kind: "code", HTTP: 403, Code: 30011, Times: -1}); err != nil {
					t.Fatal(err)
				}
				for i := range 4 {
					w.profile(fmt.Sprintf("bulk-cid-%04d", i), map[string]any{"city": fmt.Sprint("c", i), "level": fmt.Sprint("l", i)})
				}
				time.Sleep(10 * time.Minute)
				d.stop()
				for i := range 4 {
					if got, want := fmt.Sprint(w.tagsOf(fmt.Sprintf("bulk-cid-%04d", i))), fmt.Sprintf("[city_c%d level_l%[1]d]", i); got != want {
						t.Errorf("user %d has %s, want %s", i, got, want)
					}
				}
				if got := w.tagCalls(); got["replace"] != 0 {
					t.Errorf("%v", got)
				}
				w.kept()
				w.books(4)
			})
		})
	}
}

// Somebody else replaced the user's set today: ours is refused, which says nothing of other users, and the user goes by single tags.
func TestGetuiTagsOfAUserWhoWasReplacedByOthers(t *testing.T) {
	simulate(t, setup{quiet: true}, func(t *testing.T, w *world) {
		w.call("POST", "/user/custom_tag/cid/bulk-cid-0001", map[string]any{"custom_tag": []string{"theirs"}})
		d := w.start(w.tagged("    identify: cid\n"))
		time.Sleep(15 * time.Minute)
		w.profile("bulk-cid-0001", map[string]any{"city": "bj", "level": "gold"})
		time.Sleep(5 * time.Minute)
		w.profile("bulk-cid-0002", map[string]any{"city": "sh"})
		time.Sleep(5 * time.Minute)
		d.stop()
		refused := 0
		for _, e := range w.vendor.Journal(0) {
			if e.Method == "POST" && e.Code == 30011 {
				refused++
			}
		}
		if got := fmt.Sprint(w.tagsOf("bulk-cid-0001"), w.tagsOf("bulk-cid-0002"), refused); got != "[city_bj level_gold theirs] [city_sh] 1" {
			t.Errorf("%s\n%v", got, w.words())
		}
		w.books(2)
	})
}
