package sandbox

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Attacks on the sandbox itself: what many clients, a clock that goes back and
// resets at the wrong moment can do to it.

// crowd sends the requests at once and counts the vendor codes, 0 for no answer.
func (b *bench) crowd(requests []*http.Request) map[int]int {
	b.t.Helper()
	var mu sync.Mutex
	var calls sync.WaitGroup
	codes := map[int]int{}
	for _, r := range requests {
		calls.Go(func() {
			code := 0
			if resp, err := b.client.Do(r); err == nil {
				var out [512]byte
				n, _ := resp.Body.Read(out[:])
				code = codeOf(out[:n])
				_ = resp.Body.Close()
			}
			mu.Lock()
			defer mu.Unlock()
			codes[code]++
		})
	}
	calls.Wait()
	return codes
}

func TestACrowdAtTheEdgeOfAQuotaGetsExactlyIt(t *testing.T) {
	seven := `{"userIds":["` + strings.Repeat(`u","`, 6) + `u"],"notification":{"pushContent":"a"}}`
	for _, c := range []struct {
		name, path, contentType, body string
		calls, want                   int
	}{
		{"2 an hour", pushPath, jsonType, pushBox, 40, 2},
		{"100 receivers a second, 7 a call", "/push/user.json", jsonType, seven, 40, 14},
		{"10 a second", "/user/tag/batch/set.json", jsonType, `{"userIds":["u"],"tags":["t"]}`, 40, 10},
		{"60 a minute", "/message/online/broadcast.json", formType, broadcastForm, 90, 60},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := start(t, Options{FixedClock: true})
			var all []*http.Request
			for i := range c.calls {
				base := []string{b.Ready().Primary, b.Ready().Backup}[i%2]
				all = append(all, b.request(context.Background(), base, c.path, c.contentType, c.body))
			}
			codes := b.crowd(all)
			if codes[200] != c.want || codes[1008] != c.calls-c.want {
				t.Errorf("codes %v, want %d of 200 and the rest 1008", codes, c.want)
			}
			st := b.Stats().RongCloud
			if st.Executed != c.want || st.RefusedByQuota != c.calls-c.want || st.Overruns != 0 || len(b.Journal(0)) != c.calls {
				t.Errorf("stats %+v, %d journal entries", st, len(b.Journal(0)))
			}
		})
	}
}

// A clock that is set back gives nothing twice: what was charged later counts as
// well. What lies a window or more away in either direction does not.
func TestAClockThatGoesBackGivesNoQuota(t *testing.T) {
	b := start(t, Options{FixedClock: true})
	b.walk([]step{
		{0, pushPath, 200}, {1, pushPath, 200},
		{-1, pushPath, 1008}, {-30 * minute, pushPath, 1008}, {1 - hourMS, pushPath, 1008},
	})
	b = start(t, Options{FixedClock: true})
	b.walk([]step{{0, pushPath, 200}, {1, pushPath, 200}, {-hourMS, pushPath, 200}, {-2 * dayMS, pushPath, 200}})
	if n := b.Stats().RongCloud.Overruns; n != 0 {
		t.Errorf("overruns %d, want 0", n)
	}
}

// A hammered bucket stays small, and full.
func TestAHammeredBucketIsBounded(t *testing.T) {
	w, cancel := direct(DefaultSwitches())
	defer cancel()
	for range maxCharges + 500 {
		w.arrive(pushPath, jsonType, []byte(pushBox))
	}
	if n := len(w.apps[DefaultKey].charges[pushBucket]); n > maxCharges+1 {
		t.Errorf("%d charges kept, want at most %d", n, maxCharges+1)
	}
	w.clock.offset += hourMS - 1
	if out, _ := w.arrive(pushPath, jsonType, []byte(pushBox)); out.Code != 1008 {
		t.Errorf("code %d within the hour, want 1008", out.Code)
	}
	if w.stats.Executed != 2 {
		t.Errorf("%d executed, want 2", w.stats.Executed)
	}
}

