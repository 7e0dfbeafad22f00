package rules

import (
	"errors"
	"slices"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/checker"
	"github.com/expr-lang/expr/parser"

	"github.com/notifier/notifier/internal/diag"
)

// wording is a condition on its way to expr. Mistakes that have a plain cure are mended in it, so that what else is wrong is found as
// well; every place is told as it is in the file.
type wording struct {
	node  *diag.Node
	runes []rune
	at    []int  // the place of each rune in what is written, and of the end
	marks []mark // of what mend has left, where it reported nothing
	told  bool   // a mistake was reported
	lost  *slip  // what nothing can be made of
	named []named
	each  bool // also those whose cure is in that of another
}

// named is a mistake that mend has found, at the place where it stands in what is written.
type named struct {
	phrase
	offered string // the cure as it can be written there
}

// slip is a mistake at runes [from, to) that is mended by writing fix there; "" if that mends nothing.
type slip struct {
	from, to int
	fix      string
}

func newWording(n *diag.Node, src string) *wording {
	w := &wording{node: n, runes: []rune(src)}
	w.at = make([]int, len(w.runes)+1)
	for i := range w.at {
		w.at[i] = i
	}
	return w
}

// place gives runes [from, to) as they stand in what is written.
func (w *wording) place(from, to int) (int, int) {
	last := len(w.runes)
	from = min(max(from, 0), last)
	to = min(max(to, from+1), max(last, from+1))
	return w.at[from], max(w.at[min(to-1, last)]+1, w.at[from]+1)
}

func (w *wording) error(from, to int, code string, msg, hint diag.Text) *diag.Diagnostic {
	w.told = true
	from, to = w.place(from, to)
	return w.node.ErrorAt(from, to, code, msg, hint)
}

// maxSlips bounds how often a condition is mended and read again, and how many mistakes of one text are shown.
const maxSlips = 20

// mend names the mistakes that people make in conditions, one after the other.
func (w *wording) mend(s *scope) {
	w.each = s.marks
	defer w.tell()
	for range maxSlips {
		w.marks = scan(string(w.runes))
		slip, found := lint(w, w.marks, s)
		switch {
		case !found:
			return
		case slip.fix == "":
			w.lost = &slip
			return
		}
		w.replace(slip)
	}
	w.lost = &slip{0, len(w.runes), ""} // enough are shown
}

// slip takes down a mistake of mended text. One whose cure writes everything anew makes those inside it needless: their cures are in it.
func (w *wording) slip(p phrase) slip {
	n := named{phrase: p}
	n.from, n.to = w.place(p.from, p.to)
	switch {
	case p.hint.EN != "":
	case p.fix == " ":
		n.offered, n.hint = p.fix, diag.Text{EN: "remove it", ZH: "请删掉"}
	case p.fix != "":
		written := w.node.Inside(p.fix)
		n.offered, n.hint = w.apart(p.from, p.to, p.fix), diag.Text{EN: "write `" + written + "`", ZH: "写成 `" + written + "`"}
	}
	if p.fix != "" && !w.each {
		w.named = slices.DeleteFunc(w.named, func(o named) bool { return n.from <= o.from && o.to <= n.to })
	}
	w.named, w.told = append(w.named, n), true
	return slip{p.from, p.to, p.fix}
}

// tell reports what slip took down.
func (w *wording) tell() {
	for _, n := range w.named {
		w.node.ErrorAt(n.from, n.to, n.code, n.msg, n.hint).Fix = n.offered
	}
}

// apart gives what to write for runes [from, to): an operator that is a word stands apart from what is around it.
func (w *wording) apart(from, to int, fix string) string {
	if !isWord(fix) {
		return fix
	}
	if from > 0 && !strings.ContainsRune(" ([", w.runes[from-1]) {
		fix = " " + fix
	}
	if to < len(w.runes) && !strings.ContainsRune(" )]", w.runes[to]) {
		fix += " "
	}
	return fix
}

func isWord(s string) bool {
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz ") == "" && strings.TrimSpace(s) != ""
}

func (w *wording) replace(s slip) {
	fix, pad := []rune(" "+s.fix+" "), 1
	if s.fix == `"` || s.fix == "'" { // a space would be in the text
		fix, pad = []rune(s.fix), 0
	}
	at := make([]int, len(fix))
	for i := range at {
		at[i] = w.at[min(s.from+max(i-pad, 0), s.to-1)]
	}
	if last := len(fix) - 1 - pad; last > pad { // what ends with the cure ends with what it stands for
		at[last] = w.at[s.to-1]
	}
	w.runes = append(append(append([]rune{}, w.runes[:s.from]...), fix...), w.runes[s.to:]...)
	w.at = append(append(append([]int{}, w.at[:s.from]...), at...), w.at[s.to:]...)
}

// part is runes [from, to) for themselves.
func (w *wording) part(from, to int) *wording {
	return &wording{node: w.node, runes: w.runes[from:to], at: w.at[from : to+1]}
}

