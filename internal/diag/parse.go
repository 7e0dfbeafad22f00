package diag

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// What a file may be at most, checked before the parser sees it: the parser recurses, and a Go stack that is used up
// cannot be recovered from.
const (
	MaxBytes   = 256 << 10 // who reads the file need not read more
	maxNesting = 64

	// The library's time grows with the square of a collection's size: 256 KiB of [x, x, ...] take it a minute. With
	// these bounds the worst file takes a tenth of a second on one slow core; an ordinary one of 256 KiB has 6,000 lines.
	maxLines  = 8_000
	maxTokens = 60_000
	maxFlow   = 2_000 // tokens in one [...] or {...}
	maxKeys   = 2_000 // in one mapping

	// A finding shows its line and may quote it: many findings in long lines must not multiply.
	maxLineBytes = 16 << 10
	maxFindings  = 500 // of one file
	maxText      = 400 // runes of one message
)

// Doc is one file on its way in: its tree and the findings so far.
type Doc struct {
	File string
	Root *Node // nil when the file could not be read at all
	List List

	written []string       // the lines of the file
	lines   []string       // the same, mended where that is needed to read on
	edits   map[int][]edit // by line, what was mended
	changed bool           // lines were mended since they were read
	quoted  map[int]bool   // lines in which a text got the quotation marks that it lacks
	unsure  map[int]bool   // lines of which it is not clear how far they are indented
	near    cursor
	walking bool // the file is read, its tree is made
	rule    string
	spare   Diagnostic // what is reported beyond maxFindings, or again, goes here
}

// Whole reports whether all of the file could be read: what it does not have is not there.
func (d *Doc) Whole() bool { return d.Root != nil && d.edits == nil }

// Findings gives the List, with each Fix as it is to be written in the place that the finding marks. Where more than that place would have
// to be replaced there is none: whoever applied it would break the file.
func (d *Doc) Findings() List {
	for i := range d.List {
		f := &d.List[i]
		switch {
		case f.Fix == "" || f.about == nil:
		case f.part:
			f.Fix = ""
		case f.inside:
			f.Fix = f.about.Inside(f.Fix)
		}
		f.about = nil
	}
	return d.List
}

// Room is how many findings more are shown of the file: see at.
func (d *Doc) Room() int { return max(0, maxFindings-len(d.List)) }

// SetRule names the rule that the following findings stand in; "" for none.
func (d *Doc) SetRule(name string) { d.rule = name }

// Parse reads one YAML file. It never fails: what is wrong is in the List of the Doc, and Root is nil when nothing
// could be made of the file.
func Parse(file string, src []byte) *Doc {
	d := &Doc{File: file}
	if d.split(src) {
		if d.Root = d.readPlain(); d.Root == nil {
			d.read()
		}
	}
	return d
}

// split makes lines of a file; false when it cannot be read.
func (d *Doc) split(src []byte) bool {
	if len(src) > MaxBytes {
		d.whole("N108", Text{fmt.Sprintf("the file has more than %d KiB", MaxBytes>>10), fmt.Sprintf("文件超过 %d KiB", MaxBytes>>10)}, // of a larger one no more is read
			Text{"split it into several files", "拆成几个文件"})
		return false
	}
	text := string(src)
	if strings.Contains(text, "\r") {
		text = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
	}
	d.lines = strings.Split(text, "\n")
	d.written = slices.Clone(d.lines)
	if !utf8.Valid(src) {
		i := slices.IndexFunc(d.lines, func(l string) bool { return !utf8.ValidString(l) })
		col := strings.IndexRune(d.lines[i], utf8.RuneError)
		d.lines[i] = strings.ToValidUTF8(d.lines[i], "\ufffd")
		d.written[i] = d.lines[i]
		col = utf8.RuneCountInString(d.lines[i][:min(col, len(d.lines[i]))]) + 1
		d.at(i+1, col, col+1, "N107", Error, Text{"the file is not UTF-8", "文件不是 UTF-8 编码"}, Text{"save it as UTF-8", "另存为 UTF-8"})
		return false
	}
	if strings.HasPrefix(text, "\ufeff") {
		d.at(1, 1, 2, "N107", Error, Text{"the file begins with a byte order mark", "文件开头有 BOM 标记"}, Text{"save it as UTF-8 without BOM", "另存为「UTF-8 无 BOM」"})
		d.mend(1, 1, 2, "")
	}
	if len(d.lines) > maxLines+1 {
		d.at(maxLines+1, 1, 0, "N108", Error, Text{fmt.Sprintf("the file has %d lines, the most is %d", len(d.lines), maxLines), fmt.Sprintf("文件有 %d 行，最多 %d", len(d.lines), maxLines)}, Text{"split it into several files", "拆成几个文件"})
		return false
	}
	if i := slices.IndexFunc(d.lines, func(l string) bool { return len(l) > maxLineBytes }); i >= 0 {
		d.at(i+1, 1, 2, "N108", Error, Text{fmt.Sprintf("the line has %d bytes, the most is %d", len(d.lines[i]), maxLineBytes), fmt.Sprintf("这一行有 %d 字节，最多 %d", len(d.lines[i]), maxLineBytes)},
			Text{"write it over several lines", "请分行写"})
		return false
	}
	d.indentation()
	return true
}

