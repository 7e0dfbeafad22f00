package backtest

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/mattn/go-runewidth"
)

// WriteText is the report for people; against names the rules that it was compared with.
func (r *Report) WriteText(w io.Writer, against string) error {
	var b strings.Builder
	const form = "2006-01-02 15:04 -07:00"
	fmt.Fprintf(&b, "history %s to %s (%.1f days): %d records, %d events", r.From.In(r.zone).Format(form), r.To.In(r.zone).Format(form), r.Days, r.Records, r.Stage1.Events)
	fmt.Fprintf(&b, ": %d match, %d match no rule", r.Stage1.Matched, r.Stage1.NoRule)
	if n := sum(r.Stage1.Dead); n > 0 {
		fmt.Fprintf(&b, "; dead letters: %s", listed(r.Stage1.Dead))
	}
	if n := r.Stage1.Ignored; n > 0 {
		fmt.Fprintf(&b, "; ignored: %s that the catalogue has no event for", many(n, "record"))
	}
	b.WriteString("\n\n")
	total := r.Total
	total.Rule = "in all"
	rows := [][]string{{"RULE", "SENT", "A DAY", "MOST IN A DAY", "USERS", "P50", "P99", "MAX", "SLOTS", ""}}
	for _, x := range append(slices.Clone(r.Rules), total) {
		rows = append(rows, x.row())
	}
	table(&b, rows)
	if s := r.PerUserDay; s.Users > 0 {
		fmt.Fprintf(&b, "\na user on a day with pushes gets %d (p50), %d (p99), %d (max)\n", s.P50, s.P99, s.Max)
	}
	for _, l := range r.Lanes {
		if l.Used+l.Lost+l.After == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n%s: %d of %d slots used on %s, %d unused", l.Lane, l.Used, l.Slots, many(l.Days, "day"), l.Unused)
		if l.Lost > 0 {
			fmt.Fprintf(&b, "; %s lost for want of a slot, %s wasted on those days", many(l.Lost, "request"), many(l.Wasted, "slot"))
		}
		if l.After > 0 {
			fmt.Fprintf(&b, "; %s used after the end of history", many(l.After, "slot"))
		}
		b.WriteString("\n")
	}
	if n := r.Total.Suppressed["not-approved"]; n > 0 {
		fmt.Fprintf(&b, "\nnobody approves in a backtest: %s not approved; --approve takes every request as approved at once\n", many(n, "intent"))
	}
	if r.Against != nil {
		r.Against.text(&b, against, r)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// row is a rule's line in the table.
func (x *Rule) row() []string {
	most := "-"
	if x.MostInADay > 0 {
		most = fmt.Sprintf("%d on %s", x.MostInADay, x.MostOn)
	}
	dash := func(n int, none bool) string {
		if none {
			return "-"
		}
		return strconv.Itoa(n)
	}
	nobody := x.PerUser.Users == 0
	return []string{x.Rule, strconv.Itoa(x.Sent), fmt.Sprintf("%.1f", x.PerDay), most, dash(x.PerUser.Users, nobody), dash(x.PerUser.P50, nobody), dash(x.PerUser.P99, nobody),
		dash(x.PerUser.Max, nobody), dash(x.Slots, x.Slots == 0), x.rest()}
}

// rest is what was not sent.
func (x *Rule) rest() string {
	var parts []string
	if x.Intents == 0 {
		return "no intents"
	}
	if x.Coalesced > 0 {
		parts = append(parts, fmt.Sprintf("coalesced %d", x.Coalesced))
	}
	for _, p := range []struct {
		what string
		n    map[string]int
	}{{"suppressed", x.Suppressed}, {"dead", x.Dead}, {"held", x.Held}} {
		if len(p.n) > 0 {
			parts = append(parts, p.what+" "+listed(p.n))
		}
	}
	return strings.Join(parts, "; ")
}

func (d *Diff) text(b *strings.Builder, against string, r *Report) {
	if !d.Differs() {
		fmt.Fprintf(b, "\nagainst %s: no difference\n", against)
		return
	}
	fmt.Fprintf(b, "\nagainst %s: %d → %d notifications, %d → %d slots, %s\n", against, d.Total.Was, d.Total.Now, d.Slots, slots(r.Rules), d.Total.what())
	for i := range d.Rules {
		x := &d.Rules[i]
		fmt.Fprintf(b, "  %s: %d → %d, %s\n", x.Rule, x.Was, x.Now, x.what())
	}
}

func slots(rules []Rule) (n int) {
	for i := range rules {
		n += rules[i].Slots
	}
	return n
}

// what says in which ways a rule differs.
func (d *RuleDiff) what() string {
	parts := []string{fmt.Sprintf("%d the same", d.Same)}
	if d.Text > 0 {
		parts = append(parts, fmt.Sprintf("%d with another text, audience or tags", d.Text))
	}
	for _, p := range []struct {
		what string
		n    map[string]int
	}{{"new: ", d.Gained}, {"gone: ", d.Lost}, {"changed: ", d.Changed}} {
		if len(p.n) > 0 {
			parts = append(parts, p.what+listed(p.n))
		}
	}
	return strings.Join(parts, "; ")
}

// table writes rows in columns as wide as a terminal shows them: the first to the left, numbers to the right, the last as it is.
func table(b *strings.Builder, rows [][]string) {
	wide := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			wide[i] = max(wide[i], runewidth.StringWidth(cell))
		}
	}
	for _, row := range rows {
		line := ""
		for i, cell := range row {
			pad := strings.Repeat(" ", wide[i]-runewidth.StringWidth(cell))
			switch {
			case i == 0:
				line += cell + pad
			case i == len(row)-1:
				line += "  " + cell
			default:
				line += "  " + pad + cell
			}
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
}

func many(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