// read parses the condition and rewrites it. What is wrong is reported, and the tree is nil.
func (w *wording) read(s *scope) (*parser.Tree, *writer) {
	if w.lost != nil {
		if w.lost.from > 0 {
			w.pieces(s)
		}
		return nil, nil
	}
	tree, err := parser.ParseWithConfig(string(w.runes), grammar())
	if err != nil {
		if !w.pieces(s) {
			syntax(w, 0, len(w.runes), err)
		}
		return nil, nil
	}
	wr := newWriter(w, s)
	wr.findHas(tree.Node)
	tree.Node = wr.clause(tree.Node)
	if wr.bad {
		wr.checkLeaves(tree)
		return nil, nil
	}
	return tree, wr
}

// errUnfinished is what expr says of a condition that ends too early.
var errUnfinished = errors.New("unexpected token EOF")

// pieces reads each clause for itself where the whole cannot be read, so that all that is wrong is shown. It reports whether anything was.
func (w *wording) pieces(s *scope) bool {
	marks := scan(string(w.runes))
	for len(marks) > 0 && marks[0].text == "(" {
		end := closes(marks)
		if end >= 0 && end < len(marks)-1 {
			break
		}
		if end < 0 {
			w.error(marks[0].from, marks[0].to, "N209", notCondition(diag.Text{EN: "this bracket is not closed", ZH: "这个括号没有对应的右括号"}), diag.Text{EN: "close it with `)`", ZH: "请加上 `)`"})
			end = len(marks)
		}
		marks = marks[1:end]
	}
	told, depth, begin := w.told, 0, 0
	piece := func(end int) {
		if begin == end {
			at := marks[min(end, len(marks)-1)] // the connector
			switch {
			case w.lost != nil && at.to > w.lost.from:
				return
			case end == len(marks):
				syntax(w, at.from, at.to, errUnfinished)
			default:
				w.error(at.from, at.to, "N209", notCondition(diag.Text{EN: "`" + at.text + "` stands between two conditions, and one is missing", ZH: "`" + at.text + "` 两边都要有条件，这里缺了一个"}),
					diag.Text{EN: "remove it, or write the condition", ZH: "请删掉它，或补上条件"})
			}
			told = true
			return
		}
		from, to := marks[begin].from, marks[end-1].to
		if w.lost != nil && from < w.lost.to && w.lost.from < to {
			return
		}
		if begin == 0 && end == len(marks) && to-from == len(w.runes) {
			return // nothing to take apart: the caller has the error
		}
		p := w.part(from, to)
		p.readClause(s)
		told = told || p.told
	}
	for i, m := range marks {
		switch {
		case m.text == "(" || m.text == "[" || m.text == "{":
			depth++
		case m.text == ")" || m.text == "]" || m.text == "}":
			depth = max(depth-1, 0)
		case depth == 0 && isConnector(m):
			piece(i)
			begin = i + 1
		}
	}
	if len(marks) > 0 {
		piece(len(marks))
	}
	w.told = told
	return told
}

// readClause is read for what is only to be checked.
func (w *wording) readClause(s *scope) {
	tree, wr := w.read(s)
	if tree == nil {
		return
	}
	wr.checkLeaves(tree)
}

// closes gives the mark that closes the bracket of the first one, or -1.
func closes(marks []mark) int {
	depth := 0
	for i, m := range marks {
		switch m.text {
		case "(", "[", "{":
			depth++
		case ")", "]", "}":
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// checkLeaves asks expr of each clause whether its types go together. It reports whether one does not.
func (w *writer) checkLeaves(tree *parser.Tree) (found bool) {
	for _, leaf := range w.leaves {
		cfg := language()
		expr.Env(w.env)(cfg)
		expr.AsBool()(cfg)
		expr.WarnOnAny()(cfg)
		if _, err := checker.Check(&parser.Tree{Node: leaf, Source: tree.Source}, cfg); err != nil {
			from, to := extent(leaf)
			syntax(w.text, from, to, err)
			found = true
		}
	}
	return found
}

// extent gives the runes that a node and its parts stand in.
func extent(n ast.Node) (from, to int) {
	from, to = spanOf(n)
	ast.Walk(&n, visit(func(n ast.Node) {
		a, b := spanOf(n)
		from, to = min(from, a), max(to, b)
	}))
	return from, to
}

// closing gives the end of what stands from a rune on, to where the brackets that it opens are closed: expr tells a call by its name.
func (w *wording) closing(from, to int) int {
	depth := 0
	for _, m := range w.marks {
		if m.from < from {
			continue
		}
		if m.from >= to && depth == 0 && m.text != "(" {
			break
		}
		switch to = max(to, m.to); m.text {
		case "(", "[":
			depth++
		case ")", "]":
			depth = max(depth-1, 0)
		}
	}
	return to
}

// leaf rewrites a clause and keeps it for checkLeaves if nothing is wrong with it so far.
func (w *writer) leaf(n ast.Node) ast.Node {
	before := w.bad
	w.bad = false
	out := w.expr(n)
	if !w.bad {
		w.leaves = append(w.leaves, out)
	}
	w.bad = w.bad || before
	return out
}
