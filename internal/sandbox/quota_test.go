package sandbox

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
)

const hourMS, dayMS = int64(3600_000), int64(24 * 3600_000)

var broadcastForm = form("fromUserId", "s", "objectName", "RC:TxtMsg", "content", `{"content":"x"}`)

// step is one call of a quota test: at so many milliseconds after the start, to
// that endpoint, with the expected code.
type step struct {
	at   int64
	path string
	code int
}

func (b *bench) walk(steps []step) {
	b.t.Helper()
	bodies := map[string][2]string{
		pushPath:                         {jsonType, pushBox},
		"/message/broadcast.json":        {formType, broadcastForm},
		"/message/broadcast/recall.json": {formType, form("fromUserId", "s", "messageUID", "m", "sentTime", "1767225600000")},
		"/push/custom.json":              {jsonType, pushBox},
		"invalid":                        {jsonType, `{}`},
	}
	for i, s := range steps {
		b.SetClock(fixedStart + s.at)
		path, body := s.path, bodies[s.path]
		if path == "invalid" {
			path = pushPath
		}
		if _, code := b.post(path, body[0], body[1]); code != s.code {
			b.t.Errorf("step %d, %s at +%d ms: code %d, want %d", i+1, s.path, s.at, code, s.code)
		}
	}
}

func TestQuotaSwitches(t *testing.T) {
	const (
		all    = "/message/broadcast.json"
		recall = "/message/broadcast/recall.json"
	)
	cases := []struct {
		name     string
		change   func(*Switches)
		steps    []step
		overruns int
	}{
		{"a rolling hour ends exactly 60 minutes later", nil,
			[]step{{0, pushPath, 200}, {1, pushPath, 200}, {hourMS, pushPath, 200}}, 0},
		{"one millisecond earlier it does not", nil,
			[]step{{0, pushPath, 200}, {1, pushPath, 200}, {hourMS - 1, pushPath, 1008}}, 0},
		{"a rejected call uses quota", nil,
			[]step{{0, "invalid", 1002}, {1, pushPath, 200}, {2, pushPath, 1008}}, 0},
		{"unless count_rejected is off", func(sw *Switches) { sw.CountRejected = false },
			[]step{{0, "invalid", 1002}, {1, pushPath, 200}, {2, pushPath, 200}, {3, pushPath, 1008}}, 0},
		{"refused calls keep the window full", nil,
			[]step{{0, pushPath, 200}, {1, pushPath, 200}, {hourMS - 2, pushPath, 1008}, {hourMS - 1, pushPath, 1008}, {hourMS + 1, pushPath, 1008}}, 0},
		{"clock hours let four through in an hour, which the audit sees", func(sw *Switches) { sw.Hour = "clock"; sw.DayZone = "UTC" },
			[]step{{hourMS - 2, pushPath, 200}, {hourMS - 1, pushPath, 200}, {hourMS, pushPath, 200}, {hourMS + 1, pushPath, 1008}}, 1},
		{"another day zone gives a fourth call, which the audit sees", func(sw *Switches) { sw.DayZone = "UTC" },
			// 06:00, 07:59, 09:00 and 10:00 of one day in Shanghai; in UTC the day turns at 08:00
			[]step{{-2 * hourMS, pushPath, 200}, {-1, pushPath, 200}, {hourMS, pushPath, 200}, {2 * hourMS, pushPath, 200}}, 1},
		{"push and broadcast share", nil,
			[]step{{0, pushPath, 200}, {1, all, 200}, {2, all, 1008}}, 0},
		{"apart, each has two, and the audit knows the oldest page", func(sw *Switches) { sw.ShareBroadcastBucket = false },
			[]step{{0, pushPath, 200}, {1, pushPath, 200}, {2, all, 200}, {3, all, 200}, {4, all, 1008}}, 2},
		{"recall has its own", nil,
			[]step{{0, pushPath, 200}, {1, pushPath, 200}, {2, recall, 200}, {3, recall, 200}, {4, recall, 1008}}, 0},
		{"recall shared", func(sw *Switches) { sw.ShareRecallBucket = true },
			[]step{{0, pushPath, 200}, {1, recall, 200}, {2, pushPath, 1008}}, 0},
		{"push plus has no known limit", nil,
			[]step{{0, "/push/custom.json", 200}, {0, "/push/custom.json", 200}, {0, "/push/custom.json", 200}, {0, "/push/custom.json", 200}}, 0},
		{"a day later everything is free", nil,
			[]step{{0, pushPath, 200}, {1, pushPath, 200}, {dayMS, pushPath, 200}, {dayMS + 1, pushPath, 200}, {dayMS + 2, pushPath, 1008}}, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			sw := DefaultSwitches()
			if c.change != nil {
				c.change(&sw)
			}
			b := start(t, Options{FixedClock: true, Switches: &sw})
			b.walk(c.steps)
			refused := 0
			for _, s := range c.steps {
				if s.code == 1008 {
					refused++
				}
			}
			st := b.Stats().RongCloud
			if st.Overruns != c.overruns || st.RefusedByQuota != refused || st.Calls != len(c.steps) {
				t.Errorf("overruns %d, refused %d, calls %d; want %d, %d, %d", st.Overruns, st.RefusedByQuota, st.Calls, c.overruns, refused, len(c.steps))
			}
		})
	}
}