// read makes the tree, by the library. Where lines are mended, they are read again.
func (d *Doc) read() {
	for round, bytes := 0, 0; round < maxRounds && (round == 0 || bytes <= roundBytes); round++ {
		if slices.ContainsFunc(d.lines, func(l string) bool { return len(l) > 2*maxLineBytes }) {
			return // what mends it makes it worse: of `{!}4:!` the quotation marks double each round
		}
		d.changed = false
		text := strings.Join(d.lines, "\n")
		bytes += len(text)
		if d.build(text); d.Root != nil || !d.changed {
			return
		}
	}
}

// build scans, refuses what the format does not have, parses and converts. A panic of the YAML library becomes a finding. Where lines are
// mended and nothing is made of them yet, it is to be called again.
func (d *Doc) build(text string) {
	defer func() {
		if r := recover(); r != nil {
			d.Root, d.changed = nil, false
			d.syntax(fmt.Errorf("the YAML library panics: %v", r))
			d.changed = false // nothing that makes it panic is read twice
		}
	}()
	tokens := lexer.Tokenize(text)
	if d.refuse(tokens) || d.changed {
		return
	}
	f, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		before := len(d.List)
		d.afterSyntax(before, d.syntax(err))
		return
	}
	d.walking = true
	for _, doc := range f.Docs {
		if doc.Body == nil {
			continue
		}
		if d.Root != nil {
			p := doc.Body.GetToken().Position
			d.at(p.Line, 1, 0, "N108", Error, Text{"a second document: what follows `---` would be ignored", "文件里有第二个文档，`---` 之后的内容会被忽略"},
				Text{"put it into a file of its own", "把它放进另一个文件"})
			return
		}
		d.Root = d.convert(doc.Body)
	}
	if d.Root == nil && d.edits == nil {
		d.whole("N104", Text{"the file is empty", "文件是空的"}, Text{"write `version: 1` and what belongs into the file, or remove it", "请写上 `version: 1` 和内容，或删掉这个文件"})
	}
}

// falseSpaces are the white space that looks like indentation and is none, with what is said of it.
var falseSpaces = map[rune]Text{'\t': {"a tab as indentation", "缩进里有制表符（Tab）"}, '\u3000': {"a full-width space as indentation", "缩进里有全角空格"},
	'\u00a0': {"a no-break space as indentation", "缩进里有不换行空格"}}

