package dispatch

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/quota"
)

// noon is where these tests begin: a Monday.
var noon = time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)

// play is a Model with what came out of it.
type play struct {
	*bundle
	*Model
	calls []string // time, lane, what
	said  []ledger.Fate
}

func newPlay(t *testing.T, change func(*Account, *Options)) *play {
	t.Helper()
	p := &play{bundle: &bundle{t: t}}
	ac := p.account()
	ac.Vendor = &stubVendor{answer: func(int, *Call) Outcome { t.Error("a model called the vendor"); return Outcome{} }}
	opt := Options{Accounts: []*Account{ac}, Rules: func() Rules { return stubRules{} }, Render: render, Zone: time.UTC}
	if change != nil {
		change(ac, &opt)
	}
	p.Model = NewModel(opt, ModelEnd{Send: p.send, Fate: func(f ledger.Fate) { p.said = append(p.said, f) }}, noon)
	return p
}

func (p *play) send(d Departure) Outcome {
	what := fmt.Sprint(d.Call.Users)
	if d.Call.Audience != nil {
		what = fmt.Sprint(d.Call.Audience.AllOf)
	}
	if d.Call.Tags != nil {
		what += fmt.Sprint(d.Call.Tags)
	}
	p.calls = append(p.calls, fmt.Sprintf("%s %s %s slots=%d members=%d", d.At.Format("15:04:05"), d.Lane, what, d.Slots, len(d.Members)))
	return Outcome{Class: ClassOK}
}

