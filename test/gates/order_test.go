// Package gates lets every two gates of the order in rules-format.md 5 meet: what both would stop, the earlier one stops, and the record
// says so. Rules are loaded, evaluated and handed over as in the daemon; stage 2 is the daemon's actor in virtual time.
package gates

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/explain"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/rules"
)

const catalogue = `version: 1
events:
  order.paid:
    topic: shop.orders
    id: id
    user: user
    time: at
    fields: {amount: {path: amount, type: number}, city: city}
  user.changed:
    topic: users
    kind: profile
    update: patch
    id: id
    user: user
    time: at
    fields: {blocked: {path: blocked, type: bool}, push_ok: {path: push_ok, type: bool}, level: level}
`

var noon = time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)

// forms are the two kinds of rules that pass gates; no rule passes all of them.
var forms = map[string]map[string]string{
	"push":      {"mode": "live", "when": "amount > 1", "push": "{title: t, body: b}", "expire": "12h"},
	"broadcast": {"mode": "live", "when": "amount > 1", "broadcast": "{audience: {all_of: [vip]}, title: t, body: b}", "expire": "12h"},
}

// stage is what one intent is tried on.
type stage struct {
	t     *testing.T
	model *dispatch.Model
	opt   dispatch.Options
	bench *app.Bench
	fates map[intent.ID]ledger.Fate
	no    bool // the vendor refuses
	n     int64
}

// gate is a row of dispatch.Order, or one of the questions it asks, and how to make it stop an intent.
type gate struct {
	row   string // EN of dispatch.Order
	name  string
	on    string                  // the only form that has it; "" is both
	keys  map[string]string       // of the rule
	arm   func(s *stage)          // just before the event
	knows map[string]intent.Value // of the user then
	limit intent.Cap              // of the settings, over all rules of a class
	past  string                  // an event before: its id; it is evaluated by a rule that has this gate only
	says  string                  // fate and reason of the intent, or the verdict of a rule that makes none
}

var (
	happy = map[string]intent.Value{"blocked": {Type: event.Bool, Str: "false"}, "push_ok": {Type: event.Bool, Str: "true"}, "level": {Type: event.String, Str: "vip"}}
	yes   = intent.Value{Type: event.Bool, Str: "true"}
	not   = intent.Value{Type: event.Bool, Str: "false"}
)

// The gates, in the order of rules-format.md 5.
var gates = []gate{
	{row: "mode", name: "off", keys: map[string]string{"mode": "'off'"}, says: "off"},
	{row: "from/until", name: "until", keys: map[string]string{"until": `"2026-01-05 11:59"`}, says: "not triggered"},
	{row: "from/until", name: "from", keys: map[string]string{"from": `"2026-01-05 12:01"`}, says: "not triggered"},
	{row: "when/unless", name: "when", keys: map[string]string{"when": "amount > 5"}, says: "no match"},
	{row: "when/unless", name: "unless", keys: map[string]string{"unless": `city == "b"`}, says: "no match"},
	{row: "canary", name: "canary", on: "push", keys: map[string]string{"mode": "canary 1%"}, says: "SUPPRESSED canary"},
	{row: "duplicate", name: "duplicate", past: "e", says: "SUPPRESSED duplicate"},
	{row: "merge", name: "merge", keys: map[string]string{"merge": `{by: "${city}", wait: 10m}`}, past: "first of the merge", says: "COALESCED "},
	{row: "approval", name: "approval", on: "broadcast", keys: map[string]string{"approval": "{people: 1, within: 30m}"}, says: "SUPPRESSED not-approved"},
	{row: "quiet and send_at", name: "quiet", keys: map[string]string{"quiet": "00:00-23:59", "when_quiet": "drop"}, says: "SUPPRESSED quiet"},
	{row: "consent, user_when, lists", name: "never", on: "push", knows: map[string]intent.Value{"blocked": yes}, says: "SUPPRESSED blocked"},
	{row: "consent, user_when, lists", name: "consent", on: "push", knows: map[string]intent.Value{"push_ok": not}, says: "SUPPRESSED opted-out"},
	{row: "consent, user_when, lists", name: "user_when", on: "push", keys: map[string]string{"user_when": `level == "svip"`}, says: "SUPPRESSED opted-out user_when"},
	{row: "once and caps", name: "once", keys: map[string]string{"once": `{by: "${city}", in: 24h}`}, past: "sent once", says: "SUPPRESSED repeated"},
	{row: "once and caps", name: "per_user", on: "push", keys: map[string]string{"per_user": "1 in 24h"}, past: "sent to the user", says: "SUPPRESSED capped"},
	{row: "once and caps", name: "user_limits", on: "push", limit: intent.Cap{N: 1, In: 24 * time.Hour}, past: "another of the class", says: "SUPPRESSED capped"},
	{row: "once and caps", name: "rule", keys: map[string]string{"rule": "1 in 24h"}, past: "sent by the rule", says: "SUPPRESSED capped rule"},
	{row: "quota", name: "quota", on: "broadcast", keys: map[string]string{"no_quota": "drop"}, arm: func(s *stage) {
		if err := s.model.Spend("rongcloud:main", 2); err != nil {
			s.t.Fatal(err)
		}
	}, says: "SUPPRESSED no-quota"},
	{row: "quota", name: "the rule's quota", on: "broadcast", keys: map[string]string{"quota": "1 per day", "no_quota": "drop"}, past: "took the slot", says: "SUPPRESSED no-quota"},
	{row: "vendor", name: "vendor", arm: func(s *stage) { s.no = true }, says: "DEAD rejected-by-vendor"},
}

