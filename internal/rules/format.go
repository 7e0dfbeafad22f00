package rules

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/notifier/notifier/internal/diag"
)

// Formatted is what Format made of one file.
type Formatted struct {
	File  File
	Out   []byte
	Left  bool // errors of form are left in it: it is repaired, its layout is as it was
	Moved int  // findings that were repaired: tabs, full-width marks

	Unclear int // a line whose indentation may mean several things, or 0: nothing is changed
}

// Changed reports whether Format would write the file anew.
func (f *Formatted) Changed() bool { return string(f.File.Data) != string(f.Out) }

// Format writes the YAML files canonically: tabs and other white space that looks like indentation, full-width marks outside of texts,
// the order of keys, titles and bodies in double quotes, one empty line between rules, none at the end of a line. Comments stay with
// what they stand above. What a file says does not change, with one exception that is the purpose: marks that made it unreadable
// become those that were meant. An error is a fault in here, and nothing should be written.
func Format(files []File, opt Options) ([]Formatted, error) {
	repaired, moved, unclear := repair(files, opt)
	var out []Formatted
	for i, f := range repaired {
		if !isYAML(f.Name) {
			continue
		}
		r := Formatted{File: files[i], Out: f.Data, Moved: moved[f.Name], Unclear: unclear[f.Name]}
		if r.Unclear > 0 {
			r.Left = true
			out = append(out, r)
			continue
		}
		before := diag.Parse(f.Name, f.Data)
		if r.Left = before.List.Errors() > 0 || before.Root == nil; r.Left && len(f.Data) > diag.MaxBytes {
			r.Out = f.Data
		} else if r.Left {
			r.Out = trimKeys(f.Data)
		} else {
			text := arrange(quoteTexts(f.Data, before.Root))
			after := diag.Parse(f.Name, []byte(text))
			if after.List.Errors() > 0 || !sameTree(before.Root, after.Root) {
				return nil, fmt.Errorf("format %s: what the file says would change, so nothing is written; please report it with the file", f.Name)
			}
			r.Out = []byte(text)
		}
		out = append(out, r)
	}
	return out, nil
}

func isYAML(name string) bool { e := path.Ext(name); return e == ".yaml" || e == ".yml" }

// repair does what needs no understanding of the layout: white space, then the marks that the loader names with their cure.
func repair(files []File, opt Options) (repaired []File, moved, unclear map[string]int) {
	files = slices.Clone(files)
	opt.marks = true
	moved, unclear = map[string]int{}, map[string]int{}
	for i, f := range files {
		if isYAML(f.Name) && len(f.Data) <= diag.MaxBytes { // of a larger one there is the beginning only: shortened it would pass for the whole
			text, n, line := whiteSpace(string(f.Data))
			if unclear[f.Name] = line; line == 0 {
				files[i].Data, moved[f.Name] = []byte(text), n
			}
		}
	}
	stuck := map[string]bool{} // findings whose cure does more harm
	for range 1000 {           // a condition tells one mark at a time
		_, list := LoadFiles(files, opt)
		did := false
		for i, f := range files {
			for _, d := range list {
				if unclear[f.Name] > 0 {
					break
				}
				if place := fmt.Sprint(d.File, d.Line, d.Column, d.Fix); d.File == f.Name && d.Severity == diag.Error && markCode[d.Code] && d.Fix != "" && !stuck[place] {
					data, ok := replaced(f.Data, d)
					if stuck[place] = !ok; ok {
						files[i].Data, did = data, true
						moved[f.Name]++
						break
					}
				}
			}
		}
		if !did {
			break
		}
	}
	return files, moved, unclear
}

// markCode are the findings whose Fix replaces a full-width mark.
var markCode = map[string]bool{"N103": true, "N207": true, "N211": true, "N115": true, "N301": true}