func (p *play) want(calls []string, fates []string) {
	p.t.Helper()
	if diff := cmp.Diff(calls, p.calls); diff != "" {
		p.t.Errorf("calls (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(fates, kinds(p.said)); diff != "" {
		p.t.Errorf("fates (-want +got):\n%s", diff)
	}
}

func (p *play) push(id, user string, pol intent.Policy) *intent.Intent {
	in := p.intent(id, "r", user, intent.Push)
	in.Policy = pol
	return in
}

func TestAModelSendsAtOnceAndSaysTheFates(t *testing.T) {
	p := newPlay(t, nil)
	p.Take(p.push("e1", "u1", intent.Policy{}), p.push("e2", "u2", intent.Policy{}), p.push("e2", "u2", intent.Policy{}))
	p.want([]string{"12:00:00 main/user [u1 u2] slots=0 members=2"}, []string{"e1 SENT", "e2 SENT", "e2 SUPPRESSED(duplicate)"})
	if n := p.Pending(); n != 0 {
		t.Errorf("%d pending, want none", n)
	}
}

func TestAModelHoldsUntilTheQuietHoursEnd(t *testing.T) {
	p := newPlay(t, nil)
	in := p.push("e1", "u1", intent.Policy{Quiet: []intent.Quiet{{From: 11 * 60, To: 20*60 + 30}}})
	p.Take(in)
	got, ok := p.Stands(in.ID)
	if want := (Standing{Gate: "quiet", Lane: "main/user", Until: noon.Add(8*time.Hour + 30*time.Minute)}); !ok || got != want {
		t.Errorf("stands %+v, want %+v", got, want)
	}
	p.Advance(noon.Add(8 * time.Hour))
	p.want(nil, nil)
	p.Advance(noon.Add(48 * time.Hour))
	p.want([]string{"20:30:00 main/user [u1] slots=0 members=1"}, []string{"e1 SENT"})
	if _, ok := p.Stands(in.ID); ok {
		t.Error("what was sent still stands somewhere")
	}
}

func TestAModelCountsSlotsAndMerges(t *testing.T) {
	p := newPlay(t, nil)
	if err := p.Spend("stub:k", 1); err != nil {
		t.Fatal(err)
	}
	var ids []intent.ID
	for i := range 3 {
		in := p.intent(fmt.Sprintf("e%d", i), "sale", intent.Everyone, intent.Broadcast)
		in.Merge = &intent.Merge{Key: fmt.Sprintf("k%d", min(i, 1)), Wait: 10 * time.Minute, Vars: map[string]any{"x": fmt.Sprint(i)}}
		ids = append(ids, in.ID)
		p.Take(in)
	}
	if got, _ := p.Stands(ids[0]); got.Gate != "merge" || !got.Until.Equal(noon.Add(10*time.Minute)) {
		t.Errorf("stands %+v, want at merge until 12:10", got)
	}
	p.Advance(noon.Add(11 * time.Minute))
	got, ok := p.Stands(ids[1])
	if !ok || got.Gate != "quota" || got.Until.Before(noon.Add(time.Hour)) || got.Until.After(noon.Add(time.Hour+time.Minute)) {
		t.Errorf("the second stands %+v, want at quota until an hour after the used slot", got)
	}
	p.Advance(noon.Add(3 * time.Hour))
	p.want([]string{"12:10:00 main/broadcast [x] slots=1 members=1", got.Until.Format("15:04:05") + " main/broadcast [x] slots=1 members=1"},
		[]string{"e0 SENT", "e1 SENT", "e2 COALESCED"})
}

// A request that another of its key replaces while both wait for a slot says so: it is no trigger of the other's merge.
func TestWhatIsReplacedInTheQueueSaysSo(t *testing.T) {
	for keep, want := range map[intent.Keep]string{intent.KeepLatest: "e0 " + overtaken, intent.KeepFirst: "e1 " + outstayed} {
		p := newPlay(t, nil)
		if err := p.Spend("stub:k", 2); err != nil {
			t.Fatal(err)
		}
		for i := range 2 {
			in := p.intent(fmt.Sprintf("e%d", i), "sale", intent.Everyone, intent.Broadcast)
			in.Merge = &intent.Merge{Key: "k", Keep: keep, Wait: time.Second, Vars: map[string]any{"x": "x"}}
			p.Take(in)
			p.Advance(p.Now().Add(2 * time.Second))
		}
		if len(p.said) != 1 || p.said[0].Event.ID+" "+p.said[0].Detail != want || !Replaced(&p.said[0]) || HandedOver(&p.said[0]) || DetailZH(p.said[0].Detail) == p.said[0].Detail {
			t.Errorf("keep %s: %+v, want %s", keep, p.said, want)
		}
	}
}

func TestAModelKnowsUsersAndWhatTheirTagsAre(t *testing.T) {
	p := newPlay(t, func(ac *Account, _ *Options) { ac.TagDelay = 0 })
	city := map[string]intent.Value{"city": {Type: "string", Str: "a"}, "level": {Type: "string", Str: "1"}}
	if err := p.Know("stub:k", "u1", city); err != nil {
		t.Fatal(err)
	}
	p.Take(p.profile("same", "u1", 1, map[string]string{"city": "a"}))
	p.Take(p.profile("moves", "u1", 2, map[string]string{"city": "b", "level": "2"}))
	p.Take(p.profile("first", "u2", 1, map[string]string{"city": "c"}))
	p.want([]string{"12:00:00 main/tag [u1][city_b] slots=0 members=1", "12:00:00 main/user [u1] slots=0 members=1", "12:00:00 main/tag [u2][city_c] slots=0 members=1"},
		[]string{"first SENT", "moves SENT", "moves SENT", "same SUPPRESSED(unchanged)"})
	if got := p.Tags("stub:k", "u1"); !slices.Equal(got, []string{"city_b"}) {
		t.Errorf("tags %v, want city_b", got)
	}
}

func TestAModelsVendorMayRefuse(t *testing.T) {
	p := newPlay(t, nil)
	p.end.Send = func(d Departure) Outcome {
		p.send(d)
		if slices.Contains(d.Call.Users, "u2") {
			return Outcome{Class: ClassPermanent, Invalid: true}
		}
		return Outcome{Class: ClassOK}
	}
	p.Take(p.push("e1", "u1", intent.Policy{}), p.push("e2", "u2", intent.Policy{}))
	p.want([]string{"12:00:00 main/user [u1 u2] slots=0 members=2", "12:00:00 main/user [u1] slots=0 members=1", "12:00:00 main/user [u2] slots=0 members=1"},
		[]string{"e1 SENT", "e2 DEAD(bad-field)"})
}

func TestTimeInAModelStandsStillForNobody(t *testing.T) {
	p := newPlay(t, func(ac *Account, _ *Options) { // a limit of 0 is never free: it is asked again every hour
		pol := ac.Lanes["broadcast"]
		pol.Limits = []quota.Limit{{N: 0, Window: time.Hour}}
		ac.Lanes["broadcast"] = pol
	})
	in := p.intent("e1", "r", intent.Everyone, intent.Broadcast)
	in.Policy.Expire = noon.Add(72 * time.Hour)
	p.Take(in)
	p.Advance(noon.Add(100 * time.Hour))
	p.want(nil, []string{"e1 SUPPRESSED(expired)"})
	if got := p.Now(); !got.Equal(noon.Add(100 * time.Hour)) {
		t.Errorf("it is %s", got)
	}
}

func BenchmarkModel(b *testing.B) {
	p := &play{bundle: &bundle{}}
	ac := p.account()
	ac.Vendor = &stubVendor{}
	fates := 0
	m := NewModel(Options{Accounts: []*Account{ac}, Rules: func() Rules { return stubRules{} }, Render: render, Zone: time.UTC}, ModelEnd{Fate: func(ledger.Fate) { fates++ }}, noon)
	pol := intent.Policy{PerUser: []intent.Cap{{N: 1, In: 24 * time.Hour}}, Quiet: []intent.Quiet{{From: 22 * 60, To: 8 * 60}}}
	b.ReportAllocs()
	for i := range b.N {
		m.Advance(noon.Add(time.Duration(i) * 10 * time.Millisecond))
		in := p.intent(fmt.Sprintf("e%d", i), "r", fmt.Sprintf("u%d", i%100000), intent.Push)
		in.Policy = pol
		m.Take(in)
	}
	if fates+m.Pending() != b.N {
		b.Errorf("%d fates and %d pending of %d", fates, m.Pending(), b.N)
	}
}

// A Model would decide by the real time of day otherwise.
func TestAnActorReadsTimeFromItsClockOnly(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	reads := regexp.MustCompile(`time\.(Now|Since|Until)\(`)
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") || f == "dispatcher.go" { // the membership is not the actor's
			continue
		}
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(src), "\n") {
			if reads.MatchString(line) {
				t.Errorf("%s:%d reads the machine's clock past clock.machine: %s", f, i+1, strings.TrimSpace(line))
			}
		}
	}
}