// Resets while calls are held, executed and answered: none of them may reach the
// world after the reset, and nothing may hang.
func TestResetsAmongHeldCallsLeaveACleanWorld(t *testing.T) {
	b := start(t, Options{FixedClock: true})
	kinds := []string{"stall", "late", "timeout_after", "stall_after", "drip", "reset_after", "truncate", "reset_before"}
	for round := range 6 {
		for _, kind := range kinds {
			if err := b.Arm(Fault{Kind: kind, Times: 3, DelayMS: 60_000}); err != nil {
				t.Fatal(err)
			}
		}
		// The first 24 to arrive meet a fault each, the rest are answered or, held back
		// by nothing but the machine, come in after a reset.
		var all []*http.Request
		for range 40 {
			all = append(all, b.request(context.Background(), b.Ready().Primary, setTag, jsonType, setTagBox))
		}
		began, ended := make(chan struct{}), make(chan struct{})
		go func() {
			close(began)
			b.crowd(all)
			close(ended)
		}()
		<-began
		for { // resets until the crowd is through
			if err := b.Reset(b.StartSetup()); err != nil {
				t.Fatal(err)
			}
			select {
			case <-ended:
			case <-time.After(5 * time.Millisecond):
				continue
			}
			break
		}
		if err := b.Reset(b.StartSetup()); err != nil {
			t.Fatal(err)
		}
		if n, st, tags := len(b.Journal(0)), b.Stats(), b.Tags(DefaultKey); n != 0 || st != (Stats{}) || len(tags) != 0 {
			t.Fatalf("round %d: %d entries, stats %+v, tags %v after the reset", round, n, st, tags)
		}
		if status, code := b.post(setTag, jsonType, setTagBox); status != 200 {
			t.Fatalf("round %d: %d/%d after the reset", round, status, code)
		}
	}
}

// What late holds when the reset comes is dropped, whichever side of the client's
// leaving the reset falls on.
func TestAResetBeforeTheClientLeavesDropsALateCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := startVirtual(t, Options{})
		b.arm(`{"kind":"late","delay_ms":1000}`)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		r := b.request(ctx, b.Ready().Primary, setTag, jsonType, setTagBox)
		failed := make(chan error, 1)
		go func() {
			_, err := b.client.Do(r)
			failed <- err
		}()
		synctest.Wait()
		if err := b.Reset(b.StartSetup()); err != nil {
			t.Fatal(err)
		}
		if err := <-failed; err == nil {
			t.Error("a late call was answered")
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(b.Journal(0)) != 0 || len(b.Tags(DefaultKey)) != 0 {
			t.Errorf("journal %v, tags %v in the new world", b.Journal(0), b.Tags(DefaultKey))
		}
	})
}

// Requests of one connection count from the reset, not from its first call.
func TestAResetCountsConnectionsAnew(t *testing.T) {
	b := start(t, Options{FixedClock: true})
	for _, calls := range []int{5, 3} {
		for range calls {
			b.post(setTag, jsonType, setTagBox) // one idle connection serves them all
		}
		if n := b.Stats().RongCloud.MaxPerConnection; n != calls {
			t.Errorf("max_per_connection %d, want %d", n, calls)
		}
		if err := b.Reset(b.StartSetup()); err != nil {
			t.Fatal(err)
		}
	}
}

// The narrowest gap: a call that came in before the reset and reaches the pipeline
// after it. It is neither executed nor recorded in the new world.
func TestACallFromBeforeAResetIsNotExecuted(t *testing.T) {
	b := start(t, Options{FixedClock: true})
	r := b.request(context.Background(), b.Ready().Primary, setTag, jsonType, setTagBox)
	a := &arrival{world: b.world, host: "primary", conn: &connection{}, method: "POST", path: setTag, header: r.Header, body: []byte(setTagBox)}
	if err := b.Reset(b.StartSetup()); err != nil {
		t.Fatal(err)
	}
	if out, err := b.process(a); !errors.Is(err, errReset) {
		t.Errorf("answered %s, %v; want %v", out.body, err, errReset)
	}
	b.record(a, 0, nil)
	if len(b.Journal(0)) != 0 || len(b.Tags(DefaultKey)) != 0 {
		t.Errorf("journal %v, tags %v", b.Journal(0), b.Tags(DefaultKey))
	}
}
