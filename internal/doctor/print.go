package doctor

import (
	"fmt"
	"io"
	"strings"

	"github.com/notifier/notifier/internal/diag"
)

var marks = map[State]string{OK: "✓", Unknown: "?", Warning: "!", Error: "✗"}

// WriteText prints a report for people. What came from outside cannot steer a terminal: control characters are gone.
func (r *Report) WriteText(w io.Writer, lang diag.Lang) error {
	var b strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%s %-12s", marks[f.State], f.Check)
		if f.On != "" {
			b.WriteString(tame(f.On) + ": ")
		}
		b.WriteString(tame(f.What.In(lang)) + "\n")
		if f.How != (diag.Text{}) {
			fmt.Fprintf(&b, "    %s\n", tame(f.How.In(lang)))
		}
		if f.Next != "" {
			fmt.Fprintf(&b, "    next: %s\n", tame(f.Next))
		}
	}
	sum := text("errors: %d, warnings: %d", "错误 %d 个，警告 %d 个", r.Errors, r.Warnings)
	fmt.Fprintln(&b, sum.In(lang))
	_, err := io.WriteString(w, b.String())
	return err
}

func tame(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
}
