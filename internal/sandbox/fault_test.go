package sandbox

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// last is the newest journal entry.
func (b *bench) last() Entry {
	b.t.Helper()
	entries := b.Journal(0)
	if len(entries) == 0 {
		b.t.Fatal("the journal is empty")
	}
	return entries[len(entries)-1]
}

func (b *bench) arm(body string) {
	b.t.Helper()
	var out struct{ Error string }
	if status := b.control("POST", b.Ready().Control+"/faults", body, &out); status != 200 {
		b.t.Fatalf("arm %s: %d %s", body, status, out.Error)
	}
}

func TestFaultsThatAnswerWithoutExecution(t *testing.T) {
	cases := []struct {
		name, fault  string
		status, code int
		contains     string
		location     string
	}{
		{name: "answer", fault: `{"kind":"answer","http":200,"body":"{\"code\":\"200\"}"}`, status: 200, code: 200, contains: `"200"`},
		{name: "answer that is not JSON", fault: `{"kind":"answer","http":502,"body":"<html>bad gateway</html>"}`, status: 502, contains: "<html>bad"},
		{name: "status is a synonym of http", fault: `{"kind":"answer","status":418,"body":"{}"}`, status: 418, contains: "{}"},
		{name: "code with its documented status", fault: `{"kind":"code","code":1050}`, status: 504, code: 1050, contains: "injected"},
		{name: "code defaults", fault: `{"kind":"code"}`, status: 500, code: 1000, contains: "1000"},
		{name: "code with a status of its own", fault: `{"kind":"code","code":1002,"http":200,"body":"x"}`, status: 200, code: 1002, contains: `"errorMessage":"x"`},
		{name: "http_5xx", fault: `{"kind":"http_5xx","http":503}`, status: 503, contains: "<html>"},
		{name: "redirect", fault: `{"kind":"redirect","location":"http://127.0.0.1:1/x"}`, status: 302, contains: "moved", location: "http://127.0.0.1:1/x"},
		{name: "redirect to the other host", fault: `{"kind":"redirect","http":307}`, status: 307, contains: "moved", location: "backup"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := start(t, Options{FixedClock: true})
			b.arm(c.fault)
			resp, err := b.client.Do(b.request(context.Background(), b.Ready().Primary, setTag, jsonType, setTagBox))
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != c.status || codeOf(body) != c.code || !strings.Contains(string(body), c.contains) {
				t.Errorf("got %d %s, want %d, code %d, containing %q", resp.StatusCode, body, c.status, c.code, c.contains)
			}
			want := c.location
			if want == "backup" {
				want = b.Ready().Backup + setTag
			}
			if got := resp.Header.Get("Location"); got != want {
				t.Errorf("Location %q, want %q", got, want)
			}
			if e := b.last(); e.Executed || e.HTTP != c.status || e.Code != c.code || e.Fault == "" {
				t.Errorf("journal: executed %v, http %d, code %d, fault %q", e.Executed, e.HTTP, e.Code, e.Fault)
			}
			if tags := b.Tags(DefaultKey); len(tags) != 0 {
				t.Errorf("tags were written: %v", tags)
			}
			if status, code := b.post(setTag, jsonType, setTagBox); status != 200 || code != 200 {
				t.Errorf("after one hit: got %d/%d, want 200/200", status, code)
			}
		})
	}
}

func TestFaultsThatBreakTheConnection(t *testing.T) {
	for kind, executed := range map[string]bool{"reset_before": false, "reset_after": true} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			b := start(t, Options{FixedClock: true})
			b.arm(`{"kind":"` + kind + `"}`)
			_, err := b.client.Do(b.request(context.Background(), b.Ready().Primary, setTag, jsonType, setTagBox))
			if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, io.EOF) {
				t.Errorf("client saw %v, want a reset", err)
			}
			if e := b.last(); e.Executed != executed || e.Fault != kind {
				t.Errorf("journal: executed %v, fault %q", e.Executed, e.Fault)
			}
			if _, written := b.Tags(DefaultKey)["u-1"]; written != executed {
				t.Errorf("tags written: %v, want %v", written, executed)
			}
		})
	}
}

