package diag

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// quick reads a file that is written plainly, without the library, which takes the larger half of the time to load many rules: mappings
// and lists by indentation, values and brackets in one line, comments. It reports nothing and mends nothing: of whatever may be a mistake, or
// is only unusual, it makes nothing, and the file is the library's. Where it makes a tree, that is the tree that is made of the
// library's and nothing is to be said of the file: TestQuickAgreesWithTheLibrary and FuzzQuick hold it to that.
type quick struct {
	doc       *Doc
	line      int // in doc.lines, from 0; behind the last one at the end
	at        int // the byte of it that is next
	column    int // the same in runes, from 1
	depth     int // of blocks and brackets
	tokens    int // of the file, about as the library counts them
	fromFlow  int // tokens before the outermost bracket
	inBracket bool
}

// gaveUp is what stops quick, from whatever depth.
type gaveUp struct{}

// maxDepth is how deep quick goes: far less than is allowed.
const maxDepth = 16

// readPlain gives the tree of a file that quick can read, and nil.
func (d *Doc) readPlain() (root *Node) {
	if d.edits != nil || len(d.List) > 0 {
		return nil
	}
	for _, l := range d.lines {
		for i := range len(l) {
			if l[i] < ' ' || l[i] == 0x7f {
				return nil
			}
		}
		if strings.HasSuffix(l, " ") { // the library tells places behind it wrongly
			return nil
		}
	}
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(gaveUp); !ok {
				panic(r)
			}
			root = nil
		}
	}()
	q := &quick{doc: d, line: -1}
	q.nextLine()
	q.must(q.more() && q.at == 0)
	root = q.block()
	q.must(!q.more() && root.Kind == Mapping)
	return root
}

func (q *quick) must(ok bool) {
	if !ok {
		panic(gaveUp{})
	}
}

// more reports whether there is a line.
func (q *quick) more() bool { return q.line < len(q.doc.lines) }

// rest is the line from here on.
func (q *quick) rest() string { return q.doc.lines[q.line][q.at:] }

// skip goes on by bytes.
func (q *quick) skip(n int) {
	q.column += utf8.RuneCountInString(q.rest()[:n])
	q.at += n
}

func (q *quick) spaces() { q.skip(indentOf(q.rest())) }

// count counts the tokens that are allowed by far.
func (q *quick) count(n int) {
	q.tokens += n
	q.must(q.tokens < maxTokens/2 && (!q.inBracket || q.tokens-q.fromFlow < maxFlow/2))
}

// node makes the node that begins here.
func (q *quick) node(k Kind) *Node {
	return &Node{Kind: k, Line: q.line + 1, Column: q.column, end: q.column + 1, doc: q.doc}
}

// nextLine goes to the next line that holds more than a comment.
func (q *quick) nextLine() {
	for q.line++; q.more(); q.line++ {
		l := q.doc.lines[q.line]
		q.at = indentOf(l)
		q.column = q.at + 1
		q.must(q.at <= maxNesting)
		if q.at < len(l) && l[q.at] != '#' {
			return
		}
		q.count(1)
	}
}

// endLine goes to the next line, behind a comment with a space before and behind its mark.
func (q *quick) endLine() {
	rest := q.rest()
	text := strings.TrimLeft(rest, " ")
	q.must(text == "" || text[0] == '#' && len(text) < len(rest) && (len(text) == 1 || text[1] == ' ' || text[1] == '#'))
	q.count(1)
	q.nextLine()
}

func (q *quick) dash() bool { return strings.HasPrefix(q.rest(), "- ") }

// block reads the mapping or the list whose first entry stands here, to the line that is indented less.
func (q *quick) block() *Node {
	q.depth++
	q.must(q.depth <= maxDepth)
	indent, out := q.at, q.node(Mapping)
	if q.dash() {
		out.Kind = Sequence
		for q.more() && q.at == indent && q.dash() {
			q.count(1)
			q.skip(1)
			q.spaces()
			out.Items = append(out.Items, q.item())
		}
	} else {
		out.Fields = make([]Field, 0, 8)
		for q.more() && q.at == indent {
			k := q.key(out)
			out.Fields = append(out.Fields, Field{k, q.below(indent)})
		}
	}
	q.must(!q.more() || q.at <= indent)
	q.depth--
	return out
}

// item reads what stands behind a dash.
func (q *quick) item() *Node {
	rest := q.rest()
	if q.dash() || keyLength(rest) > 0 {
		return q.block()
	}
	return q.inline()
}

// below reads the value behind the colon of a key: in its line, or as a block in the next ones.
func (q *quick) below(indent int) *Node {
	if rest := strings.TrimLeft(q.rest(), " "); rest != "" && rest[0] != '#' {
		q.spaces()
		return q.inline()
	}
	q.endLine()
	q.must(q.more() && (q.at > indent || q.at == indent && q.dash()))
	q.must(q.dash() || keyLength(q.rest()) > 0)
	return q.block()
}

// inline reads a value that ends with the line.
func (q *quick) inline() *Node {
	out := q.value(0)
	q.endLine()
	return out
}