func load(t *testing.T, form string, with ...map[string]string) *rules.Set {
	t.Helper()
	keys := maps.Clone(forms[form])
	for _, w := range with {
		maps.Copy(keys, w)
	}
	var limits, rest []string
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		if slices.Contains([]string{"mode", "when", "unless", "from", "until", "push", "broadcast", "merge", "approval", "user_when", "send_at"}, k) {
			rest = append(rest, fmt.Sprintf("    %s: %s\n", k, keys[k]))
		} else {
			limits = append(limits, k+": "+keys[k])
		}
	}
	src := "version: 1\nrules:\n  - name: the-rule\n    event: order.paid\n    class: marketing\n" + strings.Join(rest, "") + "    limits: {" + strings.Join(limits, ", ") + "}\n"
	opt := app.AnyRuleOptions()
	opt.Zone, opt.Now = time.UTC, noon
	set, list := rules.LoadFiles([]rules.File{{Name: "events.yaml", Data: []byte(catalogue)}, {Name: "r.yaml", Data: []byte(src)}}, opt)
	if set == nil {
		var b strings.Builder
		_ = diag.WriteText(&b, list, diag.EN)
		t.Fatalf("%s\n%s", src, b.String())
	}
	return set
}

func open(t *testing.T, set *rules.Set, all ...gate) *stage {
	s := &stage{t: t, fates: map[intent.ID]ledger.Fate{}, bench: app.AnyBench(set, func() dispatch.Rules { return set })}
	s.opt = s.bench.Options
	s.opt.Users = func() dispatch.Users { return set }
	s.opt.Consent = dispatch.Consent{Never: "blocked", Marketing: "push_ok"}
	for _, g := range all {
		if g.limit.N > 0 {
			s.opt.ClassCaps = map[string]intent.Cap{"marketing": g.limit}
		}
	}
	s.model = dispatch.NewModel(s.opt, dispatch.ModelEnd{Send: func(dispatch.Departure) dispatch.Outcome {
		if s.no {
			return dispatch.Outcome{Class: dispatch.ClassPermanent, Code: 1002}
		}
		return dispatch.Outcome{Class: dispatch.ClassOK}
	}, Fate: func(f ledger.Fate) { s.fates[f.Intent] = f }}, noon)
	s.know()
	return s
}

// know makes the user one whom no gate stops, but for what gates say.
func (s *stage) know(all ...gate) {
	s.t.Helper()
	row := maps.Clone(happy)
	for _, g := range all {
		maps.Copy(row, g.knows)
	}
	if err := s.model.Know("rongcloud:main", "u1", row); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stage) event(set *rules.Set, id string) *event.Event {
	s.t.Helper()
	s.n++
	evs, err := set.Decode(event.Record{Position: event.Position{Topic: "shop.orders", Offset: s.n}, Time: noon,
		Value: fmt.Appendf(nil, `{"id":%q,"user":"u1","at":"2026-01-05T12:00:00Z","amount":2,"city":"b"}`, id)})
	if err != nil || len(evs) != 1 {
		s.t.Fatal(evs, err)
	}
	return &evs[0]
}

// take lets the rule's intent of an event come to stage 2 over the wire; nil: there is none.
func (s *stage) take(set *rules.Set, id string) *intent.Intent {
	s.t.Helper()
	ins := set.Evaluate(s.event(set, id))
	if len(ins) == 0 {
		return nil
	}
	ins[0].Key = s.bench.Identities[ins[0].Account]
	wire, err := ins[0].Encode()
	if err != nil {
		s.t.Fatal(err)
	}
	in, err := intent.Decode(wire)
	if err != nil {
		s.t.Fatal(err)
	}
	s.model.Take(in)
	return in
}

// before is the rules by which the past of a gate was made: with its own keys alone, so that nothing else stopped it; of a merge those of the event,
// because an edited rule begins another.
func (g gate) before(t *testing.T, form string, set *rules.Set) *rules.Set {
	if g.name == "merge" {
		return set
	}
	return load(t, form, g.keys)
}

