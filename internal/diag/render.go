package diag

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"

	"github.com/mattn/go-runewidth"
)

// Ambiguous characters such as “ and · count as one column, whatever the locale of the process says: the output of
// one file must be the same everywhere.
var width = &runewidth.Condition{EastAsianWidth: false}

// WriteText shows the findings for a reader, with the source line and a caret placed by display width.
func WriteText(w io.Writer, l List, lang Lang) error {
	var b strings.Builder
	for i, d := range l {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s[%s]: %s\n", d.Severity, d.Code, Visible(d.Message.In(lang)))
		gutter := ""
		switch {
		case d.File == "":
		case d.Line == 0:
			fmt.Fprintf(&b, "  --> %s\n", Visible(d.File))
		default:
			fmt.Fprintf(&b, "  --> %s:%d:%d\n", Visible(d.File), d.Line, d.Column)
			no := strconv.Itoa(d.Line)
			gutter = strings.Repeat(" ", len(no)+1)
			if d.source != "" {
				line, before, marked := window([]rune(d.source), d.Column-1, d.EndColumn-1)
				caret := strings.Repeat(" ", before) + strings.Repeat("^", max(marked, 1))
				hint := Visible(d.Hint.In(lang))
				if hint != "" {
					hint = " " + hint
				}
				fmt.Fprintf(&b, "%s |\n %s | %s\n%s | %s%s\n", gutter, no, line, gutter, caret, hint)
			}
		}
		if d.source == "" && d.Hint.EN != "" {
			fmt.Fprintf(&b, "%s = %s\n", gutter, Visible(d.Hint.In(lang)))
		}
		if d.Note.EN != "" {
			fmt.Fprintf(&b, "%s = %s\n", gutter, Visible(d.Note.In(lang)))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// maxLine is the longest source line that is shown whole, in runes: a line of 100 KiB must not fill the terminal.
const maxLine = 160

// window gives the part of a line to show, and the display columns before and under the mark.
func window(line []rune, from, to int) (text string, before, marked int) {
	from = min(max(from, 0), len(line))
	to = min(max(to, from), len(line))
	start, end, head, tail := 0, len(line), "", ""
	if len(line) > maxLine {
		if start = max(0, from-maxLine/2); start > 0 {
			head = "…"
		}
		if end = min(len(line), start+maxLine); end < len(line) {
			tail = "…"
		}
		to = min(to, end)
	}
	show := func(r []rune) string {
		return strings.Map(func(c rune) rune {
			if unicode.IsControl(c) || c == 0xfeff {
				return ' ' // a tab would move the caret, a control character the cursor
			}
			if Steers(c) || c == 0x200b {
				return '\ufffd' // a mark that turns the direction of the line, or has no width
			}
			return c
		}, string(r))
	}
	return head + show(line[start:end]) + tail,
		width.StringWidth(head) + width.StringWidth(show(line[start:from])), width.StringWidth(show(line[from:to]))
}

// Report is the machine shape of a check.
type Report struct {
	Schema      string `json:"schema"`
	Files       int    `json:"files"`
	Rules       int    `json:"rules"`
	Errors      int    `json:"errors"`
	Warnings    int    `json:"warnings"`
	Diagnostics List   `json:"diagnostics"`
}

// WriteJSON shows the findings as notifier.check/v1.
func WriteJSON(w io.Writer, l List, files, rules int) error {
	if l == nil {
		l = List{}
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(Report{Schema: "notifier.check/v1", Files: files, Rules: rules, Errors: l.Errors(), Warnings: l.Warnings(), Diagnostics: l})
}

// WriteGitHub shows the findings as workflow commands, which GitHub turns into annotations of a pull request.
func WriteGitHub(w io.Writer, l List, lang Lang) error {
	prop := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
	data := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	var b strings.Builder
	for _, d := range l {
		level := string(d.Severity)
		if d.Severity == Advice {
			level = "notice"
		}
		fmt.Fprintf(&b, "::%s ", level)
		if d.File != "" {
			fmt.Fprintf(&b, "file=%s,", prop.Replace(Visible(d.File)))
			if d.Line > 0 {
				fmt.Fprintf(&b, "line=%d,col=%d,endColumn=%d,", d.Line, d.Column, d.EndColumn)
			}
		}
		msg := d.Message.In(lang)
		if h := d.Hint.In(lang); h != "" {
			msg += " (" + h + ")"
		}
		if n := d.Note.In(lang); n != "" {
			msg += " [" + n + "]"
		}
		fmt.Fprintf(&b, "title=%s::%s\n", prop.Replace(d.Code), data.Replace(Visible(msg)))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
