package backtest

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/quota"
	"github.com/notifier/notifier/internal/rules"
)

// vendor has two lanes: user, without a limit that matters, and broadcast, with one slot an hour and three a day.
type vendor struct{ dispatch.Vendor }

func (vendor) Route(in *intent.Intent) (dispatch.Route, error) {
	if in.Action == intent.Broadcast {
		return dispatch.Route{Lane: "broadcast", Endpoint: "/b"}, nil
	}
	return dispatch.Route{Lane: "user", Endpoint: "/u", Users: true}, nil
}

func (vendor) ValidUser(string) error { return nil }

func side(t testing.TB, files ...rules.File) Side {
	t.Helper()
	set, list := rules.LoadFiles(files, rules.Options{Zone: time.UTC, Accounts: []rules.Account{{Name: "main", Vendor: "rongcloud", ApprovalWaived: true}}})
	if set == nil {
		t.Fatal(list)
	}
	ac := &dispatch.Account{Name: "main", Key: "stub:main", Vendor: vendor{}, Timeout: time.Second, MaxTags: 20, Lanes: map[string]dispatch.Policy{
		"user":                {Rate: 100, MaxBatch: 100, Parallel: 4},
		"broadcast":           {Limits: []quota.Limit{{N: 1, Window: time.Hour}, {N: 3, Day: true, Zone: time.UTC}}, MaxBatch: 1, Parallel: 1, Audiences: true},
		dispatch.LaneTag:      {Rate: 100, MaxBatch: 1, Parallel: 4},
		dispatch.LaneTagBatch: {Rate: 100, MaxBatch: 1000, Parallel: 4},
		dispatch.LaneTagGet:   {Rate: 100, MaxBatch: 50, Parallel: 4},
	}}
	return Side{Set: set, Identities: map[string]string{"main": "stub:main"},
		Stage: dispatch.Options{Accounts: []*dispatch.Account{ac}, Zone: time.UTC, Render: rules.RenderMerged}}
}

