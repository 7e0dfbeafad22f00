package explain

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/rules"
)

const schema = "notifier.explain/v1"

// Report is the explanation of one event. Its JSON is notifier.explain/v1.
type Report struct {
	Schema string            `json:"schema"`
	Event  EventShown        `json:"event"`
	Absent []string          `json:"absent"`        // fields without a usable value
	Why    map[string]string `json:"why,omitempty"` // of those: missing, null, or what came instead
	Now    time.Time         `json:"now"`
	Fresh  bool              `json:"counters_start_empty"` // caps, quota and the user's row, too
	Rules  []*Rule           `json:"rules"`

	Fates   []ledger.Fate        `json:"fates,omitempty"`       // of a real event: what became of it
	Pending []Waiting            `json:"pending,omitempty"`     // of a real event: what of it has no fate yet
	Into    map[intent.ID]string `json:"into_events,omitempty"` // of the intents that fates say it went into: their events
	Known   bool                 `json:"known,omitempty"`       // it is a real event
	Gone    bool                 `json:"record_gone,omitempty"`
	RuleSet string               `json:"rule_set,omitempty"`             // of a real event: the hash of the rules as they are now; a fate has that of those that decided
	Partly  bool                 `json:"earlier_profile_gone,omitempty"` // profile events before it are deleted by age: before.x and changed() may be wrong
	Unread  bool                 `json:"not_read_yet,omitempty"`         // the daemon has not come to the record yet

	FateText func(*ledger.Fate, *time.Location, diag.Lang) string `json:"-"` // what else a fate says, for people
}

// EventShown names the event.
type EventShown struct {
	ID       string    `json:"id"`
	Type     string    `json:"type"`
	User     string    `json:"user"`
	Time     time.Time `json:"time"`
	Topic    string    `json:"topic"`
	Position string    `json:"position,omitempty"`  // of a real event
	Fields   int       `json:"fields"`              // declared
	UserGone bool      `json:"user_gone,omitempty"` // of a profile: a tombstone or a delete
}

// Rule is what a rule says of the event, and what comes of that.
type Rule struct {
	Rule     string     `json:"rule"`
	Revision string     `json:"revision"`
	Mode     string     `json:"mode"`
	Verdict  string     `json:"verdict"`               // match, no match, off, not triggered, unsure
	Now      string     `json:"verdict_now,omitempty"` // of a real event: what the rules as they are now say, where they did match then
	Events   []string   `json:"events,omitempty"`      // that it is about, when it is not triggered
	Clauses  []Clause   `json:"clauses"`
	Gates    []Gate     `json:"gates"` // of the first recipient
	Targets  []*Outcome `json:"recipients"`
	Requests []Request  `json:"requests"`
	LeftOut  []TagLeft  `json:"left_out,omitempty"`   // of a tag rule that matches: what it gives no tag of
	NoText   string     `json:"no_request,omitempty"` // of a real event: why a request that left, or would have, is not shown

	noTextZH string
	rule     *rules.Rule
	ins      []*intent.Intent
	courses  []*course
}

// Clause is a part of the rule's conditions.
type Clause struct {
	Kind    string   `json:"kind"` // when, unless
	Text    string   `json:"text"`
	Value   string   `json:"value"`
	Seen    string   `json:"seen"` // the text with the values in it
	Result  bool     `json:"result"`
	Decided bool     `json:"decided"`
	Missing []string `json:"missing,omitempty"`
	File    string   `json:"file"`
	Line    int      `json:"line"`

	label     string
	missingZH []string
	overruled bool
	lacks     []string // the missing fields
}

// TagLeft is a template that gives no tag though its rule matches.
type TagLeft struct {
	Rule     string `json:"rule"`
	Template string `json:"template"`
	Why      string `json:"why"`
	Seen     string `json:"seen,omitempty"`
	File     string `json:"file"`
	Line     int    `json:"line"`
}

// leftOut are the templates of an account's tag rules that give no tag of a row.
func leftOut(set *rules.Set, account string, row func(string) (intent.Value, bool), current []string) (out []TagLeft) {
	for _, l := range set.LeftOut(account, row, current) {
		out = append(out, TagLeft{Rule: l.Rule.Name, Template: l.Template, Why: l.Why, Seen: l.Seen, File: l.Rule.File, Line: l.Rule.Line})
	}
	return out
}

// why is its reason with the values it was asked of.
func (t *TagLeft) why(s say) string {
	out := s.word("left out: ", "没有给：") + s.told(t.Why, rules.FaultZH(t.Why))
	if t.Seen != "" {
		out += s.word(" (%s)", "（%s）", diag.Tame(t.Seen))
	}
	return out
}

