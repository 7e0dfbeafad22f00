package diag

import (
	"regexp"
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
	if len(r) < 2 || !strings.ContainsRune(openMarks, r[0]) || !strings.ContainsRune(closeMarks, r[len(r)-1]) {
		return
	}
	inner := string(r[1 : len(r)-1])
	fix := quote(inner)
	n.Error("N115", Text{"Chinese quotation marks around a text: they would be part of it", "文字两边是中文引号，会被当作文字的一部分"},
		Text{"write `" + fix + "`; marks that belong to the text: `\"" + n.Text + "\"`", "写成 `" + fix + "`；如果引号本来就是文字，写成 `\"" + n.Text + "\"`"}).Fix = fix
	n.Text, n.Column = inner, n.Column+1 // what else is wrong with it is found as well
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

// pieceOfText finds an entry of `{}` that is no `key: value` but the rest of the text before it: {body: over 1,000}.
func (d *Doc) pieceOfText(m *Node, v *ast.MappingValueNode) bool {
	null, ok := v.Value.(*ast.NullNode)
	key := v.Key.GetToken()
	if !ok || null.Token.Type != token.ImplicitNullType || len(m.Fields) == 0 || key.Type == token.DoubleQuoteType || key.Type == token.SingleQuoteType {
		return false
	}
	before := m.Fields[len(m.Fields)-1].Value
	line, end := key.Position.Line, key.Position.Column+utf8.RuneCountInString(key.Value)
	if before.Kind != Scalar || before.style != plain || before.Line != line {
		return false
	}
	if rest := []rune(d.lines[line-1]); end-1 < len(rest) && strings.HasPrefix(strings.TrimLeft(string(rest[end-1:]), " "), ":") {
		return false // a key without value
	}
	d.commaInText(before, end)
	return true
}

var swallowed = regexp.MustCompile(`，\s*[A-Za-z_][\w-]*\s*[:：]`)

// joined finds a full-width comma in `{}` that makes one value of two entries: {title: a，body: b}.
func (d *Doc) joined(f Field) bool {
	n := f.Value
	if n.Kind != Scalar || n.style != plain {
		return false
	}
	at := swallowed.FindStringIndex(n.Text)
	if at == nil {
		return false
	}
	d.wideComma(n.Line, n.Column+utf8.RuneCountInString(n.Text[:at[0]]))
	return true
}