// indentation finds the white space that looks like indentation and is none. Of each kind the first line is shown: an editor that wrote one
// wrote all of them.
func (d *Doc) indentation() {
	d.unsure = map[int]bool{}
	mended, unclear := Indented(d.lines)
	guesses := 0
	first, lines := map[rune]int{}, map[rune]int{} // the finding, and how many lines it stands for
	for i, l := range d.lines {
		text := strings.TrimLeft(l, looksLike)
		col := strings.IndexAny(l[:len(l)-len(text)], "\t\u3000\u00a0")
		if col < 0 || unclear == 0 && mended[i] == l {
			continue
		}
		r, _ := utf8.DecodeRuneInString(l[col:])
		hint := Text{"use spaces, two for each level", "请用半角空格，每层两个"}
		if i+1 == unclear {
			hint = Text{"use spaces, two for each level; what this line belongs to cannot be told", "请用半角空格，每层两个；看不出这一行属于哪一层"}
		}
		if lines[r]++; lines[r] == 1 || i+1 == unclear {
			d.at(i+1, col+1, col+2, "N106", Error, falseSpaces[r], hint)
		}
		if lines[r] == 1 {
			first[r] = len(d.List) - 1
		}
		lead := ""
		if unclear == 0 {
			lead = strings.TrimSuffix(mended[i], text)
		} else if guesses++; guesses > maxGuesses {
			lead = strings.Repeat(" ", widths{tab: 2, wide: 2}.column(l[:len(l)-len(text)]))
		} else {
			var unsure bool
			if lead, text, unsure = indentation(d.lines, i); unsure {
				d.unsure[i+1] = true
			}
			if len(lead) > 2*maxNesting {
				guesses = maxGuesses // deeper than a file may be: it is no file of rules
			}
		}
		d.mend(i+1, 1, utf8.RuneCountInString(l)-utf8.RuneCountInString(text)+1, lead)
	}
	for r, n := range lines {
		if n > 1 {
			m := &d.List[first[r]].Message
			m.EN, m.ZH = fmt.Sprintf("%s, in %d lines", m.EN, n), fmt.Sprintf("%s，共 %d 行", m.ZH, n)
		}
	}
}

var (
	wideColon = regexp.MustCompile(`^\s*([A-Za-z_][\w-]*)\s*：`)
	blockLead = regexp.MustCompile(`^[ ]*((-|\?) +)*`)
)

// refuse looks at the tokens for what the format does not have and for marks that are not what they seem. It is true when the file is
// too large or too deep to be read.
func (d *Doc) refuse(tokens token.Tokens) (bad bool) {
	for i, l := range d.lines {
		if len(l)-len(strings.TrimLeft(l, " -?")) <= maxNesting { // nearly always: no regular expression is needed
			continue
		}
		lead := blockLead.FindString(l)
		if len(lead) > 4*maxNesting || strings.Count(lead, "-")+strings.Count(lead, "?") > maxNesting {
			d.at(i+1, 1, 0, "N108", Error, Text{"nested too deeply", "嵌套太深"}, Text{"write it with fewer levels", "请减少层数"})
			return true
		}
	}
	if d.manyKeys() {
		return true
	}
	if len(tokens) > maxTokens {
		p := tokens[maxTokens].Position
		d.at(p.Line, p.Column, p.Column+1, "N108", Error, Text{"the file has too many words", "文件内容太多"}, Text{"split it into several files", "拆成几个文件"})
		return true
	}
	flow, refused := 0, 0
	var open token.Tokens // the brackets around a token
	mended := map[int]bool{}
	for _, t := range tokens {
		p := t.Position
		if flow++; len(open) == 0 {
			flow = 0
		} else if n := len(d.edits[p.Line]); !mended[p.Line] { // a second one of the line is found when it is read again
			d.insideBrackets(t, open[len(open)-1])
			mended[p.Line] = len(d.edits[p.Line]) > n
		}
		if flow > maxFlow {
			d.at(p.Line, p.Column, p.Column+1, "N108", Error, Text{"a list or mapping in brackets is too long", "括号里的内容太长"}, Text{"write it over several lines, with `- `", "请分行写，用 `- `"})
			return true
		}
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			if open = append(open, t); len(open) > maxNesting {
				d.at(p.Line, p.Column, p.Column+1, "N108", Error, Text{"nested too deeply", "嵌套太深"}, Text{"write it with fewer levels", "请减少层数"})
				return true
			}
		case token.SequenceEndType, token.MappingEndType:
			open = open[:max(len(open)-1, 0)]
		case token.DoubleQuoteType, token.InvalidType:
			if d.badEscapes(t) {
				return true // where the text ends, and all behind it, the library tells wrongly
			}
		case token.SequenceEntryType, token.MappingKeyType:
			if q := t.Prev; q != nil && q.Position.Line == p.Line && (q.Type == token.MappingValueType || len(open) > 0) {
				d.dashInText(t)
			}
		case token.AnchorType, token.AliasType, token.TagType, token.MergeKeyType, token.DirectiveType:
			if p.Line != refused {
				d.foreign(t)
			}
			refused = p.Line
		case token.StringType:
			if q := t.Prev; t.Next != nil && t.Next.Type == token.MappingValueType && (q == nil || q.Position.Line < p.Line || q.Type == token.SequenceEntryType) {
				d.otherDash(t)
				d.tightBracket(t)
			}
			if !strings.Contains(t.Origin, "：") {
				continue
			}
			first := t.Prev == nil || t.Prev.Type != token.MappingValueType || t.Prev.Position.Line != p.Line
			for i, line := range strings.Split(strings.Trim(t.Origin, " \n"), "\n") {
				if m := wideColon.FindStringSubmatch(line); m != nil && (first || i > 0) {
					d.wideKey(p.Line+i, strings.Count(t.Origin, "\n"), m[1])
				}
			}
		case token.CommentType:
			if q := t.Prev; q != nil && q.Type == token.StringType && q.Position.Line == p.Line && !strings.HasPrefix(t.Value, " ") && t.Value != "" && !strings.HasPrefix(t.Value, "#") {
				d.at(p.Line, p.Column, 0, "W113", Warning, Text{"the text ends before ` #`: the rest is a comment", "` #` 之后是注释，文字到这里就断了"},
					Text{"put the text in double quotes, or a space behind `#`", "文字请加双引号；如果是注释，`#` 后面加空格"})
			}
		}
	}
	return bad
}