// replaced puts a finding's cure in its place; false when there is no full-width mark in it, or when the file is worse afterwards.
func replaced(data []byte, d diag.Diagnostic) ([]byte, bool) {
	lines := strings.Split(string(data), "\n")
	if d.Line < 1 || d.Line > len(lines) {
		return nil, false
	}
	r := []rune(lines[d.Line-1])
	from, to := d.Column-1, d.EndColumn-1
	if from < 0 || to > len(r) || from >= to || utf8.RuneCountInString(string(r[from:to])) == len(string(r[from:to])) {
		return nil, false
	}
	fix, rest := d.Fix, string(r[to:])
	if rest == "" || strings.ContainsRune(" \"'", []rune(rest)[0]) {
		fix = strings.TrimRight(fix, " ")
	}
	if strings.HasSuffix(string(r[:from]), " ") {
		fix = strings.TrimLeft(fix, " ")
	}
	lines[d.Line-1] = string(r[:from]) + fix + rest
	out := []byte(strings.Join(lines, "\n"))
	was, is := diag.Parse(d.File, data), diag.Parse(d.File, out)
	return out, is.Root != nil && others(is.List, d.Line) <= others(was.List, d.Line) || was.Root == nil
}

// others counts errors without the marks of a line: mended, one may let the next be seen.
func others(l diag.List, line int) (n int) {
	for _, d := range l {
		if d.Severity == diag.Error && !(d.Line == line && markCode[d.Code] && d.Fix != "") {
			n++
		}
	}
	return n
}

var (
	keyAlone  = regexp.MustCompile(`^ *(?:- +)*[A-Za-z_][\w.-]*: +$`)
	blockText = regexp.MustCompile(`[:-] +[|>][-+0-9]*\s*$`)
)

// trimKeys takes white space from behind keys whose value is in the lines below, in a file that cannot be laid out.
func trimKeys(data []byte) []byte {
	lines := strings.Split(string(data), "\n")
	text := -1 // how far the key of a text is indented, whose lines stay as they are
	for i, l := range lines {
		indent := len(l) - len(strings.TrimLeft(l, " "))
		switch {
		case text >= 0 && (indent > text || strings.TrimSpace(l) == ""):
			continue
		case blockText.MatchString(l):
			text = indent
			continue
		case keyAlone.MatchString(l):
			lines[i] = strings.TrimRight(l, " ")
		}
		text = -1
	}
	return []byte(strings.Join(lines, "\n"))
}

// whiteSpace mends line ends, the byte order mark and what looks like indentation. unclear is a line of which it cannot be told how far it
// is indented, or 0.
func whiteSpace(text string) (mended string, n, unclear int) {
	for _, c := range []struct{ old, new string }{{"\ufeff", ""}, {"\r\n", "\n"}, {"\r", "\n"}} {
		if c.old == "\ufeff" && !strings.HasPrefix(text, c.old) {
			continue
		}
		if k := strings.Count(text, c.old); k > 0 {
			text, n = strings.ReplaceAll(text, c.old, c.new), n+k
		}
	}
	lines := strings.Split(text, "\n")
	out, unclear := diag.Indented(lines)
	for i, l := range out {
		if l != lines[i] {
			n++
		}
	}
	return strings.Join(out, "\n"), n, unclear
}

// quoteTexts puts titles, bodies and times of day in double quotes.
func quoteTexts(data []byte, root *diag.Node) []string {
	lines := strings.Split(string(data), "\n")
	var texts []*diag.Node
	var walk func(n *diag.Node, in string)
	walk = func(n *diag.Node, in string) {
		for _, f := range n.Fields {
			k := f.Key.Text
			switch {
			case f.Value.Kind != diag.Scalar:
			case (k == "title" || k == "body") && (in == "push" || in == "broadcast" || in == "one" || in == "variants"), k == "send_at", k == "reserve_until":
				texts = append(texts, f.Value)
			}
			walk(f.Value, k)
		}
		for _, item := range n.Items {
			walk(item, in)
		}
	}
	walk(root, "")
	slices.SortFunc(texts, func(a, b *diag.Node) int { // from the end, so that places stay true
		if a.Line != b.Line {
			return b.Line - a.Line
		}
		return b.Column - a.Column
	})
	for _, n := range texts {
		r := []rune(lines[n.Line-1])
		from, written := n.Column-1, n.Text
		if n.Quoted() {
			written = "'" + strings.ReplaceAll(n.Text, "'", "''") + "'"
		}
		to := from + utf8.RuneCountInString(written)
		if n.Text == "" || to > len(r) || string(r[from:to]) != written {
			continue // in double quotes, a block, or a text over several lines
		}
		quoted := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(n.Text) + `"`
		lines[n.Line-1] = string(r[:from]) + quoted + string(r[to:])
	}
	return lines
}

