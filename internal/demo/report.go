package demo

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/query"
	"github.com/notifier/notifier/internal/sandbox"
)

// Schema versions the report.
const Schema = "notifier.demo/v1"

// Report is what a demo ends with (cli.md 5). With kept data the counts are those of all runs on it; calls and the three counts
// of the vendor are this run's.
type Report struct {
	Schema  string `json:"schema"`
	Seed    int64  `json:"seed"`
	Seconds int    `json:"seconds"` // of the stream
	Events  int    `json:"events"`  // = no_match + ignored + dead + those with intents
	NoMatch int    `json:"no_match"`
	Ignored int    `json:"ignored"`
	Dead    int    `json:"dead"` // dead letters

	Intents        int              `json:"intents"` // = fates + pending
	Fates          Fates            `json:"fates"`
	Reasons        map[string]int   `json:"reasons"`
	Sent           Sent             `json:"sent"`
	Calls          map[string]int   `json:"calls"` // arrivals at the vendor by path
	Quota          map[string]Quota `json:"quota"` // by account/lane
	Pending        Pending          `json:"pending"`
	RefusedByQuota int              `json:"refused_by_quota"`
	Overruns       int              `json:"overruns"`
	Doubles        int              `json:"doubles"`
	Balanced       bool             `json:"balanced"`
	Problems       []string         `json:"problems"` // empty: exit 0

	left  int      // records that stage 1 has not read, not in Events
	shows []string // of kinds: what a whole stream must have sent something of
}

// kinds are the kinds of Sent.
var kinds = []string{"tags", "push", "message", "broadcast"}

// Fates counts by kind.
type Fates struct {
	Sent       int `json:"SENT"`
	Coalesced  int `json:"COALESCED"`
	Suppressed int `json:"SUPPRESSED"`
	Dead       int `json:"DEAD"`
	Unknown    int `json:"UNKNOWN"`
}

// Sent counts SENT by what was sent.
type Sent struct {
	Tags      int `json:"tags"`
	Push      int `json:"push"`
	Message   int `json:"message"`
	Broadcast int `json:"broadcast"`
}

// Pending counts by state, as it was before the drain.
type Pending struct {
	Merging  int `json:"merging"`
	Approval int `json:"approval"`
	Quiet    int `json:"quiet"`
	Quota    int `json:"quota"`
	Paused   int `json:"paused"`
	InFlight int `json:"in_flight"`
}

// Quota is a scarce lane.
type Quota struct {
	Hour   Window    `json:"hour"`
	Day    Window    `json:"day"`              // in the zone that is used most
	Next   time.Time `json:"next"`             // when a call may start
	Minute *Window   `json:"minute,omitempty"` // at Getui, which counts no hours
}

// short is the window below the day.
func (q Quota) short() string {
	if q.Minute != nil {
		return fmt.Sprintf("minute %d/%d", q.Minute.Used, q.Minute.Limit)
	}
	return fmt.Sprintf("hour %d/%d", q.Hour.Used, q.Hour.Limit)
}

// Window is one window of a scarce lane.
type Window struct {
	Used  int `json:"used"`
	Limit int `json:"limit"`
}

// OK reports whether everything is as it must be.
func (r *Report) OK() bool { return len(r.Problems) == 0 }

// compose fills the counts. The events balance if each of them is accounted for once, by its own evaluation or by its intents.
func compose(in *input, b *query.Books, pending map[string]int, calls map[string]int, v sandbox.VendorStats, q app.QuotaView) *Report {
	r := &Report{Schema: Schema, Events: in.events, NoMatch: in.noMatch, Ignored: in.ignored, Dead: b.Dead, Intents: b.Intents,
		Fates: Fates{b.Fates[ledger.Sent], b.Fates[ledger.Coalesced], b.Fates[ledger.Suppressed], b.Fates[ledger.Dead], b.Fates[ledger.FateUnknown]},
		Sent:  Sent{b.Sent["tags"], b.Sent["push"], b.Sent["message"], b.Sent["broadcast"]}, Reasons: map[string]int{}, Calls: calls, Quota: map[string]Quota{},
		Pending:        Pending{pending["merging"], pending["approval"], pending["quiet"], pending["quota"], pending["paused"], pending["in_flight"]},
		RefusedByQuota: v.RefusedByQuota, Overruns: v.Overruns, Doubles: v.Doubles + len(b.Double), Problems: []string{}, shows: kinds}
	for reason, n := range b.Reasons {
		r.Reasons[string(reason)] = n
	}
	for _, a := range q.Accounts {
		for _, l := range a.Lanes {
			r.Quota[l.Lane] = quotaOf(l)
		}
	}
	r.Balanced = b.Balanced() && in.events == in.noMatch+in.ignored+b.Dead+in.matched
	return r
}