// The windows that follow a calendar, in zones where it is not simple.
func TestCalendarWindows(t *testing.T) {
	at := func(text string) int64 {
		when, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return when.UnixMilli()
	}
	for _, c := range []struct {
		name, zone, hour, now, from, to string
		window                          time.Duration
	}{
		{"a day in Shanghai", "Asia/Shanghai", "rolling", "2026-01-01T15:59:59.999Z", "2025-12-31T16:00:00Z", "2026-01-01T16:00:00Z", 0},
		{"a day of 23 hours", "Europe/Berlin", "rolling", "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", 0},
		{"a day of 25 hours", "Europe/Berlin", "rolling", "2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", 0},
		{"a clock hour where hours begin at half past", "Asia/Kolkata", "clock", "2026-01-01T00:29:59.999Z", "2025-12-31T23:30:00Z", "2026-01-01T00:30:00Z", time.Hour},
		{"the second 2 o'clock is an hour of its own", "Europe/Berlin", "clock", "2026-10-25T01:20:00Z", "2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z", time.Hour},
		{"a minute rolls also on clock hours", "UTC", "clock", "2026-01-01T00:00:00Z", "2025-12-31T23:59:00.001Z", "2026-01-01T00:01:00Z", time.Minute},
	} {
		sw := DefaultSwitches()
		sw.DayZone, sw.Hour = c.zone, c.hour
		zone, err := sw.zone()
		if err != nil {
			t.Fatal(err)
		}
		if from, to := (limit{c.window, 1}).around(at(c.now), sw, zone); from != at(c.from) || to != at(c.to) {
			t.Errorf("%s: [%d, %d), want [%d, %d)", c.name, from, to, at(c.from), at(c.to))
		}
	}
}

// TestReceiversAreTheWeight: 100 receivers a second, one receiver one unit; user
// pushes and system messages apart unless switched together.
func TestReceiversAreTheWeight(t *testing.T) {
	users := func(n int) string {
		return `{"userIds":["` + strings.Repeat(`u","`, n-1) + `u"],"notification":{"pushContent":"a"}}`
	}
	system := broadcastForm + strings.Repeat("&toUserId=u", 60)
	for _, shared := range []bool{false, true} {
		sw := DefaultSwitches()
		sw.ShareUserBucket, sw.CountRejected = shared, false
		b := start(t, Options{FixedClock: true, Switches: &sw})
		call := func(path, contentType, body string, want int) {
			t.Helper()
			if _, code := b.post(path, contentType, body); code != want {
				t.Errorf("shared %v: %s: code %d, want %d", shared, path, code, want)
			}
		}
		call("/push/user.json", jsonType, users(60), 200)
		call("/push/user.json", jsonType, users(41), 1008)
		call("/push/user.json", jsonType, users(40), 200)
		call("/message/system/publish.json", formType, system, map[bool]int{false: 200, true: 1008}[shared])
		call("/message/system/publish.json", formType, system, 1008)
		b.AdvanceClock(1000)
		call("/push/user.json", jsonType, users(100), 200)
		st := b.Stats().RongCloud
		if want := map[bool]int{false: 260, true: 200}[shared]; st.Deliveries != want || st.Overruns != 0 {
			t.Errorf("shared %v: deliveries %d, overruns %d, want %d, 0", shared, st.Deliveries, st.Overruns, want)
		}
	}
}

func TestQuotaIsPerApp(t *testing.T) {
	b := start(t, Options{FixedClock: true, Apps: []App{{Vendor: "rongcloud", Key: DefaultKey, Secret: DefaultSecret}, {Vendor: "rongcloud", Key: "second", Secret: DefaultSecret}}})
	for i := range 4 {
		want := 200
		if i >= 2 {
			want = 1008
		}
		for _, key := range []string{DefaultKey, "second"} {
			r := b.request(context.Background(), b.Ready().Primary, pushPath, jsonType, pushBox)
			r.Header.Set("App-Key", key)
			if _, out := b.send(r); codeOf(out) != want {
				t.Errorf("call %d of %s: %s, want %d", i+1, key, out, want)
			}
		}
	}
}

// TestAuditCountsWithoutTheRefusals feeds the audit what the server would refuse.
func TestAuditCountsWithoutTheRefusals(t *testing.T) {
	a := audit{executed: map[auditKey][]charge{}}
	for i := range int64(5) {
		a.add("k", pushBucket, fixedStart+i*61*60_000, 1) // 5 in one Shanghai day, never 2 in an hour
	}
	if a.overruns != 2 {
		t.Errorf("3 a day: overruns %d after 5, want 2", a.overruns)
	}
	a = audit{executed: map[auditKey][]charge{}}
	for _, units := range []int{100, 1} {
		a.add("k", userBucket, fixedStart, units)
	}
	a.add("k", userBucket, fixedStart+1000, 100)
	if a.overruns != 1 {
		t.Errorf("100 receivers a second: overruns %d, want 1", a.overruns)
	}
}

