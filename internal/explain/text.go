package explain

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/mattn/go-runewidth"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
)

// maxRecipients is how many recipients of one rule are listed.
const maxRecipients = 10

// WriteText writes the report for people, times in a zone.
func (r *Report) WriteText(w io.Writer, zone *time.Location) error {
	var b strings.Builder
	e := &r.Event
	where := e.Topic
	if e.Position != "" {
		where = e.Position
	}
	user := ""
	if e.User != "" {
		user = "  user " + tame(e.User)
	}
	found := fmt.Sprintf("%d of %d fields found", e.Fields-len(r.Absent), e.Fields)
	if r.Gone {
		found = "the record is gone from the topic"
	}
	fmt.Fprintf(&b, "event %s %s%s  %s  %s  %s\n", e.Type, tame(e.ID), user, e.Time.In(zone).Format("2006-01-02 15:04:05 -07:00"), where, found)
	for _, name := range r.Absent {
		fmt.Fprintf(&b, "  without %s: %s\n", name, tame(r.Why[name]))
	}
	for _, f := range r.Rules {
		f.write(&b, zone, r.Now)
		if r.Known && r.became(&b, f.Rule, zone) == 0 && f.Verdict == "match" && f.rule.Action != intent.Tags {
			b.WriteString("     = no fate and nothing pending: the rule was another one when the event came, or its fate was deleted by age\n")
		}
	}
	if r.Known {
		r.became(&b, "", zone)
	}
	if len(r.Rules) == 0 && !r.Gone {
		fmt.Fprintf(&b, "  no rule is about event %s\n", e.Type)
	}
	if r.Fresh && slices.ContainsFunc(r.Rules, func(f *Rule) bool { return f.Verdict == "match" }) {
		fmt.Fprintf(&b, "as if it came in at %s; caps, quota and what is known of the user start empty\n", r.Now.In(zone).Format("2006-01-02 15:04:05 -07:00"))
	}
	if r.Known && len(r.Rules) > 0 {
		b.WriteString("clauses by the rules as they are now; lines with = are what became of it\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (f *Rule) write(b *strings.Builder, zone *time.Location, now time.Time) {
	name := fmt.Sprintf("rule %s (rev %s, %s)", f.Rule, shortRevision(f.Revision), f.Mode)
	fmt.Fprintf(b, "  %s  %s\n", runewidth.FillRight(name, 46), f.status(zone, now))
	for i := range f.Clauses {
		writeClause(b, &f.Clauses[i], f.Verdict)
	}
	for _, g := range f.Gates {
		mark := map[string]string{"pass": "✓", "hold": "✗", "stop": "✗", "not asked": "–"}[g.Result]
		b.WriteString(strings.TrimRight(fmt.Sprintf("     %s %s %s", mark, runewidth.FillRight(tame(g.Text), 24), tame(g.Note)), " ") + "\n")
	}
	if n := len(f.Targets); n > 1 {
		for _, o := range f.Targets[:min(n, maxRecipients)] {
			fmt.Fprintf(b, "     to %s %s\n", runewidth.FillRight(tame(o.Target), 23), o.status(zone, now))
		}
		if n > maxRecipients {
			fmt.Fprintf(b, "     and %d more\n", n-maxRecipients)
		}
	}
	for _, q := range f.Requests {
		would := ""
		if q.IfFree {
			would = ", if nothing stopped it"
		}
		fmt.Fprintf(b, "     %s %s %s  slots %d%s\n       %s\n", q.what, q.Lane, q.Endpoint, q.Slots, would, compact(q.Body))
	}
}

// writeClause puts a check mark where the clause lets the rule act, and a hint at what decided when it does not.
func writeClause(b *strings.Builder, c *Clause, verdict string) {
	mark, text, seen := "✗", c.label, c.Seen
	if c.Result == (c.Kind != "unless") {
		mark = "✓"
	}
	if c.Kind == "unless" {
		text = "unless " + text
	}
	if len(c.Missing) > 0 {
		seen = strings.Join(c.Missing, ", ")
	} else if mark == "✗" {
		seen += " → " + strconv.FormatBool(c.Result)
	}
	fmt.Fprintf(b, "     %s %s %s", mark, runewidth.FillRight(text, 24), tame(seen))
	if c.Decided && verdict == "no match" {
		fmt.Fprintf(b, "   ← decided, %s:%d", c.File, c.Line)
	}
	b.WriteString("\n")
}

func (f *Rule) status(zone *time.Location, now time.Time) string {
	switch f.Verdict {
	case "match":
		if len(f.Targets) == 0 {
			return "MATCH"
		}
		return f.Targets[0].status(zone, now)
	case "not triggered":
		if len(f.Events) > 0 {
			return "NOT TRIGGERED: it is about " + strings.Join(f.Events, ", ")
		}
	case "unsure":
		return "UNSURE: it asks a field that is unknown, so it neither gives nor takes tags"
	}
	return strings.ToUpper(f.Verdict)
}

func (o *Outcome) status(zone *time.Location, now time.Time) string {
	then := ""
	switch {
	case o.Fate != "" && o.State == "held":
		then = ", then " + strings.TrimSpace(string(o.Fate)+" "+string(o.Reason))
		if o.Reason == ledger.NotApproved {
			then += " unless people approve"
		}
	case o.State == "held" && !o.At.IsZero() && !o.At.Equal(o.Until):
		then = ", leaves " + o.At.In(zone).Format("2006-01-02 15:04:05")
	}
	switch {
	case o.State == "held" && !o.Until.IsZero():
		return "HELD " + o.Gate + " until " + o.Until.In(zone).Format("2006-01-02 15:04") + then
	case o.State == "held":
		return "HELD " + o.Gate + then
	case o.State == "fate":
		return strings.TrimSpace(string(o.Fate) + " " + string(o.Reason))
	case o.At.After(now):
		return "LEAVES " + o.At.In(zone).Format("2006-01-02 15:04:05")
	}
	return "LEAVES now"
}

func what(d *departed) string {
	switch {
	case d.Call.Tags != nil:
		return "tags"
	case d.Call.Content != nil && d.Call.Content.Message != nil:
		return "message"
	case d.Call.Audience != nil:
		return string(intent.Broadcast)
	}
	return string(intent.Push)
}

func compact(body json.RawMessage) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(body) != nil {
		return string(body)
	}
	return strings.TrimSpace(b.String())
}

func shortRevision(s string) string { return s[:min(len(s), 4)] }

// tame quotes a text from outside that has control characters.
func tame(s string) string {
	if strings.ContainsFunc(s, unicode.IsControl) {
		return strconv.Quote(s)
	}
	return s
}
