package getui

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/sandbox"
	"github.com/notifier/notifier/test/schema"
)

// place is a client at a sandbox whose knobs are turned.
type place struct {
	*Client
	t     *testing.T
	knobs sandbox.Knobs
	vend  *sandbox.Server
	ahead time.Duration // of the client's clock
}

func (p *place) client(secret string) *Client {
	c := newClient(p.t, Options{Host: strings.TrimSuffix(p.vend.Ready().Getui, "/v2"), MasterSecret: func() Secret { return NewSecret(secret) },
		Now: func() time.Time { return time.Now().Add(p.ahead) }})
	return c
}

func (p *place) delivered(cid string) int {
	_, n := p.vend.Deliveries(cid)
	return n
}

// refused makes a call that must be refused as said.
func (p *place) refused(c *Client, r Request, class Class, wait Wait, code int) *Error {
	p.t.Helper()
	a, e := send(p.t, c, r)
	if e == nil {
		p.t.Errorf("%s: accepted with %s, want %s %s", r.Endpoint().Name, a.Data, class, wait)
		return &Error{}
	}
	if e.Class != class || e.Wait != wait || e.Code != code {
		p.t.Errorf("%s: %v; want %s, wait %q, code %d", r.Endpoint().Name, e, class, wait, code)
	}
	return e
}

func (p *place) accepted(c *Client, r Request) *Answer {
	p.t.Helper()
	a, e := send(p.t, c, r)
	if e != nil {
		p.t.Errorf("%s: %v", r.Endpoint().Name, e)
		return &Answer{}
	}
	return a
}

// id is a request id, each time another one for each n.
func (p *place) id(n int) string { return fmt.Sprintf("knobs-%026d", n) }

func visibly(id string) Push {
	p := paid()
	p.RequestID = id
	return p
}

// everyday is what an account does all day. Whatever the vendor's reading of its own pages, the results say the truth of each user.
func (p *place) everyday() {
	t, c, k := p.t, p.Client, p.knobs
	t.Helper()

	// A push, and the same again as after a lost answer: the vendor says that it took it, or that it had it.
	one := Single{ByCID, cidA, visibly(p.id(1))}
	before := p.delivered(cidA)
	if rs, err := one.Decode(p.accepted(c, one)); err != nil || !rs[cidA].Result.Accepted() {
		t.Errorf("a push: %v, %v", rs, err)
	}
	a, e := send(t, c, one)
	if k.DupMode == "reject" {
		if e == nil || !e.Repeated || e.Class != Permanent {
			t.Errorf("the repeat: %v, want that it was seen before", e)
		}
	} else if e != nil {
		t.Errorf("the repeat: %v", e)
	} else if rs, err := one.Decode(a); err != nil || !rs[cidA].Result.Accepted() {
		t.Errorf("the repeat: %v, %v", rs, err)
	}
	want := 1
	if k.DupMode == "leak" {
		want = 2
	}
	if n := p.delivered(cidA) - before; n != want {
		t.Errorf("delivered %d times, want %d", n, want)
	}

	// A batch with a device that there is not: the others have the push, and it is told apart. A refused batch did nothing, and goes on in
	// parts under the same ids.
	known, nobody, other := Single{ByCID, "bulk-cid-0001", visibly(p.id(2))}, Single{ByCID, "nobody", visibly(p.id(3))}, Single{ByCID, "bulk-cid-0002", visibly(p.id(4))}
	all := Batch{ByCID, []Single{known, nobody, other}}
	results := Results{}
	take := func(b Batch) {
		a, e := send(t, c, b)
		if e != nil {
			if e.Class != Permanent || !e.Target || k.BatchBadTarget != "reject_all" {
				t.Errorf("a batch: %v", e)
			}
			return
		}
		rs, err := b.Decode(a)
		if err != nil {
			t.Errorf("a batch: %v", err)
		}
		for user, o := range rs {
			results[user] = o
		}
	}
	if take(all); len(results) == 0 {
		take(Batch{ByCID, []Single{known, other}})
		take(Batch{ByCID, []Single{nobody}})
	}
	want = 1
	for _, user := range []string{known.Target, other.Target} {
		if !results[user].Result.Accepted() || p.delivered(user) != 1 {
			t.Errorf("%s: %+v, delivered %d times", user, results[user], p.delivered(user))
		}
	}
	bad := map[string]Result{"omit": Absent, "status": Odd, "reject_all": ""}[k.BatchBadTarget]
	if got := results["nobody"].Result; got != bad || got.Accepted() {
		t.Errorf("nobody's result is %q, want %q", got, bad)
	}

	// A list by alias, one of which nobody has.
	message := StoreMessage{visibly(p.id(5))}
	task, err := message.Decode(p.accepted(c, message))
	if err != nil {
		t.Fatal(err)
	}
	list := List{ByAlias, task, []string{"user_1001", "user_1002", "nobody_1"}}
	rs, err := list.Decode(p.accepted(c, list))
	if err != nil || !rs["user_1001"].Result.Accepted() || !rs["user_1002"].Result.Accepted() || rs["nobody_1"].Result != Absent {
		t.Errorf("a list: %v, %v", rs, err)
	}
	p.accepted(c, StopTask{task})

	// An audience, its stop, and what is read.
	app := Matching{[]Condition{{"phone_type", []string{"android"}, "or"}}, visibly(p.id(6))}
	if task, err = app.Decode(p.accepted(c, app)); err != nil || task == "" {
		t.Errorf("an app push: %q, %v", task, err)
	}
	p.accepted(c, StopTask{task})
	read := GetStatus{[]string{cidA}}
	if st, err := read.Decode(p.accepted(c, read)); err != nil || !st[cidA].Online || st[cidA].Login.Year() < 2020 {
		t.Errorf("status: %+v, %v", st, err)
	}

	// Tags.
	p.accepted(c, SetTags{cidA, []string{"vip"}})
	p.accepted(c, AddTag{"new", []string{cidA}})
	tags := GetTags{cidA}
	if got, err := tags.Decode(p.accepted(c, tags)); err != nil || fmt.Sprint(got) != "[new vip]" {
		t.Errorf("tags %v, %v", got, err)
	}
	p.refused(c, SetTags{cidA, []string{"vip"}}, RetryLater, NextDay, 30011)
}