// A cap is remembered for as long as the longest window, and about a day more.
func TestCapsOfUsersAreForgottenAfterTheirWindow(t *testing.T) {
	p := newPlay(t, nil)
	p.Take(p.push("e1", "u1", intent.Policy{PerUser: []intent.Cap{{N: 1, Each: "month"}}}))
	p.Advance(noon.Add(keepTaken - time.Hour))
	p.Take(p.push("e2", "u2", intent.Policy{})) // a model does its chores when something happens
	if len(p.a.taken) != 1 {
		t.Error("forgotten within its window")
	}
	p.Advance(noon.Add(keepTaken + sweepTaken + 2*time.Hour))
	p.Take(p.push("e3", "u3", intent.Policy{}))
	if len(p.a.taken) != 0 {
		t.Error("still remembered")
	}
}

// A cap may be longer than a month, and the longest of several counts: 90 days at most in rule files.
func TestALongCapOfAUserIsRememberedForItsWindow(t *testing.T) {
	const day = 24 * time.Hour
	pol := intent.Policy{PerUser: []intent.Cap{{N: 1, In: time.Hour}, {N: 2, In: 60 * day}}}
	p := newPlay(t, nil)
	for i, at := range []time.Duration{0, day, 34 * day, 59 * day, 60*day + time.Hour} {
		p.Advance(noon.Add(at))
		p.Take(p.push(fmt.Sprint("e", i), "u1", pol))
	}
	p.want([]string{"12:00:00 main/user [u1] slots=0 members=1", "12:00:00 main/user [u1] slots=0 members=1", "13:00:00 main/user [u1] slots=0 members=1"},
		[]string{"e0 SENT", "e1 SENT", "e2 SUPPRESSED(capped)", "e3 SUPPRESSED(capped)", "e4 SENT"})
	p.Advance(noon.Add(123 * day))
	p.Take(p.push("other", "u2", intent.Policy{}))
	if len(p.a.taken) != 0 {
		t.Error("still remembered")
	}

	b := setup(t)
	a := b.byHand(nil)
	in := b.intent("e", "r", "u1", intent.Push)
	in.Policy = pol
	a.admit(in, 0)
	for _, c := range a.plan() {
		a.resolve(result{c, accepted})
	}
	a.chores()
	if n := gaugeOf(t, a.opt.Metrics.limitRecords.WithLabelValues("0", "user")); n != 1 {
		t.Errorf("%g records of users are told, want 1", n)
	}
	b.commit(a)
	for id, taken := range b.byHand(nil).taken {
		if got := taken.Until.Sub(taken.At[0]); got != 60*day {
			t.Errorf("the next owner remembers %s for %s", id, got)
		}
	}
}