// wideKey reports a full-width colon behind a key. The library says where a text ends that goes over several lines; the key is looked for
// from there upwards.
func (d *Doc) wideKey(line, above int, key string) {
	for l := min(line, len(d.lines)); l >= max(1, line-above-1); l-- {
		lead := blockLead.FindString(d.lines[l-1])
		m := wideColon.FindString(d.lines[l-1][len(lead):])
		if !strings.HasPrefix(m, key) {
			if i := strings.Index(d.lines[l-1], key+"："); i > 0 && l == line { // inside brackets
				lead, m = d.lines[l-1][:i], key+"："
			} else {
				continue
			}
		}
		col := utf8.RuneCountInString(lead) + utf8.RuneCountInString(m)
		d.at(l, col, col+1, "N103", Error, Text{"a full-width colon `：`", "这里是全角冒号 `：`"}, Text{"write `" + key + ": `", "改成半角冒号加空格：`" + key + ": `"}).Fix = ": "
		d.mend(l, col, col+1, ": ")
		return
	}
}

// manyKeys counts the keys of each mapping by their indentation, before the parser, whose time grows with the square.
func (d *Doc) manyKeys() bool {
	var at, keys []int // indentation and number of keys of the mappings that are open
	for i, l := range d.lines {
		text := strings.TrimLeft(l, " ")
		indent := len(l) - len(text)
		if text == "" || text[0] == '#' {
			continue
		}
		for len(at) > 0 && at[len(at)-1] > indent {
			at, keys = at[:len(at)-1], keys[:len(keys)-1]
		}
		if len(at) == 0 || at[len(at)-1] < indent {
			at, keys = append(at, indent), append(keys, 0)
		}
		if text[0] == '-' {
			continue
		}
		if keys[len(keys)-1]++; keys[len(keys)-1] > maxKeys {
			d.at(i+1, indent+1, 0, "N108", Error, Text{fmt.Sprintf("more than %d keys in one mapping", maxKeys), fmt.Sprintf("一组配置项超过 %d 个", maxKeys)}, Text{"split the file", "请拆成几个文件"})
			return true
		}
	}
	return false
}

var (
	reference = regexp.MustCompile(`^[&*][A-Za-z0-9_-]+ *([\[{].*)?$`)
	typeTag   = regexp.MustCompile(`^!(![a-z]+|<)`)
)