// readings are all knobs of the sandbox (getui.md 13.5) with the values that are not the vendor's cases'.
var readings = []struct {
	knob string // its name and value
	turn func(*sandbox.Knobs)
	own  func(*place) // instead of, or before, an everyday
	only bool         // own is all
}{
	{knob: "none"},
	{knob: "auth_skew_ms=1000", turn: func(k *sandbox.Knobs) { k.AuthSkewMS = 1000 }, only: true, own: func(p *place) {
		p.ahead = time.Minute
		p.refused(p.Client, Single{ByCID, cidA, visibly(p.id(1))}, Config, NoWait, 20001)
	}},
	{knob: "auth_skew_ms=7200000", turn: func(k *sandbox.Knobs) { k.AuthSkewMS = 7_200_000 }, own: func(p *place) { p.ahead = time.Hour }},
	{knob: "token_ttl_ms=1800000", turn: func(k *sandbox.Knobs) { k.TokenTTLMS = 1_800_000 }},
	// A token that is dead when it comes: no storm of requests for another one.
	{knob: "token_ttl_ms=0", turn: func(k *sandbox.Knobs) { k.TokenTTLMS = 0 }, only: true, own: func(p *place) {
		p.refused(p.Client, Single{ByCID, cidA, visibly(p.id(0))}, Config, NoWait, 10001)
		for n := range 5 {
			p.refused(p.Client, Single{ByCID, cidA, visibly(p.id(n))}, NotSent, NoWait, 0)
		}
	}},
	// Two processes take each other's token away, and both send.
	{knob: "single_active_token=true", turn: func(k *sandbox.Knobs) { k.SingleActiveToken = true }, own: func(p *place) {
		second := p.client(secret)
		for n := range 3 {
			for i, c := range []*Client{p.Client, second} {
				p.ahead += refreshPause + time.Second
				p.accepted(c, Single{ByCID, cidB, visibly(p.id(100 + 2*n + i))})
			}
		}
		if n := p.delivered(cidB); n != 6 {
			p.t.Errorf("%d of 6 pushes were delivered", n)
		}
		p.ahead += refreshPause + time.Second
	}},
	{knob: "auth_bad_sign_code=10001", turn: func(k *sandbox.Knobs) { k.AuthBadSignCode = 10001 }, own: func(p *place) {
		p.refused(p.client("not the secret"), Single{ByCID, cidB, visibly(p.id(1))}, Config, NoWait, 10001)
	}},
	{knob: "auth_bad_sign_code=20001", own: func(p *place) {
		p.refused(p.client("not the secret"), Single{ByCID, cidB, visibly(p.id(1))}, Config, NoWait, 20001)
	}},
	{knob: "dup_mode=drop_new_task", turn: func(k *sandbox.Knobs) { k.DupMode = "drop_new_task" }},
	{knob: "dup_mode=reject", turn: func(k *sandbox.Knobs) { k.DupMode = "reject" }},
	{knob: "dup_mode=leak", turn: func(k *sandbox.Knobs) { k.DupMode = "leak" }},
	// Past the window the same id is another push: what we repeat within ten minutes is far inside of it.
	{knob: "dup_window_ms=1000", turn: func(k *sandbox.Knobs) { k.DupWindowMS = 1000 }, only: true, own: func(p *place) {
		r := Single{ByCID, cidA, visibly(p.id(1))}
		p.accepted(p.Client, r)
		p.vend.AdvanceGetuiClock(2000)
		p.accepted(p.Client, r)
		if n := p.delivered(cidA); n != 2 {
			p.t.Errorf("delivered %d times", n)
		}
	}},
	{knob: "batch_bad_target=status", turn: func(k *sandbox.Knobs) { k.BatchBadTarget = "status" }},
	{knob: "batch_bad_target=reject_all", turn: func(k *sandbox.Knobs) { k.BatchBadTarget = "reject_all" }},
	{knob: "alias_list_inner=alias", turn: func(k *sandbox.Knobs) { k.AliasListInner = "alias" }},
	{knob: "numeric_times=true", turn: func(k *sandbox.Knobs) { k.NumericTimes = true }},
	{knob: "schedule_enabled=true", turn: func(k *sandbox.Knobs) { k.ScheduleEnabled = true }},
	{knob: "fast_tag_enabled=true", turn: func(k *sandbox.Knobs) { k.FastTagEnabled = true }, own: func(p *place) {
		r := FastTag{"vip", visibly(p.id(20))}
		if task, err := r.Decode(p.accepted(p.Client, r)); err != nil || task == "" {
			p.t.Errorf("%q, %v", task, err)
		}
	}},
	{knob: "fast_tag_enabled=false", own: func(p *place) {
		if e := p.refused(p.Client, FastTag{"vip", visibly(p.id(20))}, Config, NoWait, 30000); !e.Service {
			p.t.Errorf("%v is of this endpoint alone", e)
		}
	}},
	{knob: "app_day_limit=0", turn: func(k *sandbox.Knobs) { k.AppDayLimit = 0 }, only: true, own: func(p *place) {
		p.refused(p.Client, Everybody{true, visibly(p.id(1))}, RetryLater, NextDay, 30007)
		p.accepted(p.Client, Single{ByCID, cidA, visibly(p.id(2))})
	}},
	{knob: "app_minute_limit=0", turn: func(k *sandbox.Knobs) { k.AppMinuteLimit = 0 }, only: true, own: func(p *place) {
		p.refused(p.Client, Everybody{true, visibly(p.id(1))}, RetryLater, Minute, 30014)
	}},
	{knob: "list_day_limit=0", turn: func(k *sandbox.Knobs) { k.ListDayLimit = 0 }, only: true, own: func(p *place) {
		p.refused(p.Client, StoreMessage{visibly(p.id(1))}, RetryLater, NextDay, 30008)
		p.accepted(p.Client, Single{ByCID, cidA, visibly(p.id(2))})
	}},
	{knob: "auth_minute_limit=0", turn: func(k *sandbox.Knobs) { k.AuthMinuteLimit = 0 }, only: true, own: func(p *place) {
		for n := range 5 {
			p.refused(p.Client, Single{ByCID, cidA, visibly(p.id(n))}, NotSent, NoWait, 10003)
		}
	}},
	{knob: "tag_minute_limit=0", turn: func(k *sandbox.Knobs) { k.TagMinuteLimit = 0 }, only: true, own: func(p *place) {
		p.refused(p.Client, AddTag{"new", []string{cidA}}, RetryLater, Minute, 30012)
	}},
	{knob: "tag_day_limit=0", turn: func(k *sandbox.Knobs) { k.TagDayLimit = 0 }, only: true, own: func(p *place) {
		p.refused(p.Client, SetTags{cidA, []string{"vip"}}, RetryLater, NextDay, 30011)
	}},
	{knob: "single_minute_limit=1", turn: func(k *sandbox.Knobs) { k.SingleMinuteLimit = 1 }, only: true, own: func(p *place) {
		p.refused(p.Client, Batch{ByCID, []Single{{ByCID, cidA, visibly(p.id(1))}, {ByCID, cidB, visibly(p.id(2))}}}, RetryLater, Minute, 10005)
	}},
	{knob: "push_day_limit=1", turn: func(k *sandbox.Knobs) { k.PushDayLimit = 1 }, only: true, own: func(p *place) {
		p.accepted(p.Client, Single{ByCID, cidA, visibly(p.id(1))})
		p.refused(p.Client, Single{ByCID, cidA, visibly(p.id(2))}, RetryLater, NextDay, 30009)
	}},
	{knob: "list_max=1", turn: func(k *sandbox.Knobs) { k.ListMax = 1 }, only: true, own: func(p *place) {
		task, err := StoreMessage{}.Decode(p.accepted(p.Client, StoreMessage{visibly(p.id(1))}))
		if err != nil {
			p.t.Fatal(err)
		}
		if e := p.refused(p.Client, List{ByCID, task, []string{cidA, cidB}}, Permanent, NoWait, 20001); e.Target {
			p.t.Errorf("%v: the users are not at fault", e)
		}
	}},
	{knob: "batch_max=1", turn: func(k *sandbox.Knobs) { k.BatchMax = 1 }, only: true, own: func(p *place) {
		if e := p.refused(p.Client, Batch{ByCID, []Single{{ByCID, cidA, visibly(p.id(1))}, {ByCID, cidB, visibly(p.id(2))}}}, Permanent, NoWait, 20001); e.Target {
			p.t.Errorf("%v: the users are not at fault", e)
		}
	}},
	{knob: "app_black=true", turn: func(k *sandbox.Knobs) { k.AppBlack = true }, only: true, own: func(p *place) {
		if e := p.refused(p.Client, Single{ByCID, cidA, visibly(p.id(1))}, Config, NoWait, 10002); e.Service {
			p.t.Errorf("%v: the whole app is meant", e)
		}
	}},
}

