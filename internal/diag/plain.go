package diag

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// What YAML accepts in texts without quotation marks and nobody means.

const (
	openMarks  = "“”‘’「『＂＇"
	closeMarks = "”“’‘」』＂＇\"'"
)

// pairs are the marks of which the closing one is another.
var pairs = map[rune]rune{'“': '”', '‘': '’', '「': '」', '『': '』'}

// plainText looks at a text without quotation marks: Chinese marks around the whole of it, or a `%` at its beginning.
func (d *Doc) plainText(n *Node) {
	r := []rune(n.Text)
	if len(r) == 0 {
		return
	}
	if r[0] == '%' {
		d.indicator(n.Line, n.Column)
		return
	}
	if strings.ContainsRune("｛［", r[0]) && strings.ContainsRune("｝］", r[len(r)-1]) {
		d.brackets(n.Line, n.Column, n.Text)
		n.Kind = invalid
		return
	}
	if !aroundAll(r) {
		return
	}
	inner := string(r[1 : len(r)-1])
	fix := quote(inner)
	n.Error("N115", Text{"Chinese quotation marks around a text: they would be part of it", "文字两边是中文引号，会被当作文字的一部分"},
		Text{"write `" + fix + "`; marks that belong to the text: `" + quote(n.Text) + "`", "写成 `" + fix + "`；如果引号本来就是文字，写成 `" + quote(n.Text) + "`"}).Fix = fix
	n.Text, n.Column = inner, n.Column+1 // what else is wrong with it is found as well
}

// aroundAll reports whether Chinese marks stand around the whole of a text: the first is not closed before the last. “a”和“b” is a text as
// it was meant.
func aroundAll(r []rune) bool {
	if len(r) < 2 {
		return false
	}
	open, last, inner := r[0], r[len(r)-1], r[1:len(r)-1]
	closing := open
	if other := pairs[open]; other != 0 {
		closing = other
	}
	if !strings.ContainsRune(openMarks, open) || !strings.ContainsRune(closeMarks, last) || last != closing && slices.Contains(inner, last) {
		return false
	}
	depth := 1
	for _, c := range inner {
		switch {
		case c == closing:
			if depth--; depth == 0 {
				return false
			}
		case c == open:
			depth++
		}
	}
	return true
}

// items splits what a full-width comma joins in a list, and joins what an ASCII comma splits in a number.
func (d *Doc) items(list, n *Node) []*Node {
	if n.Kind != Scalar || n.style != plain || n.Line < 1 {
		return []*Node{n}
	}
	if k := len(list.Items); k > 0 && d.splitNumber(list.Items[k-1], n) {
		return nil
	}
	var out []*Node
	col := n.Column
	for piece := range strings.SplitSeq(n.Text, "，") {
		if col > n.Column {
			d.wideComma(n.Line, col-1)
		}
		end := col + utf8.RuneCountInString(piece)
		out = append(out, &Node{Kind: Scalar, Line: n.Line, Column: col, end: end, Text: piece, doc: d})
		col = end + 1
	}
	if len(out) == 1 {
		return []*Node{n}
	}
	return out
}

var threeDigits = regexp.MustCompile(`^[0-9]{3}(?:[^0-9]|$)`)

// splitNumber reports `1,000` in brackets, where the comma ends the item.
func (d *Doc) splitNumber(before, n *Node) bool {
	last, _ := utf8.DecodeLastRuneInString(before.Text)
	if before.Kind != Scalar || before.style != plain || before.Line != n.Line || n.Column != before.end+1 || !unicode.IsDigit(last) || !threeDigits.MatchString(n.Text) {
		return false
	}
	d.commaInText(before, n.end)
	return true
}

// commaInText reports a text in brackets that a comma cut in pieces; it makes the text whole again.
func (d *Doc) commaInText(value *Node, end int) {
	line := []rune(d.lines[value.Line-1])
	value.Text, value.end = string(line[value.Column-1:min(end-1, len(line))]), end
	if n := len(d.List); n > 0 && d.List[n-1].Code == "N105" && d.List[n-1].Line == value.Line && d.List[n-1].Column == value.Column {
		d.List = d.List[:n-1] // one finding for all its commas
	}
	d.needsQuotes(value.Line, value.Column, value.Text, Text{"inside `{}` and `[]` a comma ends the text", "`{}` 和 `[]` 里的逗号会把文字断开"})
}

// pieceOfText finds an entry of `{}` that is no `key: value`: the rest of the text before it, {body: over 1,000}, or a key whose colon is
// missing, {per_user = 1}. Of a mapping with one of these no more is said.
func (d *Doc) pieceOfText(m *Node, v *ast.MappingValueNode) bool {
	null, ok := v.Value.(*ast.NullNode)
	key := v.Key.GetToken()
	if !ok || null.Token.Type != token.ImplicitNullType {
		return false
	}
	line, end := key.Position.Line, key.Position.Column+utf8.RuneCountInString(key.Value)
	quoted := key.Type == token.DoubleQuoteType || key.Type == token.SingleQuoteType
	if quoted {
		end += 2
	}
	if rest := []rune(d.lines[line-1]); end-1 < len(rest) && strings.HasPrefix(strings.TrimLeft(string(rest[end-1:]), " "), ":") {
		return false // a key without value
	}
	if n := len(m.Fields); n > 0 && !quoted {
		if before := m.Fields[n-1].Value; before.Kind == Scalar && before.style == plain && before.Line == line {
			d.commaInText(before, end)
			return true
		}
	}
	hint, fix := Text{"write `key: value`", "写成 `key: value`"}, ""
	if w := withoutIt.FindStringSubmatch(key.Value); w != nil && !quoted && strings.TrimSpace(w[4]) != "" {
		fix = w[2] + ": " + strings.TrimSpace(w[4])
		hint = Text{"write `" + fix + "`", "写成 `" + fix + "`"}
	}
	d.at(line, key.Position.Column, end, "N100", Error, Text{"there is no colon in `" + key.Value + "`", "`" + key.Value + "` 里没有冒号"}, hint).Fix = fix
	m.Kind = invalid
	return true
}