// meet lets an event meet some gates and tells what it ended with.
func meet(t *testing.T, form string, all ...gate) string {
	t.Helper()
	var keys []map[string]string
	for _, g := range all {
		keys = append(keys, g.keys)
	}
	set := load(t, form, keys...)
	s := open(t, set, all...)
	for _, g := range slices.Backward(all) { // a merge must be open when the event comes, so what a later gate counts was sent before
		others := slices.ContainsFunc(all, func(o gate) bool { return o.name != g.name && o.past != "" })
		if g.past != "" && (g.limit.N == 0 || !others) { // a send of the past uses the limit of the class up, whatever it was for
			s.take(g.before(t, form, set), g.past)
		}
	}
	s.know(all...)
	for _, g := range all {
		if g.arm != nil {
			g.arm(s)
		}
	}
	in := s.take(set, "e")
	if in == nil {
		rep, err := explain.Event(explain.Options{Set: set, Stage: s.opt, Identities: s.bench.Identities, Now: noon,
			Request: func(dispatch.Departure) (json.RawMessage, error) { return json.RawMessage(`{}`), nil }}, s.event(set, "e"))
		if err != nil {
			t.Fatal(err)
		}
		return rep.Rules[0].Verdict
	}
	s.model.Advance(noon.Add(48 * time.Hour))
	return ended(s.fates[in.ID])
}

// ended writes a fate as `says` does.
func ended(f ledger.Fate) string {
	detail := ""
	for _, word := range []string{"user_when", "rule"} { // one reason, several questions
		if strings.HasPrefix(f.Detail, word+" ") && (f.Reason == ledger.OptedOut || f.Reason == ledger.Capped) {
			detail = " " + word
		}
	}
	return fmt.Sprintf("%s %s%s", f.Fate, f.Reason, detail)
}

// Every row of the order is here, with the fate and the reason that it names.
func TestEachGateHasItsReason(t *testing.T) {
	row := 0
	for _, g := range gates {
		for row < len(dispatch.Order) && dispatch.Order[row].EN != g.row {
			row++
		}
		if row == len(dispatch.Order) {
			t.Fatalf("%s: %q is not where it stands in dispatch.Order", g.name, g.row)
		}
		for form := range forms {
			if g.on != "" && g.on != form {
				continue
			}
			if got := meet(t, form, g); got != g.says {
				t.Errorf("%s, %s: %q, want %q", form, g.name, got, g.says)
			}
		}
		o := dispatch.Order[row]
		fate, reason, _ := strings.Cut(g.says, " ")
		reason, _, _ = strings.Cut(reason, " ")
		if strings.ToUpper(fate) == fate && (string(o.Fate) != fate || reason != "" && !slices.Contains(o.Reasons, ledger.Reason(reason))) {
			t.Errorf("%s ends with %q, dispatch.Order says %s %s", g.name, g.says, o.Fate, o.Reasons)
		}
	}
	for _, o := range dispatch.Order {
		if !slices.ContainsFunc(gates, func(g gate) bool { return g.row == o.EN }) {
			t.Errorf("no test knows the gate %q", o.EN)
		}
	}
	if got := meet(t, "push"); got != "SENT " {
		t.Errorf("without a gate: %q", got)
	}
	if got := meet(t, "push", gate{keys: map[string]string{"mode": "shadow"}}); got != "SUPPRESSED shadow" {
		t.Errorf("shadow: %q", got)
	}
}

// strangers never meet: they are keys of different forms, or two values of one key.
var strangers = map[string]string{
	"off canary": "one key", "canary approval": "users need no approval", "approval never": "users need no approval", "approval consent": "users need no approval",
	"approval user_when": "users need no approval", "approval per_user": "users need no approval", "canary quota": "users have no slots", "never quota": "users have no slots", "consent quota": "users have no slots",
	"user_when quota": "users have no slots", "per_user quota": "users have no slots", "user_limits quota": "users have no slots", "approval user_limits": "users need no approval",
	"canary the rule's quota": "users have no slots", "never the rule's quota": "users have no slots", "consent the rule's quota": "users have no slots", "user_when the rule's quota": "users have no slots",
	"per_user the rule's quota": "users have no slots", "user_limits the rule's quota": "users have no slots",
}

func TestOfTwoGatesTheEarlierStops(t *testing.T) {
	for i, a := range gates {
		for _, b := range gates[i+1:] {
			if a.row == b.row && len(a.keys) > 0 && len(b.keys) > 0 && a.row != "once and caps" {
				continue // one gate: its conditions are one question
			}
			if strangers[a.name+" "+b.name] != "" {
				continue
			}
			met := false
			for form := range forms {
				if a.on != "" && a.on != form || b.on != "" && b.on != form {
					continue
				}
				met = true
				if got := meet(t, form, a, b); got != a.says {
					t.Errorf("%s, %s before %s: %q, want %q", form, a.name, b.name, got, a.says)
				}
			}
			if !met {
				t.Errorf("%s and %s have no form in common", a.name, b.name)
			}
		}
	}
}