// Gate is one gate that the rule's intent has before it.
type Gate struct {
	Gate   string    `json:"gate"`
	Text   string    `json:"text,omitempty"`
	Result string    `json:"result"` // pass, hold, stop, not asked
	Until  time.Time `json:"until,omitzero"`
	Note   string    `json:"note,omitempty"`
	User   []Clause  `json:"clauses,omitempty"` // of user_when, on the user's fields as they are now

	textZH, noteZH string      // for people, where they differ
	limit          *intent.Cap // of a gate that a rule may have several of
	then           bool        // User is of now, and it was asked before
}

// Outcome is what becomes of a recipient's intent.
type Outcome struct {
	Target string          `json:"target"` // "*" is an audience
	State  string          `json:"state"`  // leaves, held, or the fate
	Gate   string          `json:"gate,omitempty"`
	Reason ledger.Reason   `json:"reason,omitempty"`
	Detail string          `json:"detail,omitempty"`
	At     time.Time       `json:"at,omitzero"`    // when it leaves
	Until  time.Time       `json:"until,omitzero"` // when the gate that holds it first is asked again
	Fate   ledger.FateKind `json:"fate,omitempty"`
	gates  []Gate

	stopped  string // why its lane is
	bucketZH string // Detail of whom a canary left out
}

// Request is a call as the vendor would get it.
type Request struct {
	Account  string          `json:"account"`
	Lane     string          `json:"lane"`
	Endpoint string          `json:"endpoint"`
	Slots    int             `json:"slots"`
	At       time.Time       `json:"at,omitzero"`
	IfFree   bool            `json:"if_nothing_stopped_it,omitempty"` // it does not leave: this is what it would be
	Rebuilt  bool            `json:"built_again,omitempty"`           // it left: this is what the rules as they are now make of the event alone
	Body     json.RawMessage `json:"body"`

	what string // for people
}

// Waiting is an intent without fate.
type Waiting struct {
	Intent   intent.ID `json:"intent"`
	Rule     string    `json:"rule"`
	Target   string    `json:"target"`
	Since    time.Time `json:"since"`
	For      string    `json:"waits_for"`
	Until    time.Time `json:"until,omitzero"`
	Gate     string    `json:"gate"`
	Holds    string    `json:"holds,omitempty"`
	Lane     string    `json:"lane,omitempty"`
	Stopped  string    `json:"stopped,omitempty"`  // why its lane is stopped
	Triggers int       `json:"triggers,omitempty"` // of an open merge
	Expires  time.Time `json:"expires,omitzero"`
	Files    string    `json:"rule_files,omitempty"` // why the rule files let nothing of its rule leave, whatever else it waits for
	GivenUp  time.Time `json:"given_up,omitzero"`    // its rule is removed: from when on it is given up, if the rule does not come back
	RuleSet  string    `json:"rule_set,omitempty"`   // the hash of the rules that decided

	Event intent.EventRef `json:"-"`

	in    *intent.Intent // as it would leave now
	turn  dispatch.Turn
	fixed bool // its texts are rendered
}

func report(o *Options, ev *event.Event) *Report {
	rep := &Report{Schema: schema, Now: o.Now.UTC(), Fresh: true, Absent: []string{}, Why: map[string]string{}, Rules: []*Rule{}}
	rep.Event = EventShown{ID: ev.ID, Type: ev.Spec.Name, User: ev.User, Time: ev.Time.UTC(), Topic: ev.Pos.Topic, Fields: len(ev.Spec.Fields), UserGone: ev.Gone}
	for i := range ev.Spec.Fields {
		f, v := &ev.Spec.Fields[i], &ev.Values[i]
		if v.OK() {
			continue
		}
		rep.Absent = append(rep.Absent, f.Name)
		switch v.State {
		case event.Null:
			rep.Why[f.Name] = "null"
		case event.Bad:
			rep.Why[f.Name] = v.Str + " is no " + string(f.Type)
			if len(f.Values) > 0 {
				rep.Why[f.Name] = v.Str + " is none of its values"
			}
		default:
			rep.Why[f.Name] = "missing"
		}
	}
	return rep
}

func clause(c rules.Clause) Clause {
	out := Clause{Kind: c.Kind, Text: c.Text, Value: c.Value, Seen: c.Seen, Result: c.Result, Decided: c.Decided, File: c.File, Line: c.Line, label: c.Label(), overruled: c.Overruled}
	for _, m := range c.Missing {
		out.lacks = append(out.lacks, m.Field)
		out.Missing = append(out.Missing, m.Field+": "+m.Why)
		out.missingZH = append(out.missingZH, m.Field+"："+rules.WhyZH(m.Why))
	}
	return out
}