// foreign reports what YAML has and the format has not. Mostly a text was meant, whose first character YAML takes for its own.
func (d *Doc) foreign(t *token.Token) {
	line, col := t.Position.Line, max(1, t.Position.Column)
	text := d.textFrom(line, col)
	report := func(msg, hint Text) {
		d.at(line, col, col+max(1, utf8.RuneCountInString(t.Value)), "N105", Error, msg, hint)
	}
	switch {
	case t.Type == token.MergeKeyType:
		defer d.takeOut(line)
		report(Text{"merge keys (`<<`) are not part of the format", "不支持合并键（`<<`）"}, Text{"write the keys out", "请把这些配置项直接写出来"})
	case reference.MatchString(text):
		defer d.takeOut(line)
		report(Text{"anchors and aliases (`&`, `*`) are not part of the format", "不支持锚点和别名（`&`、`*`）"}, Text{"write the value out where it is needed; a text goes in double quotes", "请在用到的地方直接写出内容；如果是文字，请加双引号"})
	case typeTag.MatchString(text):
		defer d.mend(line, col, col+max(1, utf8.RuneCountInString(t.Value)), "")
		report(Text{"type tags (`!!`) are not part of the format", "不支持类型标签（`!!`）"}, Text{"remove it: a text is taken as it is written", "请删掉：文字按写的原样读取"})
	case t.Type == token.TagType:
		d.needsQuotes(line, col, text, Text{"`!` at the beginning is a tag of YAML: the text would load as nothing", "`!` 开头会被 YAML 当作标签，内容会丢失"})
	default:
		d.indicator(line, col)
	}
}

// whole reports what is wrong with the file as a whole, at its beginning.
func (d *Doc) whole(code string, msg, hint Text) { d.at(1, 1, 2, code, Error, msg, hint) }

// at adds a finding at a place; to 0 is the end of the line. The pointer is good until the next finding.
func (d *Doc) at(line, from, to int, code string, sev Severity, msg, hint Text) *Diagnostic {
	if n := len(d.List); n >= maxFindings {
		if n == maxFindings { // an error, whatever it stands for: the file must not load
			d.List = append(d.List, Diagnostic{Code: "N108", Severity: Error, File: d.File, Line: line, Column: from, EndColumn: max(to, from), Rule: d.rule,
				Message: Text{"too many mistakes in this file: the rest is not shown", "这个文件的错误太多，后面的不再列出"}, Hint: Text{"mend the first ones and check again", "请先改前面的，再检查"}})
		}
		d.spare = Diagnostic{}
		return &d.spare
	}
	out := Diagnostic{Code: code, Severity: sev, File: d.File, Line: line, Column: d.place(line, from), EndColumn: to, Message: msg.short(), Hint: hint.short(), Rule: d.rule}
	if to > 0 {
		out.EndColumn = d.place(line, max(to-1, from)) + 1
	}
	if line >= 1 && line <= len(d.written) {
		out.source = strings.TrimRight(d.written[line-1], " ")
		if to == 0 {
			out.EndColumn = utf8.RuneCountInString(out.source) + 1
		}
	}
	if d.edits != nil && slices.ContainsFunc(d.List, func(x Diagnostic) bool {
		return x.Line == out.Line && x.Column == out.Column && x.Code == code && x.Message == out.Message
	}) {
		d.spare = Diagnostic{} // the file is read again
		return &d.spare
	}
	out.EndColumn = max(out.EndColumn, out.Column)
	d.List = append(d.List, out)
	return &d.List[len(d.List)-1]
}