func TestFaultAnswerAfterExecutesAndSaysSomethingElse(t *testing.T) {
	b := start(t, Options{FixedClock: true})
	b.arm(`{"kind":"answer_after","http":502,"body":"<html>"}`)
	if status, body := b.send(b.request(context.Background(), b.Ready().Primary, setTag, jsonType, setTagBox)); status != 502 || string(body) != "<html>" {
		t.Errorf("got %d %s", status, body)
	}
	if e := b.last(); !e.Executed || e.HTTP != 200 || e.Code != 200 {
		t.Errorf("journal must have what the vendor did: %+v", e)
	}
}

func TestFaultTruncateCutsTheAnswerInHalf(t *testing.T) {
	b := start(t, Options{FixedClock: true})
	b.arm(`{"kind":"truncate"}`)
	resp, err := b.client.Do(b.request(context.Background(), b.Ready().Primary, setTag, jsonType, setTagBox))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if !errors.Is(err, io.ErrUnexpectedEOF) || len(body) != len(`{"code":200}`)/2 {
		t.Errorf("read %q, %v; want half of it and an unexpected EOF", body, err)
	}
	if !b.last().Executed {
		t.Error("truncate must execute")
	}
}

// The faults with delays run in virtual time: no waiting, exact instants.

func TestFaultStallNeverAnswersNorExecutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := startVirtual(t, Options{})
		b.arm(`{"kind":"stall"}`)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		_, err := b.client.Do(b.request(ctx, b.Ready().Primary, setTag, jsonType, setTagBox))
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("client saw %v, want its own deadline", err)
		}
		if e := b.last(); e.Executed || e.HTTP != 0 || e.Answer != nil {
			t.Errorf("journal: %+v", e)
		}
	})
}

func TestFaultStallAfterSendsHalfThenSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := startVirtual(t, Options{})
		b.arm(`{"kind":"stall_after","delay_ms":60000}`)
		began := time.Now()
		resp, err := b.client.Do(b.request(t.Context(), b.Ready().Primary, setTag, jsonType, setTagBox))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if waited := time.Since(began); resp.StatusCode != 200 || waited != 0 {
			t.Errorf("headers: %d after %v, want 200 at once", resp.StatusCode, waited)
		}
		body, err := io.ReadAll(resp.Body)
		if waited := time.Since(began); err == nil || len(body) != 6 || waited != time.Minute {
			t.Errorf("body %q, %v after %v; want half, an error, one minute", body, err, waited)
		}
		if !b.last().Executed {
			t.Error("stall_after must execute")
		}
	})
}

func TestFaultTimeoutAfterExecutesAndLogsBeforeTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "log")
		b := startVirtual(t, Options{Log: path})
		b.arm(`{"kind":"timeout_after","delay_ms":3000}`)
		began := time.Now()
		answered := make(chan int)
		go func() {
			status, _ := b.post(setTag, jsonType, setTagBox)
			answered <- status
		}()
		synctest.Wait() // the answer is held back now
		if !b.last().Executed {
			t.Error("not executed while the answer is held back")
		}
		if log, err := os.ReadFile(path); err != nil || strings.Count(string(log), "\n") != 1 {
			t.Errorf("log before the answer: %q, %v; want one line", log, err)
		}
		if status := <-answered; status != 200 || time.Since(began) != 3*time.Second {
			t.Errorf("answer %d after %v, want 200 after 3s", status, time.Since(began))
		}
	})
}

func TestFaultLateExecutesAfterTheClientHasGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := startVirtual(t, Options{})
		b.arm(`{"kind":"late","delay_ms":5000}`)
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		_, err := b.client.Do(b.request(ctx, b.Ready().Primary, setTag, jsonType, setTagBox))
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("client saw %v, want its own deadline", err)
		}
		time.Sleep(5*time.Second - time.Millisecond)
		synctest.Wait()
		if n := len(b.Journal(0)); n != 0 {
			t.Fatalf("executed early: %d entries", n)
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if e := b.last(); !e.Executed || e.AtMS != began.Add(7*time.Second).UnixMilli() {
			t.Errorf("executed %v at %d, want true at 2 s + 5 s", e.Executed, e.AtMS)
		}
		if tags := b.Tags(DefaultKey)["u-1"]; len(tags) != 1 {
			t.Errorf("tags %v, want [vip]", tags)
		}
	})
}

func TestFaultDripSendsOneByteAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := startVirtual(t, Options{})
		b.arm(`{"kind":"drip","delay_ms":200}`)
		began := time.Now()
		if status, code := b.post(setTag, jsonType, setTagBox); status != 200 || code != 200 {
			t.Errorf("got %d/%d", status, code)
		}
		if want := time.Duration(len(`{"code":200}`)) * 200 * time.Millisecond; time.Since(began) != want {
			t.Errorf("took %v, want %v", time.Since(began), want)
		}
	})
}

func TestResetAndCloseDropCallsThatAFaultHolds(t *testing.T) {
	for _, end := range []string{"reset", "close"} {
		t.Run(end, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "log")
				b := startVirtual(t, Options{Log: path})
				b.arm(`{"kind":"late","delay_ms":5000}`)
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if _, err := b.client.Do(b.request(ctx, b.Ready().Primary, setTag, jsonType, setTagBox)); err == nil {
					t.Fatal("late must not answer")
				}
				synctest.Wait()
				if end == "reset" {
					if err := b.Reset(b.StartSetup()); err != nil {
						t.Fatal(err)
					}
				} else if err := b.Close(); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				if tags := b.Tags(DefaultKey); len(tags) != 0 {
					t.Errorf("executed in spite of %s: %v", end, tags)
				}
				log, err := os.ReadFile(path)
				if err != nil || strings.Contains(string(log), `"executed":true`) {
					t.Errorf("log %q, %v", log, err)
				}
				if want := map[string]int{"reset": 0, "close": 1}[end]; strings.Count(string(log), "\n") != want || len(b.Journal(0)) != want {
					t.Errorf("log %q, journal %v; want %d entries, not executed", log, b.Journal(0), want)
				}
			})
		})
	}
}

func TestResetFreesAStalledClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := startVirtual(t, Options{})
		b.arm(`{"kind":"stall"}`)
		r := b.request(t.Context(), b.Ready().Primary, setTag, jsonType, setTagBox)
		failed := make(chan error, 1)
		go func() {
			_, err := b.client.Do(r)
			failed <- err
		}()
		synctest.Wait()
		if err := b.Reset(b.StartSetup()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		select {
		case err := <-failed:
			if err == nil {
				t.Error("a stalled call was answered")
			}
		default:
			t.Error("the client still waits after a reset")
		}
	})
}

// kindsOf are the kinds of fault that meet calls at a vendor.
func kindsOf(vendor string) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(faultKinds)), func(kind string) bool { return getuiKinds[kind] && vendor != vendorGetui })
}

// Every kind, armed for one host and path: it leaves the other host alone, meets one
// call, and executes it or not as the list in fault.go says.
func TestEveryFaultKindExecutesOrNot(t *testing.T) {
	executes := map[string]bool{
		"answer": false, "code": false, "http_5xx": false, "redirect": false, "reset_before": false, "stall": false,
		"answer_after": true, "reset_after": true, "timeout_after": true, "late": true, "stall_after": true, "truncate": true, "drip": true,
	}
	if want, got := slices.Sorted(maps.Keys(executes)), kindsOf(vendorRongCloud); !slices.Equal(want, got) {
		t.Fatalf("kinds %v, this test knows %v", got, want)
	}
	for kind, want := range executes {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := startVirtual(t, Options{})
				b.arm(`{"kind":"` + kind + `","host":"backup","path":"` + setTag + `","delay_ms":500}`)
				call := func(base string) bool { // whether the answer is the vendor's own, whole
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					defer cancel()
					resp, err := b.client.Do(b.request(ctx, base, setTag, jsonType, setTagBox))
					if err != nil {
						return false
					}
					defer resp.Body.Close()
					out, err := io.ReadAll(resp.Body)
					return err == nil && resp.StatusCode == 200 && string(out) == `{"code":200}`
				}
				if !call(b.Ready().Primary) {
					t.Error("the primary is disturbed by a fault of the backup")
				}
				slow := kind == "timeout_after" || kind == "drip" // late, but whole
				if got := call(b.Ready().Backup); got != slow {
					t.Errorf("a whole answer: %v, want %v", got, slow)
				}
				time.Sleep(time.Second) // what is late
				synctest.Wait()
				if e := b.last(); e.Executed != want || e.Fault != kind || e.Host != "backup" {
					t.Errorf("journal: executed %v, fault %q at the %s; want executed %v", e.Executed, e.Fault, e.Host, want)
				}
				if !call(b.Ready().Backup) {
					t.Error("met twice, armed for one call")
				}
			})
		})
	}
}