func TestTheClientUnderEveryReadingOfTheVendor(t *testing.T) {
	for _, r := range readings {
		t.Run(r.knob, func(t *testing.T) {
			t.Parallel()
			knobs := sandbox.DefaultKnobs()
			if r.turn != nil {
				r.turn(&knobs)
			}
			vend, err := sandbox.Start(t.Context(), sandbox.Options{Vendor: "getui", Knobs: &knobs})
			if err != nil {
				t.Fatal(err)
			}
			p := &place{t: t, knobs: knobs, vend: vend}
			p.Client = p.client(secret)
			if r.own != nil {
				r.own(p)
			}
			if !r.only {
				p.everyday()
			}
			for _, e := range vend.Journal(0) {
				if err := schema.Request(e.Method, e.Path, e.Body); err != nil {
					t.Errorf("a call breaks the vendor's schema: %v\n%s", err, e.Body)
				}
			}
			st := vend.Stats().Getui
			if strings.HasPrefix(r.knob, "dup_window_ms") { // the delivery that this reading is about
				st.DuplicateDeliveries--
			}
			if st.ForcedRevokes+st.ScheduledCalls+st.WithoutOverlay+st.RequestIDConflicts+st.Overruns != 0 || st.DuplicateDeliveries != 0 {
				t.Errorf("the vendor counts %+v", st)
			}
			if most := 2 + 12*strings.Count(r.knob, "single_active"); st.AuthCalls > most {
				t.Errorf("%d requests for a token", st.AuthCalls)
			}
			p.Close()
			if err := vend.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// No knob of the sandbox is without a reading, and of those that are words or yes and no, no value.
func TestEveryKnobHasItsReadings(t *testing.T) {
	have := map[string]map[string]bool{}
	for _, r := range readings {
		knob, value, _ := strings.Cut(r.knob, "=")
		if have[knob] == nil {
			have[knob] = map[string]bool{}
		}
		have[knob][value] = true
	}
	plain := sandbox.DefaultKnobs()
	for i, v := range reflect.VisibleFields(reflect.TypeFor[sandbox.Knobs]()) {
		name := v.Tag.Get("json")
		values := []string{}
		if v.Type.Kind() == reflect.Bool {
			values = []string{"true"}
		}
		if now := reflect.ValueOf(plain).Field(i); v.Type.Kind() == reflect.String { // the sandbox names the values that it takes
			other := plain
			reflect.ValueOf(&other).Elem().Field(i).SetString("?")
			_, err := sandbox.Start(t.Context(), sandbox.Options{Vendor: "getui", Knobs: &other})
			if err == nil {
				t.Fatalf("knob %s takes any word", name)
			}
			_, list, ok := strings.Cut(err.Error(), "[")
			if !ok {
				t.Fatal(errors.New("no values are named: " + err.Error()))
			}
			for _, value := range strings.Fields(strings.TrimSuffix(list, "]")) {
				if value != now.String() {
					values = append(values, value)
				}
			}
		}
		if len(have[name]) == 0 {
			t.Errorf("knob %s has no reading", name)
		}
		for _, value := range values {
			if !have[name][value] {
				t.Errorf("knob %s=%s has no reading", name, value)
			}
		}
	}
}
