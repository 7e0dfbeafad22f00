// Package docs carries the pages of the diagnostic codes in the binary, so that `notifier explain-code` needs no network and
// says what this very version means.
package docs

import (
	_ "embed"
	"regexp"
	"strings"
)

//go:embed codes.md
var english string

//go:embed codes.zh-CN.md
var chinese string

// Code is the page of one diagnostic, in both languages.
type Code struct {
	Code   string
	EN, ZH Page
}

// Page is one section of the manual, its marks for a browser taken away.
type Page struct {
	Title string // what the finding is, in a few words
	Text  string // what, why, how to mend, how to silence; an example
}

// Codes gives all pages in the order of the manual.
func Codes() []Code {
	zh := map[string]Page{}
	for _, s := range sections(chinese) {
		zh[s.code] = s.page
	}
	var out []Code
	for _, s := range sections(english) {
		out = append(out, Code{Code: s.code, EN: s.page, ZH: zh[s.code]})
	}
	return out
}

type section struct {
	code string
	page Page
}

var (
	title = regexp.MustCompile(`^\*\*(.+?)[.。]\*\* ?`)
	bold  = regexp.MustCompile(`\*\*([^*]+。)\*\* ?|\*\*(.+?)\*\*`) // behind 。** Markdown wants a blank, a terminal does not
	link  = regexp.MustCompile(`\[([^\]]+)\]\([^)]+\)`)
	fence = regexp.MustCompile("(?s)```text\n(.*?)\n```")
	line  = regexp.MustCompile(`(?m)^`)
)

// sections cuts a manual at its third-level headings.
func sections(manual string) (out []section) {
	for part := range strings.SplitSeq("\n"+manual, "\n### ") {
		code, body, ok := strings.Cut(part, "\n\n")
		if !ok || strings.ContainsAny(code, " \n") {
			continue // what stands before the first code
		}
		body, _, _ = strings.Cut(body, "\n## ")
		p := Page{}
		if m := title.FindStringSubmatch(body); m != nil {
			p.Title, body = m[1], body[len(m[0]):]
		}
		body = fence.ReplaceAllStringFunc(body, func(s string) string {
			return line.ReplaceAllString(fence.FindStringSubmatch(s)[1], "    ")
		})
		p.Text = strings.TrimRight(link.ReplaceAllString(bold.ReplaceAllString(body, "$1$2"), "$1"), "\n")
		out = append(out, section{code, p})
	}
	return out
}