func TestSpreadIsByNearestRank(t *testing.T) {
	by := map[int]int{}
	for i := 1; i <= 200; i++ {
		by[i] = i
	}
	if got, want := spread(by), (Spread{Users: 200, P50: 100, P99: 198, Max: 200}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got, want := spread(map[string]int{"u": 7}), (Spread{Users: 1, P50: 7, P99: 7, Max: 7}); got != want {
		t.Errorf("of one: got %+v, want %+v", got, want)
	}
	if got := spread(map[string]int{}); got != (Spread{}) {
		t.Errorf("of nobody: got %+v", got)
	}
}

// A day that lost two requests and left one slot wasted one; a day that lost nothing wasted nothing.
func TestASlotIsWastedOnADayThatLostRequests(t *testing.T) {
	d := func(n int) day { return day{2026, 11, n} }
	l := laneCounts{limit: 3, used: map[day]int{d(1): 2, d(2): 1, d(3): 3, d(9): 2}, lost: map[day]int{d(1): 2, d(3): 5}}
	want := Lane{Lane: "main/broadcast", Days: 4, Slots: 12, Used: 6, Unused: 6, Wasted: 1, Lost: 7, After: 2}
	if diff := cmp.Diff(want, l.lane("main/broadcast", []day{d(1), d(2), d(3), d(4)})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Who is kept from a free slot by the quota of its own rule, or expires in quiet hours, is not lost for want of a slot, and wastes none.
func TestOnlyTheLaneLosesRequestsForWantOfASlot(t *testing.T) {
	t.Parallel()
	catalogue := rules.File{Name: "events.yaml", Data: []byte(benchCatalogue)}
	for _, c := range []struct {
		name, limits   string
		hours          []int // of the requests
		used, lost     int
		wasted, itsOwn int
	}{
		{name: "its quota", limits: "quota: 1 per day, expire: 6h", hours: []int{9, 10}, used: 1, itsOwn: 1},
		{name: "its quota, of 24 hours", limits: "quota: 1 in 24h, expire: 6h", hours: []int{9, 10}, used: 1, itsOwn: 1},
		{name: "its quota, until the day ends", limits: "quota: 1 per day, expire: 12h", hours: []int{9, 12}, used: 1, itsOwn: 1},
		{name: "its quota, without waiting", limits: "quota: 1 per day, no_quota: drop, expire: 6h", hours: []int{9, 10}, used: 1, itsOwn: 1},
		{name: "the hour", limits: "expire: 30m", hours: []int{9, 9}, used: 1, lost: 1, wasted: 1},
		{name: "the hour, without waiting", limits: "no_quota: drop, expire: 30m", hours: []int{9, 9}, used: 1, lost: 1, wasted: 1},
		{name: "the day", limits: "quota: 9 per day, expire: 6h", hours: []int{8, 9, 10, 11}, used: 3, lost: 1},
		{name: "quiet hours", limits: "quiet: 10:00-23:00, when_quiet: hold, expire: 2h", hours: []int{9, 10}, used: 1},
	} {
		s := side(t, catalogue, rules.File{Name: "r.yaml", Data: []byte(`version: 1
rules:
  - {name: sale, event: order, mode: live, class: service, when: always, broadcast: {audience: {all_of: [vip]}, body: b}, limits: {` + c.limits + `}}
`)})
		rep, err := Run(func(take func(event.Record) error) error {
			for i, hour := range c.hours {
				rec := event.Record{Position: event.Position{Topic: "orders", Offset: int64(i)}, Value: fmt.Appendf(nil, `{"id":"o%d","user":"u"}`, i), Time: time.Date(2026, 11, 20, hour, 0, 0, 0, time.UTC)}
				if err := take(rec); err != nil {
					return err
				}
			}
			return nil
		}, s, nil)
		if err != nil {
			t.Fatal(err)
		}
		want := []Lane{{Lane: "main/broadcast", Days: 1, Slots: 3, Used: c.used, Unused: 3 - c.used, Wasted: c.wasted, Lost: c.lost, OwnQuota: c.itsOwn}}
		if diff := cmp.Diff(want, rep.Lanes); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

// At some vendors the calls that write tags are counted too: no broadcast has used those slots.
func TestSlotsAreThoseOfBroadcasts(t *testing.T) {
	t.Parallel()
	s := side(t, rules.File{Name: "events.yaml", Data: []byte("version: 1\nevents:\n  profile: {topic: users, kind: profile, id: id, user: user, fields: {city: city}}\n")},
		rules.File{Name: "r.yaml", Data: []byte("version: 1\nrules:\n  - {name: city-tag, event: profile, when: always, tags: [\"city_${city}\"]}\n")})
	lanes := s.Stage.Accounts[0].Lanes
	for _, name := range []string{dispatch.LaneTag, dispatch.LaneTagBatch} {
		lanes[name] = dispatch.Policy{Limits: []quota.Limit{{N: 1000, Day: true, Zone: time.UTC}}, MaxBatch: 1, Parallel: 1}
	}
	rep, err := Run(func(take func(event.Record) error) error {
		return take(event.Record{Position: event.Position{Topic: "users"}, Value: []byte(`{"id":"p","user":"u","city":"bj"}`), Time: time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)})
	}, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(rep.Rules) != 1 || rep.Rules[0].Sent != 1 || rep.Rules[0].Slots != 0 {
		t.Errorf("rules %+v, want tags that are sent and no slot", rep.Rules)
	}
}

func TestDaysOfHistoryAreDatesOfItsZone(t *testing.T) {
	zone, err := time.LoadLocation("America/Santiago") // midnight of 2026-09-06 does not exist there
	if err != nil {
		t.Fatal(err)
	}
	tl := &tally{zone: zone}
	got := tl.span(time.Date(2026, 9, 5, 23, 59, 0, 0, zone), time.Date(2026, 9, 7, 0, 1, 0, 0, zone))
	if diff := cmp.Diff([]day{{2026, 9, 5}, {2026, 9, 6}, {2026, 9, 7}}, got, cmp.AllowUnexported(day{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Lines come in the order of their times, those of one time in the order of the file; what a line holds is the record.
func TestAFileGivesItsRecordsInTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "h.jsonl")
	text := `{"topic":"b","ts":1700000002000,"partition":3,"offset":0,"headers":["h","1","i","2"],"key":"k","payload":"{\"a\":1}"}` + "\r\n\n" +
		`{"topic":"a","timestamp":"2023-11-14T22:13:21Z","headers":{"h":"1"},"key":null,"value":{"a": 1}}` + "\n" +
		`{"topic":"c","timestamp":"1700000001","value":null}`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	h, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	var got []event.Record
	if err := h.Each(func(r event.Record) error { got = append(got, r); return nil }); err != nil {
		t.Fatal(err)
	}
	one, two := time.Unix(1700000001, 0).UTC(), time.Unix(1700000002, 0).UTC()
	want := []event.Record{
		{Position: event.Position{Topic: "a", Offset: 3}, Value: []byte(`{"a": 1}`), Headers: []event.Header{{Key: "h", Value: []byte("1")}}, Time: one},
		{Position: event.Position{Topic: "c", Offset: 4}, Time: one},
		{Position: event.Position{Topic: "b", Partition: 3}, Key: []byte("k"), Value: []byte(`{"a":1}`), Headers: []event.Header{{Key: "h", Value: []byte("1")}, {Key: "i", Value: []byte("2")}}, Time: two},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What is held when history ends has its fate later, as long as time alone can give it one; a tripped brake it cannot.
func TestWhatHistoryLeavesWaitingIsFollowed(t *testing.T) {
	file := func(atLeast int) rules.File {
		return rules.File{Name: "r.yaml", Data: fmt.Appendf(nil, `version: 1
rules:
  - {name: night, event: order, mode: live, class: service, when: amount >= %d, push: {body: "b"}, limits: {quiet: 22:00-08:00, when_quiet: hold, expire: 12h}}
  - {name: braked, event: order, mode: live, class: service, when: kind == "k", push: {body: "b"}, limits: {brake: 1 in 1h}}
`, atLeast)}
	}
	catalogue := rules.File{Name: "events.yaml", Data: []byte(benchCatalogue)}
	was := side(t, catalogue, file(100))
	rep, err := Run(func(take func(event.Record) error) error {
		for i, amount := range []int{500, 200} {
			rec := event.Record{Position: event.Position{Topic: "orders", Offset: int64(i)}, Value: fmt.Appendf(nil, `{"id":"o%d","user":"u","amount":%d,"kind":"k"}`, i, amount), Time: time.Date(2026, 11, 20, 23, i, 0, 0, time.UTC)}
			if err := take(rec); err != nil {
				return err
			}
		}
		return nil
	}, side(t, catalogue, file(500)), &was)
	if err != nil {
		t.Fatal(err)
	}
	none := map[string]int{}
	one := Spread{Users: 1, P50: 1, P99: 1, Max: 1}
	want := []Rule{
		{Rule: "braked", Action: "push", Intents: 2, Sent: 1, PerDay: 1, MostInADay: 1, MostOn: "2026-11-20", ByDay: map[string]int{"2026-11-20": 1}, PerUser: one, Suppressed: none, Dead: none, Held: map[string]int{"paused": 1}},
		{Rule: "night", Action: "push", Intents: 1, Sent: 1, PerDay: 1, MostInADay: 1, MostOn: "2026-11-21", ByDay: map[string]int{"2026-11-21": 1}, PerUser: one, Suppressed: none, Dead: none, Held: none},
	}
	if diff := cmp.Diff(want, rep.Rules); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
	differs := []RuleDiff{{Rule: "night", Was: 2, Now: 1, Same: 1, Gained: none, Lost: map[string]int{"SENT": 1}, Changed: none}}
	if diff := cmp.Diff(differs, rep.Against.Rules); diff != "" {
		t.Errorf("differences (-want +got):\n%s", diff)
	}
}