func TestFaultRefuseClosesOneHostUntilDisarmed(t *testing.T) {
	b := start(t, Options{FixedClock: true})
	primary, backup := b.Ready().Primary, b.Ready().Backup
	if status, _ := b.post(setTag, jsonType, setTagBox); status != 200 { // leaves an idle connection behind
		t.Fatalf("before: %d", status)
	}
	b.arm(`{"kind":"refuse","host":"primary"}`)

	if _, err := b.client.Do(b.request(context.Background(), primary, setTag, jsonType, setTagBox)); err == nil {
		t.Error("an idle connection to a refusing host was served")
	}
	fresh := &http.Client{Transport: &http.Transport{}}
	if _, err := fresh.Do(b.request(context.Background(), primary, setTag, jsonType, setTagBox)); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a new connection got %v, want connection refused", err)
	}
	if n := len(b.Journal(0)); n != 1 {
		t.Errorf("%d entries, want the first call only", n)
	}
	if status, _ := b.send(b.request(context.Background(), backup, setTag, jsonType, setTagBox)); status != 200 {
		t.Errorf("backup: %d", status)
	}
	mustStatus(t, "disarm at the backup", b.control("DELETE", backup+"/_sbx/faults", "", nil), 200)
	if status, _ := b.post(setTag, jsonType, setTagBox); status != 200 {
		t.Errorf("after disarm, same port: %d", status)
	}
	if b.Ready().Primary != primary {
		t.Errorf("the port changed from %s to %s", primary, b.Ready().Primary)
	}
}

func TestFaultRefuseWithADelayComesBackByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := startVirtual(t, Options{})
		if status := b.control("POST", b.Ready().Control+"/faults", `{"kind":"refuse","host":"*"}`, nil); status != 400 {
			t.Errorf("refusing both hosts for good by HTTP: %d, want 400", status)
		}
		b.arm(`{"kind":"refuse","host":"*","delay_ms":5000}`)
		for _, base := range []string{b.Ready().Primary, b.Ready().Backup} {
			if _, err := b.client.Do(b.request(t.Context(), base, setTag, jsonType, setTagBox)); err == nil {
				t.Errorf("%s still answers", base)
			}
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		for _, base := range []string{b.Ready().Primary, b.Ready().Backup} {
			if status, _ := b.send(b.request(t.Context(), base, setTag, jsonType, setTagBox)); status != 200 {
				t.Errorf("%s after the delay: %d", base, status)
			}
		}
	})
}