// What an outage piles up is small: of a profile event that waits only that it waits is held, for its fields are in the user's row. Who gave the
// event has it as it was, and the tags are those of the newest.
func TestAWaitingProfileEventHoldsNoFields(t *testing.T) {
	gone := true
	p := newPlay(t, func(ac *Account, _ *Options) { ac.TagDelay = 0 })
	send := p.end.Send
	p.end.Send = func(d Departure) Outcome {
		if gone {
			return Outcome{Class: ClassNotSent}
		}
		return send(d)
	}
	first, second := p.profile("e1", "u1", 1, map[string]string{"city": "bj"}), p.profile("e2", "u1", 2, map[string]string{"city": "sh"})
	p.Take(first)
	p.Take(second)
	p.Advance(noon.Add(time.Hour))
	if n := p.Pending(); n != 1 {
		t.Fatalf("%d wait, want the newest", n)
	}
	p.Each(func(in *intent.Intent, _ string) {
		if pr := in.Profile; pr == nil || pr.Fields != nil || pr.Version != 2 {
			t.Errorf("held of the event that waits: %+v, want its version alone", pr)
		}
	})
	if len(first.Profile.Fields) == 0 || len(second.Profile.Fields) == 0 {
		t.Error("the caller's events were emptied")
	}
	gone = false
	p.Advance(noon.Add(2 * time.Hour))
	if n := p.Pending(); n != 0 || len(p.calls) != 1 || !strings.Contains(p.calls[0], "city_sh") {
		t.Errorf("%d wait, calls %v, want one with city_sh", n, p.calls)
	}
}

// A fate that a limit gives names the one that was used up, and the last send that it counts.
func TestACapSaysWhichItWas(t *testing.T) {
	zone := time.FixedZone("", 8*3600)
	for name, c := range map[string]struct {
		pol  intent.Policy
		want string
	}{
		"the rule's":            {intent.Policy{PerUser: []intent.Cap{{N: 3, Each: "month"}, {N: 1, In: 24 * time.Hour}}}, "1 in 24h, last 2026-01-05T20:00:00+08:00"},
		"the settings'":         {intent.Policy{}, "user_limits service 1 per week, last 2026-01-05T20:00:00+08:00"},
		"of all its recipients": {intent.Policy{NoCaps: true, RuleCaps: []intent.Cap{{N: 50, Each: "day"}, {N: 1, In: 90 * time.Minute}}}, "rule 1 in 1h30m"},
	} {
		p := newPlay(t, func(_ *Account, o *Options) {
			o.Zone, o.ClassCaps = zone, map[string]intent.Cap{"service": {N: 1, Each: "week"}}
		})
		for _, id := range []string{"e1", "e2"} {
			in := p.push(id, "u1", c.pol)
			in.Class = "service"
			p.Take(in)
		}
		if f := p.said[len(p.said)-1]; f.Reason != ledger.Capped || f.Detail != c.want {
			t.Errorf("%s: %s(%s) %q, want %q", name, f.Fate, f.Reason, f.Detail, c.want)
		}
		caps := append(slices.Clone(c.pol.PerUser), c.pol.RuleCaps...)
		for i, limit := range caps {
			if got := NamesCap(c.want, limit); got != (i == len(caps)-1) {
				t.Errorf("%s: %q names %v: %t", name, c.want, limit, got)
			}
		}
	}
}