// sameTree reports whether two files say the same; the order of keys says nothing.
func sameTree(a, b *diag.Node) bool {
	if a == nil || b == nil {
		return a == b
	}
	if a.Kind != b.Kind || a.Text != b.Text || len(a.Fields) != len(b.Fields) || len(a.Items) != len(b.Items) {
		return false
	}
	for _, f := range a.Fields {
		if !sameTree(f.Value, b.Get(f.Key.Text)) {
			return false
		}
	}
	for i := range a.Items {
		if !sameTree(a.Items[i], b.Items[i]) {
			return false
		}
	}
	return true
}

// keyOrder is the order of keys by the key that the mapping stands under; "" is the file. Keys that are not in it stand behind them.
var keyOrder = map[string][]string{
	"":       {"version", "defaults", "events", "rules"},
	"events": {"title", "topic", "kind", "update", "match", "format", "id", "version", "time", "user", "personal", "fields", "sample"},
	"rules": {"name", "title", "owner", "notes", "links", "event", "mode", "class", "from", "until", "when", "unless", "user_when", "tags", "push", "broadcast",
		"account", "merge", "send_at", "limits", "approval", "rongcloud", "getui", "tests"},
	"push":      {"to", "title", "body", "link", "image", "data", "badge", "group", "platforms", "message", "variants", "rongcloud", "getui"},
	"broadcast": {"audience", "title", "body", "link", "image", "data", "badge", "group", "platforms", "message", "rongcloud", "getui"},
	"message":   {"from", "type", "content", "extra"},
	"audience":  {"all_of", "any_of", "none_of", "package"},
	"merge":     {"by", "wait", "extend", "max_wait", "keep", "one"},
	"one":       {"title", "body"},
	"limits":    {"priority", "per_user", "once", "rule", "brake", "quota", "reserve", "reserve_until", "no_quota", "quiet", "when_quiet", "expire"},
	"approval":  {"people", "within"},
	"defaults":  {"owner", "class", "account", "limits", "approval"},
	"tests":     {"name", "event", "sample", "with", "profile", "now", "quota", "times", "after", "expect", "why"},
}

// layout moves the lines of a file.
type layout struct{ lines []string }

// arrange puts keys into their order and empty lines where they belong.
func arrange(lines []string) string {
	root := diag.Parse("", []byte(strings.Join(lines, "\n"))).Root
	l := &layout{lines}
	body := l.node(root, "", 1, len(lines)+1)
	for len(body) > 0 && strings.TrimSpace(body[len(body)-1]) == "" {
		body = body[:len(body)-1]
	}
	return strings.Join(body, "\n") + "\n"
}

// node gives the lines [from, to) that hold n, which stands under the key `under`.
func (l *layout) node(n *diag.Node, under string, from, to int) []string {
	switch {
	case n.Kind == diag.Mapping && len(n.Fields) > 0 && l.isBlock(n):
		return l.mapping(n, under, from, to)
	case n.Kind == diag.Sequence && len(n.Items) > 0:
		return l.sequence(n, under, from, to)
	case n.Kind == diag.Scalar:
		return l.lines[from-1 : to-1] // a text over several lines is its lines
	}
	return tidy(l.lines[from-1 : to-1])
}

func (l *layout) isBlock(n *diag.Node) bool {
	r := []rune(l.lines[n.Line-1])
	return n.Column <= len(r) && r[n.Column-1] != '{' && n.Line == n.Fields[0].Key.Line && n.Column == n.Fields[0].Key.Column
}

// tidy takes white space from the ends of lines, and keeps one empty line of several.
func tidy(lines []string) (out []string) {
	for i, s := range lines {
		if s = strings.TrimRight(s, " \t"); s == "" && i > 0 && strings.TrimSpace(lines[i-1]) == "" {
			continue
		}
		out = append(out, s)
	}
	return out
}

// above gives the first of the comments and empty lines that stand above a line and belong to it: those as far indented as itself.
func (l *layout) above(line, indent, from int) int {
	for line > from {
		s := l.lines[line-2]
		trimmed := strings.TrimLeft(s, " ")
		if trimmed != "" && (!strings.HasPrefix(trimmed, "#") || len(s)-len(trimmed) != indent) {
			break
		}
		line--
	}
	return line
}

var dash = regexp.MustCompile(`^( *)((?:- +)+)`)