// The brake pauses its rule as the last of all, so that only what would leave is held by it.
func TestTheBrakeIsAskedLast(t *testing.T) {
	brake := map[string]string{"brake": "1 in 24h"}
	for _, g := range gates {
		want := g.says
		if g.name == "vendor" { // what is held does not leave
			want = "SUPPRESSED expired"
		}
		for form := range forms {
			if g.on != "" && g.on != form {
				continue
			}
			set := load(t, form, g.keys, brake)
			s := open(t, set, g)
			if g.past != "" {
				s.take(g.before(t, form, set), g.past)
			}
			s.take(load(t, form, brake), "used the brake up")
			s.know(g)
			if g.arm != nil {
				g.arm(s)
			}
			in := s.take(set, "e")
			if in == nil {
				continue // the rule wants nothing
			}
			s.model.Advance(noon.Add(48 * time.Hour))
			if got := ended(s.fates[in.ID]); got != want {
				t.Errorf("%s, %s before brake: %q, want %q", form, g.name, got, want)
			}
		}
	}
	set := load(t, "push", brake)
	s := open(t, set)
	s.take(set, "first")
	in := s.take(set, "e")
	if at, ok := s.model.Stands(in.ID); !ok || at.Gate != "paused" {
		t.Errorf("behind the brake it stands at %+v (pending %v)", at, ok)
	}
}

// A trial that sends nothing goes before all that would count a send.
func TestShadowIsAskedBeforeTheGatesOfStageTwo(t *testing.T) {
	shadow := gate{keys: map[string]string{"mode": "shadow"}}
	for _, b := range gates {
		if b.name == "canary" || b.name == "off" {
			continue
		}
		want := "SUPPRESSED shadow"
		if b.says == "not triggered" || b.says == "no match" { // the rule does not want anything
			want = b.says
		}
		for form := range forms {
			if b.on != "" && b.on != form {
				continue
			}
			other := b
			other.keys = maps.Clone(b.keys)
			if got := meet(t, form, other, shadow); got != want {
				t.Errorf("%s, shadow and %s: %q, want %q", form, b.name, got, want)
			}
		}
	}
}

// What a gate only holds stands there, whatever the gates after it would say, and meets them when it is released.
func TestWhatIsHeldHasNotMetTheGatesAfter(t *testing.T) {
	holds := []struct {
		row, at, on string
		keys        map[string]string
		arm         func(*stage)
	}{
		{"merge", "merge", "", map[string]string{"merge": `{by: "${city}", wait: 10m}`}, nil},
		{"approval", "approval", "broadcast", map[string]string{"approval": "{people: 1, within: 30m}"}, nil},
		{"quiet and send_at", "quiet", "", map[string]string{"quiet": "11:00-13:00"}, nil},
		{"quiet and send_at", "quiet", "", map[string]string{"send_at": `"13:00"`}, nil},
		{"quota", "quota", "broadcast", nil, func(s *stage) {
			if err := s.model.Spend("rongcloud:main", 2); err != nil {
				t.Fatal(err)
			}
		}},
	}
	row := func(en string) int {
		return slices.IndexFunc(dispatch.Order, func(o dispatch.GateRow) bool { return o.EN == en })
	}
	n := 0
	for _, h := range holds {
		for _, g := range gates {
			if row(g.row) <= row(h.row) || g.name == "quota" {
				continue
			}
			for form := range forms {
				if h.on != "" && h.on != form || g.on != "" && g.on != form {
					continue
				}
				n++
				set := load(t, form, h.keys, g.keys)
				s := open(t, set, g)
				if g.past != "" {
					s.take(load(t, form, g.keys), g.past)
				}
				s.know(g)
				for _, arm := range []func(*stage){g.arm, h.arm} {
					if arm != nil {
						arm(s)
					}
				}
				in := s.take(set, "e")
				if at, ok := s.model.Stands(in.ID); !ok || at.Gate != h.at {
					t.Errorf("%s, %v before %s: it stands at %q (pending %v, fate %+v), want %s", form, h.keys, g.name, at.Gate, ok, s.fates[in.ID], h.at)
					continue
				}
				s.model.Advance(noon.Add(13 * time.Hour))
				want := g.says
				if h.at == "approval" { // nobody approves
					want = "SUPPRESSED not-approved"
				}
				if got := ended(s.fates[in.ID]); got != want {
					t.Errorf("%s, %v before %s: then %q, want %q", form, h.keys, g.name, got, want)
				}
			}
		}
	}
	if n < 30 {
		t.Errorf("only %d pairs", n)
	}
}
