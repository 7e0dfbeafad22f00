package rules

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/notifier/notifier/internal/diag"
)

// What stands in a text as it is and was hardly meant so: a hole in the spelling of another program, a character that nobody sees.

var almostHole = regexp.MustCompile(`\{\{\s*([\p{L}_][\p{L}\p{Nd}_.]*)\s*\}\}|[$＄]?\{\s*([\p{L}_][\p{L}\p{Nd}_.]*)\s*\}|[$＄]([\p{L}_][\p{L}\p{Nd}_]*)|%\(?([\p{L}_][\p{L}\p{Nd}_]*)\)?[s%]|＄｛([^｝]*)｝`)

// literals warns of what a text says literally.
func literals(n *diag.Node, src string, s *scope) {
	for _, m := range almostHole.FindAllStringSubmatchIndex(src, -1) {
		name := ""
		for g := 2; g < len(m); g += 2 {
			if m[g] >= 0 {
				name = src[m[g]:m[g+1]]
			}
		}
		text := src[m[0]:m[1]]
		field := s.fields[strings.TrimPrefix(strings.TrimPrefix(name, "first."), "latest.")]
		if field == nil || strings.HasPrefix(text, "${") || strings.HasSuffix(src[:m[0]], "$") {
			continue // no field, a hole, or $${ for ${
		}
		from := utf8.RuneCountInString(src[:m[0]])
		fix := "${" + name + "}"
		n.WarnAt(from, from+utf8.RuneCountInString(text), "W308", diag.Text{EN: "`" + text + "` is no hole: it is sent as it is written", ZH: "`" + text + "` 不是占位符，会原样发出去"},
			diag.Text{EN: "write `" + fix + "`", ZH: "写成 `" + fix + "`"}).Fix = fix
	}
	i := 0
	for _, r := range src {
		if unseen(r) {
			n.WarnAt(i, i+1, "W310", diag.Text{EN: fmt.Sprintf("an invisible character (U+%04X) in the text", r), ZH: fmt.Sprintf("文字里有看不见的字符（U+%04X）", r)}, diag.Text{EN: "remove it", ZH: "请删掉"})
		}
		i++
	}
}

// unseen reports control characters, marks that turn the direction of what follows, and spaces without width. Joiners are part of emoji.
func unseen(r rune) bool {
	switch {
	case r == '\n' || r == '\t':
		return false
	case r < ' ' || r >= 0x7f && r <= 0x9f, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
		return true
	}
	return r == 0x200b || r == 0x2060 || r == 0xfeff
}