// keyLength is how many bytes a key has that stands at the beginning of a text with a colon and a space, or the end, behind it; 0 when there
// is none.
func keyLength(s string) int {
	for i, r := range s {
		switch {
		case r == ':' && (i+1 == len(s) || s[i+1] == ' '):
			return i
		case r == '_' || unicode.IsLetter(r) || r >= '0' && r <= '9':
		case i > 0 && (r == '-' || r == '.'):
		default:
			return 0
		}
	}
	return 0
}

// key reads a key of a mapping, and its colon.
func (q *quick) key(of *Node) *Node {
	n := keyLength(q.rest())
	q.must(n > 0 && n < 128 && len(of.Fields) < maxKeys)
	out := q.node(Scalar)
	out.Text = q.rest()[:n]
	q.must(!isNull(out.Text))
	for i := range of.Fields {
		q.must(of.Fields[i].Key.Text != out.Text)
	}
	q.skip(n)
	out.end = q.column
	q.skip(1)
	q.count(2)
	return out
}

func isNull(s string) bool { return s == "null" || s == "Null" || s == "NULL" }

// value reads a value within one line. In brackets it ends at a comma or a bracket: inside is the bracket that it stands in, or 0.
func (q *quick) value(inside byte) *Node {
	rest := q.rest()
	q.must(rest != "")
	q.count(1)
	switch rest[0] {
	case '"', '\'':
		return q.quoted(rest)
	case '[', '{':
		return q.bracket(rest[0])
	}
	return q.plain(rest, inside)
}

// quoted reads a text in quotation marks.
func (q *quick) quoted(rest string) *Node {
	out, mark := q.node(Scalar), rest[0]
	if out.style = single; mark == '"' {
		out.style = double
	}
	escaped, i := false, 1
	for ; ; i++ {
		q.must(i < len(rest))
		if rest[i] == mark {
			if mark == '"' || i+1 == len(rest) || rest[i+1] != mark {
				break
			}
			escaped = true
			i++
		}
		if mark == '"' && rest[i] == '\\' {
			i++
			q.must(i < len(rest) && (rest[i] == '"' || rest[i] == '\\'))
			escaped = true
		}
	}
	if out.Text = rest[1:i]; escaped && mark == '"' {
		out.Text = unescape.Replace(out.Text)
	} else if escaped {
		out.Text = strings.ReplaceAll(out.Text, "''", "'")
	}
	q.skip(i + 1)
	out.end = q.column
	return out
}

var unescape = strings.NewReplacer(`\\`, `\`, `\"`, `"`)

// bracket reads a list or a mapping in brackets. Behind each comma and colon is a space.
func (q *quick) bracket(open byte) *Node {
	if q.depth++; !q.inBracket {
		q.inBracket, q.fromFlow = true, q.tokens
		defer func() { q.inBracket = false }()
	}
	q.must(q.depth <= maxDepth)
	out, end := q.node(Sequence), byte(']')
	if open == '{' {
		out.Kind, end = Mapping, '}'
	}
	q.skip(1)
	for !strings.HasPrefix(q.rest(), string(end)) {
		q.spaces()
		if open == '{' {
			k := q.key(out)
			q.must(strings.HasPrefix(q.rest(), " "))
			q.spaces()
			out.Fields = append(out.Fields, Field{k, q.value(open)})
		} else {
			out.Items = append(out.Items, q.value(open))
		}
		q.spaces()
		q.count(1)
		if !strings.HasPrefix(q.rest(), string(end)) {
			q.must(strings.HasPrefix(q.rest(), ", "))
			q.skip(1)
		}
	}
	q.skip(1)
	q.count(1)
	q.depth--
	return out
}

// plain reads a text without quotation marks.
func (q *quick) plain(rest string, inside byte) *Node {
	end := len(rest)
	if inside != 0 {
		end = strings.IndexAny(rest, ",]}")
		q.must(end > 0)
	} else if i := strings.Index(rest, " #"); i >= 0 {
		end = i
	}
	out := q.node(Scalar)
	out.Text = strings.TrimRight(rest[:end], " ")
	first, _ := utf8.DecodeRuneInString(out.Text)
	q.must(out.Text != "" && harmless(first) && !isNull(out.Text) && !strings.Contains(out.Text, ": ") && !strings.HasSuffix(out.Text, ":"))
	q.must(!strings.Contains(out.Text, "：") || !wideColon.MatchString(out.Text))
	switch inside {
	case '[':
		q.must(!strings.ContainsAny(out.Text, "[{\"'#，:"))
	case '{':
		q.must(!strings.ContainsAny(out.Text, "[{\"'#，"))
	}
	q.skip(len(out.Text))
	out.end = q.column
	return out
}

// harmless reports whether a text that begins with a character is a text to YAML, and no mistake to us: plainText.
func harmless(r rune) bool {
	if r < utf8.RuneSelf {
		return r == '_' || r == '$' || r == '/' || r == '(' || r == '+' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
	}
	return unicode.IsPrint(r) && !strings.ContainsRune(openMarks+"｛［", r)
}