// tell writes down what came of a rule.
func (x *run) tell(r *Rule) {
	r.Clauses, r.Gates, r.Requests, r.Targets = orEmpty(r.Clauses), []Gate{}, []Request{}, []*Outcome{}
	if r.Verdict == "not triggered" && r.Events == nil {
		r.Gates = x.life(r, nil)
		return
	}
	told := map[*departed]bool{}
	var out *course // whom the canary left out first
	for _, c := range r.courses {
		o := x.outcome(r, c)
		r.Targets = append(r.Targets, o)
		if c.in.Canary {
			if out == nil {
				out = c
			}
			continue
		}
		d, free := c.call, false
		if why := c.untold(); why != (diag.Text{}) {
			r.NoText, r.noTextZH = why.EN, why.ZH
			continue
		}
		if d == nil && (c.fate == nil || c.fate.Fate != ledger.Dead && c.fate.Fate != ledger.Coalesced) { // what became part of another has no request
			d, free = x.bare(c), true
		}
		if d != nil && !told[d] {
			told[d] = true
			q := request(d, free)
			if left := c.left(); c.past && (left != nil || c.fate == nil) {
				q.IfFree = c.doomed
				if q.Rebuilt = left != nil; q.Rebuilt {
					q.At = left.At
				}
			}
			r.Requests = append(r.Requests, q)
		}
	}
	if out != nil && len(r.Requests) == 0 {
		if d := x.bare(out); d != nil {
			r.Requests = append(r.Requests, request(d, true))
		}
	}
	if len(r.Targets) > 0 {
		r.Gates = r.Targets[0].gates
	}
}

// untold is why no request of what has its fate is shown: it would not be the one that left, or would have, and that one is on no record.
func (c *course) untold() diag.Text {
	switch {
	case !c.past || c.first == nil || c.fate != nil && (c.fate.Fate == ledger.Dead || c.fate.Fate == ledger.Coalesced):
		return diag.Text{}
	case c.lost:
		return diag.Text{EN: "no text: the records and rules as they are now do not make it any more, and texts are not kept", ZH: "不显示文案：按现在的记录和规则已生成不出它，当时的文案没有保存"}
	case c.edited:
		return diag.Text{EN: "no text: the rule files were edited since, and texts are not kept", ZH: "不显示文案：规则文件后来改过，当时的文案没有保存"}
	case c.merged > 1:
		return diag.Text{EN: fmt.Sprintf("no text: %d triggers were merged into it, and merged texts are not kept", c.merged), ZH: fmt.Sprintf("不显示文案：它由 %d 次触发合并而成，合并后的文案没有保存", c.merged)}
	case c.left() != nil && c.in.Content != nil && c.in.Content.Open:
		return diag.Text{EN: "no text: it has ${user.…} or ${now}, and their values of then are not kept", ZH: "不显示文案：里面有 ${user.…} 或 ${now}，当时的值没有保存"}
	}
	return diag.Text{}
}

// left is the fate of what has gone to the vendor, or may have.
func (c *course) left() *ledger.Fate {
	if c.sent == nil && c.fate != nil && c.fate.Fate == ledger.FateUnknown {
		return c.fate
	}
	return c.sent
}

func request(d *departed, free bool) Request {
	out := Request{Account: d.Account, Lane: d.Lane, Endpoint: d.Call.Endpoint, Slots: d.Slots, Body: d.body, IfFree: free, what: what(d)}
	if !free {
		out.At = d.At.UTC()
	}
	return out
}

// outcome says what became of one recipient's intent, as of the moment the event came in.
func (x *run) outcome(r *Rule, c *course) *Outcome {
	o := &Outcome{Target: c.in.Target}
	if c.call != nil {
		o.At = c.call.At.UTC()
	}
	if c.fate != nil {
		o.Fate, o.Reason, o.Detail = c.fate.Fate, c.fate.Reason, c.fate.Detail
	}
	switch {
	case c.sent != nil:
		o.State, o.Fate = "fate", ledger.Sent
	case c.flies():
		o.State = "in flight"
	case len(c.holds) > 0:
		o.State, o.Gate, o.Until = "held", x.gateOf(c, 0), c.holds[0].Until.UTC()
		if o.stopped = c.stopped; c.doomed {
			o.Fate, o.Reason = ledger.Suppressed, ledger.Expired
		}
	case c.fate != nil:
		o.State = "fate"
	default:
		o.State = "leaves"
	}
	o.gates = x.gates(r, c)
	for _, g := range o.gates {
		if g.Gate == "canary" && g.Result == "stop" {
			o.Detail, _, _ = strings.Cut(g.Note, " → ")
			o.bucketZH, _, _ = strings.Cut(g.noteZH, " → ")
		}
	}
	return o
}

// orEmpty is what JSON writes as [] where there is nothing.
func orEmpty[T any](s []T) []T { return append([]T{}, s...) }

func (x *run) zone() *time.Location { return cmp.Or(x.o.Stage.Zone, x.o.Set.Zone(), time.UTC) }