func TestDoublesAndRequestIDs(t *testing.T) {
	b := start(t, Options{FixedClock: true})
	call := func(path, id, body string) {
		t.Helper()
		r := b.request(context.Background(), b.Ready().Primary, path, jsonType, body)
		r.Header.Set("X-Request-ID", id)
		if status, out := b.send(r); status != 200 {
			t.Fatalf("%s %s: %d %s", path, id, status, out)
		}
	}
	expect := func(doubles, conflicts int) {
		t.Helper()
		if st := b.Stats().RongCloud; st.Doubles != doubles || st.RequestIDConflicts != conflicts {
			t.Errorf("doubles %d, conflicts %d; want %d, %d", st.Doubles, st.RequestIDConflicts, doubles, conflicts)
		}
	}
	user := `{"userIds":["u"],"notification":{"pushContent":"a"}}`
	call(setTag, "t-1-1", setTagBox)
	call(setTag, "t-1-2", setTagBox)
	expect(0, 0) // repeatable
	call("/push/user.json", "call-1", user)
	call("/push/user.json", "call2-1", user)
	expect(0, 0)
	call("/push/user.json", "call-2", user)
	expect(1, 0)
	call("/push/user.json", "call2-1", `{"userIds":["u"],"notification":{"pushContent":"b"}}`)
	expect(2, 1)
	call("/push/user.json", "a-b-1", user)
	call("/push/user.json", "a-c-1", user)
	expect(2, 1) // only the last part is the attempt
}

// A refused call took no effect, so its repetition is no double.
func TestARefusedCallIsNoDouble(t *testing.T) {
	sw := DefaultSwitches()
	sw.CountRejected = false
	b := start(t, Options{FixedClock: true, Switches: &sw})
	for i, body := range []string{`{}`, pushBox} {
		r := b.request(context.Background(), b.Ready().Primary, pushPath, jsonType, body)
		r.Header.Set("X-Request-ID", fmt.Sprintf("call-%d", i+1))
		b.send(r)
	}
	if st := b.Stats().RongCloud; st.Doubles != 0 || st.Executed != 1 {
		t.Errorf("doubles %d, executed %d; want 0, 1", st.Doubles, st.Executed)
	}
}

func TestOptionalChecks(t *testing.T) {
	sw := DefaultSwitches()
	sw.MsgRandom, sw.NonceReplay, sw.SkewMS = true, true, 1000
	b := start(t, Options{FixedClock: true, Switches: &sw})
	online := "/message/online/broadcast.json"
	body := broadcastForm + "&msgRandom=7"
	for i, want := range []int{200, 1002} {
		status, out := b.send(b.request(context.Background(), b.Ready().Primary, online, formType, body))
		if codeOf(out) != want || want == 1002 && !strings.Contains(string(out), "msgRandom") {
			t.Errorf("call %d: %d %s, want %d", i+1, status, out, want)
		}
	}
	b.AdvanceClock(60_000)
	if _, code := b.post(online, formType, body); code != 200 {
		t.Errorf("a minute later: %d, want 200", code)
	}

	r := b.request(context.Background(), b.Ready().Primary, setTag, jsonType, setTagBox)
	if status, _ := b.send(r); status != 200 {
		t.Errorf("fresh nonce: %d", status)
	}
	again := b.request(context.Background(), b.Ready().Primary, setTag, jsonType, setTagBox)
	again.Header = r.Header.Clone()
	if status, out := b.send(again); status != 401 || codeOf(out) != 1004 {
		t.Errorf("replayed nonce: %d %s, want 401/1004", status, out)
	}
	late := b.request(context.Background(), b.Ready().Primary, setTag, jsonType, setTagBox)
	restamp(late, b.Clock()-1001)
	if status, _ := b.send(late); status != 401 {
		t.Errorf("skew of 1001 ms at skew_ms 1000: %d, want 401", status)
	}
}

// Tags are written and read at 100 calls a second each, in a window that rolls.
func TestTagCallsOfASecond(t *testing.T) {
	for _, c := range []struct{ name, path, contentType, body string }{
		{"set", setTag, jsonType, setTagBox},
		{"get", "/user/tags/get.json", formType, form("userIds", "u-1")},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := start(t, Options{FixedClock: true})
			for i := range 100 {
				if status, code := b.post(c.path, c.contentType, c.body); code != 200 {
					t.Fatalf("call %d of a second: %d/%d, want 200", i+1, status, code)
				}
			}
			if status, code := b.post(c.path, c.contentType, c.body); status != 429 || code != 1008 {
				t.Errorf("call 101 of a second: %d/%d, want 429/1008", status, code)
			}
			b.AdvanceClock(999)
			if _, code := b.post(c.path, c.contentType, c.body); code != 1008 {
				t.Errorf("a millisecond before the second is over: %d, want 1008", code)
			}
			b.AdvanceClock(1)
			if status, code := b.post(c.path, c.contentType, c.body); status != 200 || code != 200 {
				t.Errorf("when the second is over: %d/%d, want 200", status, code)
			}
		})
	}
}