// keyLines is one entry of a block: what stands above it, and its lines.
type keyLines struct {
	head, body []string
	rank       int
}

func (l *layout) mapping(n *diag.Node, under string, from, to int) []string {
	order := keyOrder[under]
	child := func(key string) string {
		if under == "" && key == "events" {
			return "events*"
		}
		if under == "events*" {
			return "events"
		}
		return key
	}
	first := n.Fields[0].Key
	lead := []rune(l.lines[first.Line-1])[:first.Column-1]
	end := to // what stands at the end and is not as far indented belongs to something around it
	for end > n.Fields[len(n.Fields)-1].Key.Line+1 {
		s := strings.TrimLeft(l.lines[end-2], " ")
		if s != "" && (!strings.HasPrefix(s, "#") || len(l.lines[end-2])-len(s) >= first.Column-1) {
			break
		}
		end--
	}
	tail := tidy(l.lines[end-1 : to-1])
	to = end
	begins := make([]int, len(n.Fields)+1)
	begins[0], begins[len(n.Fields)] = from, to
	for i, f := range n.Fields[1:] {
		begins[i+1] = l.above(f.Key.Line, f.Key.Column-1, n.Fields[i].Key.Line+1)
	}
	parts := make([]keyLines, len(n.Fields))
	for i, f := range n.Fields {
		rank := slices.Index(order, f.Key.Text)
		if rank < 0 {
			rank = len(order)
		}
		body := slices.Clone(l.entry(f, child(f.Key.Text), begins[i+1]))
		if i == 0 {
			body[0] = strings.Repeat(" ", len(lead)) + string([]rune(body[0])[len(lead):])
		}
		parts[i] = keyLines{tidy(l.lines[begins[i]-1 : f.Key.Line-1]), body, rank}
	}
	top := parts[0].head // stands above all of it, and stays
	parts[0].head = nil
	slices.SortStableFunc(parts, func(a, b keyLines) int { return a.rank - b.rank })
	out := slices.Clone(top)
	for i, p := range parts {
		if i == 0 {
			p.body[0] = string(lead) + p.body[0][len(lead):]
			for j, s := range p.head { // above the dash, and as far indented
				p.head[j] = strings.Repeat(" ", len(string(lead))-len(strings.TrimLeft(string(lead), " "))) + strings.TrimLeft(s, " ")
			}
		}
		out = append(append(out, p.head...), p.body...)
	}
	return append(out, tail...)
}

// entry gives the lines of a key and its value, which end before line to.
func (l *layout) entry(f diag.Field, under string, to int) []string {
	from := f.Key.Line
	if v := f.Value; v.Line > from && v.Kind != diag.Scalar && (v.Kind != diag.Mapping || len(v.Fields) > 0 && l.isBlock(v)) {
		return append(tidy(l.lines[from-1:from]), l.node(v, under, from+1, to)...)
	}
	if f.Value.Kind == diag.Scalar && to-from > 1 && strings.TrimSpace(strings.Join(l.lines[from:to-1], "")) != "" {
		return l.lines[from-1 : to-1]
	}
	return tidy(l.lines[from-1 : to-1])
}

// sequence keeps the order of items.
func (l *layout) sequence(n *diag.Node, under string, from, to int) (out []string) {
	type item struct{ begin, dash int }
	items := make([]item, len(n.Items))
	for i, v := range n.Items {
		m := dash.FindStringSubmatch(l.lines[v.Line-1])
		if m == nil || strings.Count(m[2], "-") != 1 {
			return tidy(l.lines[from-1 : to-1]) // in brackets, or written in a way of its own
		}
		items[i] = item{l.above(v.Line, len(m[1]), from), v.Line}
	}
	for i, v := range n.Items {
		end := to
		if i+1 < len(items) {
			end = items[i+1].begin
		}
		begin := items[i].begin
		if i == 0 {
			begin = from
		}
		lines := append(tidy(l.lines[begin-1:items[i].dash-1]), l.node(v, under, items[i].dash, end)...)
		if under == "rules" {
			for len(lines) > 0 && lines[0] == "" {
				lines = lines[1:]
			}
			if i > 0 {
				for len(out) > 0 && out[len(out)-1] == "" {
					out = out[:len(out)-1]
				}
				out = append(out, "")
			}
		}
		out = append(out, lines...)
	}
	return out
}