// convert makes our tree of the library's.
func (d *Doc) convert(n ast.Node) *Node {
	switch n := n.(type) {
	case *ast.MappingNode:
		out := d.node(n, Mapping)
		if len(n.Values) > 0 && !n.IsFlowStyle {
			out.place(n.Values[0].Key.GetToken())
		}
		for _, v := range n.Values {
			if !n.IsFlowStyle || !d.pieceOfText(out, v) {
				d.entry(out, v)
			}
		}
		if out.Get("<<") != nil {
			out.Kind = invalid // keys are lost: what else it lacks is no news
		}
		return out
	case *ast.MappingValueNode:
		out := d.node(n, Mapping)
		out.place(n.Key.GetToken())
		if d.entry(out, n); out.Get("<<") != nil {
			out.Kind = invalid
		}
		return out
	case *ast.SequenceNode:
		out := d.node(n, Sequence)
		for _, v := range n.Values {
			item := d.convert(v)
			if n.IsFlowStyle {
				item.rejoin()
				out.Items = append(out.Items, d.items(out, item)...)
				continue
			}
			out.Items = append(out.Items, item)
		}
		return out
	case *ast.NullNode:
		out := d.node(n, invalid)
		if d.hidden(out) {
			return out
		}
		if out.empty = n.Token.Type == token.ImplicitNullType; out.empty {
			d.at(out.Line, out.Column, out.Column+1, "N104", Error, Text{"nothing is written here", "这里没有内容"}, Text{"write a value or remove the key", "请填写内容，或删掉这个配置项"})
		} else {
			d.at(out.Line, out.Column, out.Column+utf8.RuneCountInString(n.Token.Value), "N104", Error, Text{"`" + n.Token.Value + "` means nothing to YAML", "`" + n.Token.Value + "` 在 YAML 里表示“空”"}, Text{"write a value, or put the word in double quotes", "请填写内容；如果是文字，请加双引号"})
		}
		return out
	case *ast.LiteralNode:
		out := d.node(n, Scalar)
		out.Text, out.style = strings.TrimRight(n.Value.Value, "\n"), block
		out.end = out.Column + utf8.RuneCountInString(n.Start.Value)
		return out
	case ast.ScalarNode:
		out := d.node(n, Scalar)
		if out.Text = n.GetToken().Value; out.Text == lost && d.edits != nil {
			out.Kind = invalid
			return out
		}
		switch n.GetToken().Type {
		case token.DoubleQuoteType:
			out.style = double
		case token.SingleQuoteType:
			out.style = single
		}
		if out.style == plain {
			out.unshift()
		}
		out.end = out.endColumn()
		if out.style == plain {
			d.plainText(out)
		}
		return out
	}
	out := d.node(n, invalid)
	d.at(out.Line, out.Column, out.end, "N105", Error, Text{"this YAML is not part of the format", "不支持这种 YAML 写法"}, Text{"write a text, a list or `key: value`", "请写文字、列表或 `key: value`"})
	return out
}

var hash = regexp.MustCompile(`: +(#[^# ].*)$`)

// hidden reports a value that begins with `#`, which makes a comment of it. Behind a comment stands a space.
func (d *Doc) hidden(n *Node) bool {
	for l := n.Line; l >= max(1, n.Line-1); l-- { // the library may put the value below its key
		if m := hash.FindStringSubmatch(d.lines[l-1]); m != nil {
			col := utf8.RuneCountInString(strings.TrimSuffix(d.lines[l-1], m[1])) + 1
			n.Line, n.Column = l, col
			fix := quote(strings.TrimSpace(m[1]))
			d.at(l, col, 0, "N113", Error, Text{"`#` begins a comment: nothing is left of the text", "`#` 开头的是注释：文字全都没了"}, Text{"write `" + fix + "`", "写成 `" + fix + "`"}).Fix = fix
			return true
		}
	}
	return false
}

func (d *Doc) entry(out *Node, v *ast.MappingValueNode) {
	k := &Node{Kind: Scalar, doc: d}
	k.place(v.Key.GetToken())
	k.Text = v.Key.GetToken().Value
	if sc, ok := v.Key.(ast.ScalarNode); ok {
		switch sc.GetToken().Type {
		case token.DoubleQuoteType:
			k.style = double
		case token.SingleQuoteType:
			k.style = single
		}
	} else {
		k.Kind = invalid
		d.at(k.Line, k.Column, k.Column+1, "N105", Error, Text{"a key must be a plain word", "配置项必须是一个普通的词"}, Text{"write `key: value`", "请写 `key: value`"})
	}
	k.end = k.endColumn()
	if k.style == plain && k.Kind == Scalar && strings.HasPrefix(k.Text, "-") && dashed.MatchString(d.lines[k.Line-1]) {
		d.tightDash(k.Line, 0, "")
		k.Text = strings.TrimLeft(k.Text, "-\u3000 ")
	}
	val := d.convert(v.Value)
	if val.Kind == invalid && val.Line == k.Line && val.Column <= k.end {
		val.Line, val.Column = k.Line, k.Column
	}
	for i := range out.Fields {
		if out.Fields[i].Key.Text == k.Text {
			first := out.Fields[i].Key
			d.at(k.Line, k.Column, k.end, "N102", Error, Text{fmt.Sprintf("`%s` is written twice, first in line %d", k.Text, first.Line), fmt.Sprintf("`%s` 写了两次，第一次在第 %d 行", k.Text, first.Line)}, Text{"keep one of them", "只保留一个"})
			return
		}
	}
	out.Fields = append(out.Fields, Field{k, val})
}

func (d *Doc) node(n ast.Node, k Kind) *Node {
	out := &Node{Kind: k, doc: d}
	out.place(n.GetToken())
	return out
}