func TestFaultSelectors(t *testing.T) {
	b := start(t, Options{FixedClock: true})
	get := form("userIds", "u-1")
	hits := func(name string, f Fault, want ...int) {
		t.Helper()
		if err := b.Disarm(); err != nil {
			t.Fatal(err)
		}
		f.Kind, f.HTTP = "http_5xx", 503
		if err := b.Arm(f); err != nil {
			t.Fatal(err)
		}
		var got []int
		for range len(want) / 3 {
			status, _ := b.post(setTag, jsonType, setTagBox)
			got = append(got, status)
			status, _ = b.post("/user/tags/get.json", formType, get)
			got = append(got, status)
			status, _ = b.send(b.request(context.Background(), b.Ready().Backup, setTag, jsonType, setTagBox))
			got = append(got, status)
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%s: got %v, want %v", name, got, want)
				return
			}
		}
	}
	// calls in turn: tag set, tags get, tag set on the backup
	hits("once", Fault{}, 503, 200, 200)
	hits("path", Fault{Path: "/user/tags/get.json"}, 200, 503, 200)
	hits("lane", Fault{Lane: "tag-get"}, 200, 503, 200)
	hits("host", Fault{Host: "backup"}, 200, 200, 503)
	hits("times", Fault{Times: 2, Path: setTag}, 503, 200, 503, 200, 200, 200)
	hits("for ever", Fault{Times: -1, Host: "*", Path: "*"}, 503, 503, 503, 503, 503, 503)
}

// A schedule: faults are met in the order in which they were armed, each for its
// times, and one for another path waits without holding up those behind it.
func TestFaultsAreMetInOrder(t *testing.T) {
	b := start(t, Options{FixedClock: true})
	for _, f := range []Fault{
		{Kind: "code", Code: 1050, Times: 2, Path: setTag},
		{Kind: "http_5xx", HTTP: 503, Path: pushPath},
		{Kind: "code", Code: 1008, Lane: "tag"},
		{Kind: "http_5xx", HTTP: 502, Host: "primary", Times: 2},
	} {
		if err := b.Arm(f); err != nil {
			t.Fatal(err)
		}
	}
	var got []int
	for _, path := range []string{setTag, setTag, setTag, pushPath, setTag, pushPath, setTag} {
		status, _ := b.post(path, jsonType, map[string]string{setTag: setTagBox, pushPath: pushBox}[path])
		got = append(got, status)
	}
	if want := []int{504, 504, 429, 503, 502, 502, 200}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	var kinds []string
	for _, e := range b.Journal(0) {
		kinds = append(kinds, e.Fault)
	}
	if want := []string{"code", "code", "code", "http_5xx", "http_5xx", "http_5xx", ""}; !slices.Equal(kinds, want) {
		t.Errorf("journal has faults %v, want %v", kinds, want)
	}
}

func TestFaultProbabilityFollowsTheSeed(t *testing.T) {
	pattern := func(seed int64) string {
		b := start(t, Options{FixedClock: true, Seed: seed})
		if err := b.Arm(Fault{Kind: "http_5xx", Times: -1, Probability: 0.5}); err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		for range 40 {
			if status, _ := b.post(setTag, jsonType, setTagBox); status == 200 {
				out.WriteByte('.')
			} else {
				out.WriteByte('x')
			}
		}
		return out.String()
	}
	one, again, other := pattern(1), pattern(1), pattern(2)
	if one != again || one == other {
		t.Errorf("seed 1: %s and %s, seed 2: %s", one, again, other)
	}
	if hit := strings.Count(one, "x"); hit < 8 || hit > 32 {
		t.Errorf("%d of 40 hit at probability 0.5", hit)
	}
}

func TestFaultsThatMakeNoSenseAreRefused(t *testing.T) {
	b := start(t, Options{})
	for _, body := range []string{
		`{}`, `{"kind":"explode"}`, `{"kind":"stall","host":"third"}`, `{"kind":"stall","path":"/nowhere.json"}`,
		`{"kind":"stall","lane":"fast"}`, `{"kind":"stall","vendor":"apple"}`, `{"kind":"token_storm","vendor":"rongcloud"}`,
		`{"kind":"stall","vendor":"getui","path":"/push.json"}`, `{"kind":"stall","vendor":"rongcloud","lane":"single_cid"}`, `{"kind":"stall","probability":2}`,
		`{"kind":"stall","delay_ms":-1}`, `{"kind":"answer","http":99}`, `{"kind":"stall","tymes":1}`, `not json`,
	} {
		var out struct{ Error string }
		if status := b.control("POST", b.Ready().Control+"/faults", body, &out); status != 400 || out.Error == "" {
			t.Errorf("%s: got %d %q, want 400 and words", body, status, out.Error)
		}
	}
}