func quotaOf(l app.QuotaLane) Quota {
	q := Quota{Next: l.Next.UTC().Truncate(time.Second)}
	for _, w := range l.Windows {
		to := &q.Hour
		switch {
		case strings.Contains(w.Window, "day"):
			to = &q.Day
		case w.Window == "1m rolling":
			q.Minute = &Window{}
			to = q.Minute
		}
		if w.Used >= to.Used {
			*to = Window{w.Used, w.Limit}
		}
	}
	return q
}

// judge names what is not as it must be. everything also asks for what a stream of 15 s must have shown.
func (r *Report) judge(everything bool) []string {
	problems := []string{}
	say := func(bad bool, format string, args ...any) {
		if bad {
			problems = append(problems, fmt.Sprintf(format, args...))
		}
	}
	say(!r.Balanced, "the books do not balance: %d events = %d no match + %d ignored + %d dead + the rest with intents; %d intents = %d fates + the rest pending",
		r.Events, r.NoMatch, r.Ignored, r.Dead, r.Intents, r.Fates.Sent+r.Fates.Coalesced+r.Fates.Suppressed+r.Fates.Dead+r.Fates.Unknown)
	say(r.RefusedByQuota > 0, "the vendor refused %d calls because of quota", r.RefusedByQuota)
	say(r.Overruns > 0, "the vendor executed %d calls beyond its limits", r.Overruns)
	say(r.Doubles > 0, "%d calls or fates are there twice", r.Doubles)
	if !everything {
		return problems
	}
	say(r.left > 0, "%d records were not read within %s", r.left, patience)
	sent := map[string]int{"tags": r.Sent.Tags, "push": r.Sent.Push, "message": r.Sent.Message, "broadcast": r.Sent.Broadcast}
	for _, kind := range r.shows {
		say(sent[kind] == 0, "nothing SENT of %s", kind)
	}
	say(r.Fates.Coalesced == 0, "nothing COALESCED")
	say(r.Pending.Quota == 0, "no intent waits for quota")
	say(len(problems) > 0 && r.Events < ShowsAll, "the stream had %d events, everything is shown by %d: --rate %d --for 15s, or longer", r.Events, ShowsAll, (ShowsAll+14)/15)
	return problems
}

// Text is the report for people.
func (r *Report) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d events = %d no match + %d ignored + %d dead + %d with intents\n", r.Events, r.NoMatch, r.Ignored, r.Dead, r.Events-r.NoMatch-r.Ignored-r.Dead)
	waiting := r.Pending.Merging + r.Pending.Approval + r.Pending.Quiet + r.Pending.Quota + r.Pending.Paused + r.Pending.InFlight
	fmt.Fprintf(&b, "%d intents = %d SENT + %d COALESCED + %d SUPPRESSED + %d DEAD + %d UNKNOWN + %d pending\n", r.Intents, r.Fates.Sent, r.Fates.Coalesced, r.Fates.Suppressed, r.Fates.Dead, r.Fates.Unknown, waiting)
	fmt.Fprintf(&b, "sent: %d tags, %d pushes, %d messages, %d broadcasts; %d wait for quota\n", r.Sent.Tags, r.Sent.Push, r.Sent.Message, r.Sent.Broadcast, r.Pending.Quota)
	for _, lane := range slices.Sorted(maps.Keys(r.Quota)) {
		q := r.Quota[lane]
		fmt.Fprintf(&b, "%s: %s, day %d/%d, next %s\n", lane, q.short(), q.Day.Used, q.Day.Limit, q.Next.Local().Format(time.RFC3339))
	}
	fmt.Fprintf(&b, "vendor: refused by quota %d, overruns %d, doubles %d\n", r.RefusedByQuota, r.Overruns, r.Doubles)
	if r.OK() {
		b.WriteString("账目平衡 the books balance ✓\n")
	}
	for _, p := range r.Problems {
		b.WriteString("problem: " + p + "\n")
	}
	return b.String()
}
