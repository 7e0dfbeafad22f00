// Package diag finds and shows mistakes in YAML files: rule files and notifier.yaml go through the same engine.
//
// It has two halves. Parse turns a file into a tree of Nodes whose accessors collect a Diagnostic with a position
// for each mistake instead of stopping at the first one. WriteText, WriteJSON and WriteGitHub show a List.
//
// A text is always taken as it is written in the source, never as YAML's bool, number or date. The package knows
// nothing of rules or settings and keeps no state; the only files it reads are those that ReadFile is asked for.
package diag

import (
	"cmp"
	"errors"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text is a sentence in both languages of the project. An empty ZH falls back to EN.
type Text struct {
	EN string `json:"en"`
	ZH string `json:"zh"`
}

// In gives the text in one language, or both with a dot between them.
func (t Text) In(l Lang) string {
	switch {
	case t.ZH == "" || t.ZH == t.EN || l == EN:
		return t.EN
	case l == ZH:
		return t.ZH
	}
	return t.EN + " · " + t.ZH
}

// short bounds a text that quotes a part of a file.
func (t Text) short() Text { return Text{shorten(t.EN), shorten(t.ZH)} }

func shorten(s string) string {
	if len(s) <= maxText || utf8.RuneCountInString(s) <= maxText {
		return s
	}
	return string([]rune(s)[:maxText-1]) + "…"
}

// Visible gives a text from outside in one line that cannot steer a terminal: what would is written as its escape.
func Visible(s string) string {
	if !strings.ContainsFunc(s, Steers) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if Steers(r) {
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// Steers reports whether a character moves the cursor, ends the line or turns its direction.
func Steers(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Bidi_Control, unicode.Zl, unicode.Zp)
}

// Tame gives a text from outside as one that cannot steer a terminal or forge a row: what could is quoted.
func Tame(s string) string {
	if strings.ContainsFunc(s, Steers) {
		return strconv.Quote(s)
	}
	return s
}

// Unread says why a file cannot be read.
func Unread(err error) Text {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Text{"there is no such file or folder", "没有这个文件或文件夹"}
	case errors.Is(err, fs.ErrPermission):
		return Text{"no permission", "没有读取权限"}
	}
	if u, ok := errors.AsType[*unfit](err); ok {
		return u.Text
	}
	msg := err.Error()
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		msg = pe.Err.Error()
	}
	return Text{msg, "系统报错 `" + msg + "`"}
}

// Lang is the language of the output.
type Lang string

// The languages of --lang.
const (
	EN   Lang = "en"
	ZH   Lang = "zh"
	Both Lang = "both"
)

// Severity says whether a finding stops the file from taking effect.
type Severity string

const (
	Error   Severity = "error"
	Warning Severity = "warning"
	Advice  Severity = "note" // worth knowing, nothing to mend: --strict leaves it alone
)

// Diagnostic is one finding. Line and Column count from 1, columns in runes; Line 0 means the whole file, File ""
// the whole set. EndColumn is the first column behind the marked text.
type Diagnostic struct {
	Code      string   `json:"code"`
	Severity  Severity `json:"severity"`
	File      string   `json:"file"`
	Line      int      `json:"line"`
	Column    int      `json:"column"`
	EndColumn int      `json:"end_column"`
	Message   Text     `json:"message"`
	Hint      Text     `json:"hint,omitzero"`  // the cure, behind the caret
	Note      Text     `json:"note,omitzero"`  // what is possible here, on a line of its own
	Fix       string   `json:"fix,omitempty"`  // what to write instead of the marked text
	Rule      string   `json:"rule,omitempty"` // the rule it stands in

	source string // the line it stands in
	about  *Node  // the value that it is about, until Findings has looked at its Fix
	inside bool   // it is about a part of that value's text
	part   bool   // what it is about goes on in other lines
}

// Source is the line that is shown with a finding, "" for none.
func (d Diagnostic) Source() string { return d.source }

// WithoutSource is the finding without its line, for one that holds a secret.
func (d Diagnostic) WithoutSource() Diagnostic {
	d.source = ""
	return d
}

// List is the findings of a run.
type List []Diagnostic

// Sorted gives the findings by file, line, column and code, each once. What concerns the whole set comes last.
func (l List) Sorted() List {
	out := slices.Clone(l)
	slices.SortStableFunc(out, func(a, b Diagnostic) int {
		if (a.File == "") != (b.File == "") {
			if a.File == "" {
				return 1
			}
			return -1
		}
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
			rank(a.Severity)-rank(b.Severity), cmp.Compare(a.Code, b.Code), cmp.Compare(a.Message.EN, b.Message.EN))
	})
	return slices.CompactFunc(out, func(a, b Diagnostic) bool {
		return a.File == b.File && a.Line == b.Line && a.Column == b.Column && a.Code == b.Code && a.Message == b.Message
	})
}

// rank puts what is merely worth knowing behind what is to be mended.
func rank(s Severity) int {
	if s == Advice {
		return 1
	}
	return 0
}

// Errors counts what stops the files from taking effect.
func (l List) Errors() int { return l.count(Error) }

// Warnings counts what does not.
func (l List) Warnings() int { return l.count(Warning) }

func (l List) count(s Severity) (n int) {
	for _, d := range l {
		if d.Severity == s {
			n++
		}
	}
	return n
}
