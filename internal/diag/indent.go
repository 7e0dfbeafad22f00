package diag

import (
	"regexp"
	"slices"
	"strings"
)

// Tabs, ideographic and no-break spaces look like indentation and are none. How far they reach nobody has written down: a tab is as wide as
// the editor shows it. So a file is read with each width that they can have. What is left are the readings in which the lines make a tree of
// keys and items; if all of these make the same tree, that is what was meant, and the lines are moved so that YAML reads it too. In each
// reading equal beginnings of lines are equally wide, so siblings stay siblings.

const looksLike = " \t\u3000\u00a0"

const (
	maxWidth  = 8   // of a tab
	maxFaults = 100 // of a file whose indentation is mended; it bounds the time that one with nothing but faults takes
)

// form is what a line is, without how far it is indented.
type form struct {
	lead, text string
	odd        bool
	entries    []int // where its dashes and its key begin, behind the lead; nil for a text
	seq        int   // how many of them are dashes
	open       bool  // the value of the last is not in this line
	block      bool  // it is a text in the lines below
	until      int   // the line with the bracket or quotation mark that closes a value, or the line itself
}

var (
	dashLead  = regexp.MustCompile(`^-(?:[ \t\x{3000}\x{a0}]+|$)`)
	keyLead   = regexp.MustCompile(`^(?:"[^"]*"|'[^']*'|[\p{L}\p{Nd}_][^\s:："'{}\[\],#]*) *(?:：|:(?:\s|$))|^[A-Za-z_][\w-]*(?::[^\s/]|：)`)
	tightLead = regexp.MustCompile(`^-[A-Za-z_][\w-]*:(?: |$)`)
)

func formOf(line string) form {
	f := form{text: strings.TrimLeft(line, looksLike)}
	f.lead = strings.TrimSuffix(line, f.text)
	f.odd = strings.Trim(f.lead, " ") != ""
	if f.text == "" || f.text[0] == '#' {
		return f
	}
	rest, at := f.text, 0
	for len(f.entries) < maxNesting {
		dash := dashLead.FindString(rest)
		if dash == "" && tightLead.MatchString(rest) {
			dash = "-"
		}
		if dash == "" {
			break
		}
		f.entries, f.seq = append(f.entries, at), f.seq+1
		rest = rest[len(dash):]
		if strings.Trim(dash, "- ") != "" {
			dash = "- "
		}
		at += max(len(dash), 2)
	}
	if key := keyLead.FindString(rest); key != "" {
		f.entries = append(f.entries, at)
		_, rest, _ = strings.Cut(strings.Replace(rest, "：", ":", 1), ":")
	}
	rest = strings.TrimSpace(rest)
	f.open = len(f.entries) > 0 && (rest == "" || rest[0] == '#')
	f.block = len(f.entries) > 0 && blockHeader.MatchString(rest)
	return f
}

// closes gives the line in which a value ends that begins with a bracket or a quotation mark in line i; i if it is not closed elsewhere.
func closes(lines []string, i int) int {
	value := strings.TrimLeft(valueStart.ReplaceAllString(strings.TrimLeft(lines[i], looksLike), ""), " ")
	if value == "" || !strings.ContainsAny(value[:1], `[{"'`) {
		return i
	}
	const most = 50 // lines: what is open for longer was forgotten
	flow := value[0] == '[' || value[0] == '{'
	depth, quote, rest := 0, rune(0), value
	for l := i; ; {
		for j, r := range rest {
			switch {
			case quote != 0:
				if r == quote && (j == 0 || rest[j-1] != '\\') {
					quote = 0
				}
			case (r == '"' || r == '\'') && (j == 0 || strings.ContainsAny(rest[j-1:j], " [{,:")):
				quote = r
			case r == '#' && j > 0 && rest[j-1] == ' ':
				r = 0
			case r == '[' || r == '{':
				depth++
			case r == ']' || r == '}':
				depth--
			}
			if r == 0 || !flow && quote == 0 {
				break
			}
		}
		if quote == 0 && (!flow || depth <= 0) {
			return l
		}
		if l++; l >= len(lines) || l > i+most || !flow && keyLine.MatchString(lines[l]) {
			return i
		}
		rest = lines[l]
	}
}

// widths are how far white space reaches that looks like indentation.
type widths struct {
	tab, wide int
	stops     bool // a tab reaches to the next multiple of its width
}

func (w widths) column(lead string) (col int) {
	for _, r := range lead {
		switch {
		case r == '\t' && w.stops:
			col += w.tab - col%w.tab
		case r == '\t':
			col += w.tab
		case r == '\u3000':
			col += w.wide
		default:
			col++
		}
	}
	return col
}

// branch is keys or items that belong together.
type branch struct {
	line, entry int  // its first
	up          int  // the branch it stands in, -1 for none
	inline      int  // how far behind the entry that it follows in the same line; 0: it begins its line
	level       bool // a list as far left as its key
	seq         bool
	col         int
	open        int // the line of an entry whose value is still to come, or -1
}

// reading is what a file is when its lines are indented as far as cols.
type reading struct {
	cols     []int
	of       [][]int // by line, the branches of its entries
	owner    []int   // by line, the line whose value it belongs to, or -1
	branches []branch
	wrong    []int // lines that fit nowhere
	empty    int   // keys without a value
	doubt    []int // lines that are taken for no value of the key above them, and may be it
}

// read gives up when there are more faults than most.
func read(forms []form, cols []int, most int) *reading {
	r := &reading{cols: cols, of: make([][]int, len(forms)), owner: make([]int, len(forms))}
	var stack []int
	top := func() *branch { return &r.branches[stack[len(stack)-1]] }
	pop := func() {
		if top().open >= 0 {
			r.empty++
		}
		stack = stack[:len(stack)-1]
	}
	push := func(b branch) {
		if b.up = -1; len(stack) > 0 {
			b.up = stack[len(stack)-1]
		}
		r.branches = append(r.branches, b)
		stack = append(stack, len(r.branches)-1)
	}
	last, until, text, textCol := -1, -1, -1, 0
	for i := range forms {
		if r.faults() > most {
			return r
		}
		f, c := &forms[i], cols[i]
		r.owner[i] = -1
		switch {
		case f.text == "":
			continue
		case i <= until:
			r.owner[i] = last
			continue
		case text >= 0 && c > textCol:
			r.owner[i] = text
			continue
		}
		if text = -1; f.text[0] == '#' {
			continue
		}
		if len(f.entries) == 0 {
			if len(stack) == 0 || c <= top().col {
				r.wrong = append(r.wrong, i)
				continue
			}
			r.owner[i], top().open = last, -1
			continue
		}
		isItem := f.seq > 0
		if len(stack) > 0 && top().open >= 0 && c <= top().col && !(isItem && !top().seq && c == top().col) {
			if k := &forms[top().open]; (f.odd || k.odd) && !strings.HasPrefix(k.lead, f.lead) {
				r.doubt = append(r.doubt, i)
			}
		}
		for len(stack) > 0 && top().col > c {
			pop()
		}
		if len(stack) > 1 && top().seq && !isItem && top().col == c && r.branches[top().up].col == c {
			pop() // the list stood as far left as its key
		}
		switch {
		case len(stack) == 0:
			if last >= 0 {
				r.wrong = append(r.wrong, i)
			}
			push(branch{line: i, seq: isItem, col: c, open: -1})
		case top().col == c && top().seq == isItem:
			if top().open >= 0 {
				r.empty++
			}
		case top().open >= 0 && (top().col < c || isItem && !top().seq):
			level := top().col == c
			top().open = -1
			push(branch{line: i, seq: isItem, col: c, open: -1, level: level})
		default:
			r.wrong = append(r.wrong, i)
			continue
		}
		last, until = i, f.until
		r.of[i] = append(r.of[i], stack[len(stack)-1])
		for e := 1; e < len(f.entries); e++ {
			top().open = -1
			push(branch{line: i, entry: e, seq: e < f.seq, col: c + f.entries[e], open: -1, inline: f.entries[e] - f.entries[e-1]})
			r.of[i] = append(r.of[i], stack[len(stack)-1])
		}
		if top().open = -1; f.open {
			top().open = i
		}
		if f.block {
			text, textCol = i, top().col
		}
	}
	for len(stack) > 0 {
		pop()
	}
	return r
}

func (r *reading) faults() int { return 2*len(r.wrong) + r.empty }

// levels counts the lists that stand as far left as their keys: possible, and not how most people write them.
func (r *reading) levels() (n int) {
	for _, b := range r.branches {
		if b.level {
			n++
		}
	}
	return n
}

// differs gives the first line that stands elsewhere in another reading, or -1.
func (r *reading) differs(o *reading) int {
	for i := range r.of {
		if r.owner[i] != o.owner[i] || len(r.of[i]) != len(o.of[i]) {
			return i
		}
		if len(r.of[i]) > 0 {
			a, b := r.branches[r.of[i][0]], o.branches[o.of[i][0]]
			if a.line != b.line || a.entry != b.entry {
				return i
			}
		}
	}
	return -1
}

// Indented gives the lines with spaces where white space only looks like indentation; the others stay. unclear is the first line, from 1,
// that can belong to more than one place, or to none; then nothing is moved.
func Indented(lines []string) (out []string, unclear int) {
	forms := make([]form, len(lines))
	tabs, wides, mixed, odd := false, false, false, false
	for i, l := range lines {
		forms[i] = formOf(l)
		if forms[i].odd {
			lead := forms[i].lead
			odd, tabs, wides = true, tabs || strings.Contains(lead, "\t"), wides || strings.Contains(lead, "\u3000")
			mixed = mixed || strings.Contains(strings.TrimLeft(lead, "\t"), "\t")
		}
	}
	if !odd {
		return lines, 0
	}
	for i := range lines {
		if forms[i].until = i; len(forms[i].entries) > 0 {
			forms[i].until = closes(lines, i)
		}
	}
	best, other := readings(forms, tabs, []int{2}, mixed)
	if wides && (best == nil || best.faults() > 0) { // a column wide or four they are in hardly any editor
		if r, o := readings(forms, tabs, []int{1, 2, 3, 4, 5, 6, 7, 8}, mixed); r != nil && (best == nil || r.faults() < best.faults()) {
			best, other = r, o
		}
	}
	first := slices.IndexFunc(forms, func(f form) bool { return f.odd }) + 1
	if best == nil {
		return lines, first
	}
	if other < 0 && len(best.doubt) > 0 {
		other = best.doubt[0]
	}
	if other >= 0 {
		for other > 0 && !forms[other].odd {
			other--
		}
		return lines, other + 1
	}
	if i := slices.IndexFunc(best.wrong, func(i int) bool { return forms[i].odd }); i >= 0 {
		return lines, best.wrong[i] + 1
	}
	for _, columns := range [][]int{best.columns(forms), best.cols} {
		out := best.moved(forms, columns)
		again := make([]form, len(out))
		cols := make([]int, len(out))
		for i, l := range out {
			again[i] = formOf(l)
			again[i].until = forms[i].until
			cols[i] = widths{1, 2, false}.column(again[i].lead)
		}
		if now := read(again, cols, maxFaults); now.faults() == best.faults() && now.differs(best) < 0 {
			return out, 0
		}
	}
	return lines, first
}

// readings gives the reading with the fewest faults, and the first line that another one with as few has elsewhere, or -1. It is nil when each has
// too many.
func readings(forms []form, tabs bool, wide []int, mixed bool) (best *reading, other int) {
	most := maxFaults
	for _, w := range wide {
		for tab := 1; tab <= maxWidth && (tabs || tab == 1); tab++ {
			for _, stops := range []bool{false, true} {
				if stops && !mixed {
					continue
				}
				cols := make([]int, len(forms))
				for i, f := range forms {
					cols[i] = widths{tab, w, stops}.column(f.lead)
				}
				r := read(forms, cols, most)
				switch {
				case r.faults() > most:
				case best == nil || r.faults() < most:
					best, other, most = r, -1, r.faults()
				case other < 0 && best.differs(r) >= 0:
					other = best.differs(r)
				case r.levels() < best.levels():
					best = r
				}
			}
		}
	}
	return best, other
}

// columns gives where lines go that are to be moved: where their siblings are that stay, or two columns behind what they stand in.
func (r *reading) columns(forms []form) []int {
	at := make([]int, len(r.branches))
	for b := range at {
		at[b] = -1
	}
	for i, of := range r.of {
		if len(of) > 0 && !forms[i].odd {
			for e, b := range of {
				at[b] = r.cols[i] + forms[i].entries[e]
			}
		}
	}
	for i := len(r.of) - 1; i >= 0; i-- { // the keys of an item say where its dash is
		for e := len(r.of[i]) - 2; e >= 0; e-- {
			if inner, outer := r.of[i][e+1], r.of[i][e]; at[outer] < 0 && at[inner] >= 0 {
				at[outer] = max(at[inner]-r.branches[inner].inline, 0)
			}
		}
	}
	cols := slices.Clone(r.cols)
	for b, x := range r.branches {
		switch {
		case at[b] >= 0:
		case x.up < 0:
			at[b] = 0
		case x.inline > 0:
			at[b] = at[x.up] + x.inline
		case x.level:
			at[b] = at[x.up]
		default:
			at[b] = at[x.up] + 2
		}
	}
	for i, of := range r.of {
		if !forms[i].odd {
			continue
		}
		switch owner := r.owner[i]; {
		case len(of) > 0:
			cols[i] = at[of[0]]
		case owner >= 0 && len(r.of[owner]) > 0:
			under := at[r.of[owner][len(r.of[owner])-1]] + 2
			if cols[i] = under; forms[owner].until > owner {
				cols[i] = max(r.cols[i], under)
			}
		}
	}
	for i, f := range forms {
		if f.odd && strings.HasPrefix(f.text, "#") && r.owner[i] < 0 {
			cols[i] = r.beside(forms, cols, i)
		}
	}
	return cols
}

// beside gives the column of a comment: that of the next line, or else the last, with the same white space before it.
func (r *reading) beside(forms []form, cols []int, i int) int {
	for _, step := range []int{1, -1} {
		for l := i + step; l >= 0 && l < len(forms); l += step {
			if len(r.of[l]) == 0 {
				continue
			}
			if forms[l].lead == forms[i].lead {
				return cols[l]
			}
			break
		}
	}
	return r.cols[i]
}

// moved gives the lines at their columns. Of a text in lines of its own only what is before all of it is indentation.
func (r *reading) moved(forms []form, cols []int) []string {
	out := make([]string, len(forms))
	base := map[int]string{} // by the line that a text belongs to, the beginning of its first
	for i, f := range forms {
		if out[i] = f.lead + f.text; !f.odd {
			if owner := r.owner[i]; owner >= 0 && forms[owner].block && base[owner] == "" {
				base[owner] = f.lead
			}
			continue
		}
		if f.text == "" {
			out[i] = ""
			continue
		}
		owner := r.owner[i]
		if owner < 0 || !forms[owner].block {
			out[i] = strings.Repeat(" ", cols[i]) + f.text
			continue
		}
		of := r.of[owner]
		if base[owner] == "" {
			base[owner] = f.lead
			key := r.branches[of[len(of)-1]].col
			for _, space := range []string{" ", " \t"} {
				lead := f.lead[:len(f.lead)-len(strings.TrimLeft(f.lead, space))]
				if !forms[owner].odd && space == " " && len(lead) > key || space != " " && strings.Contains(lead, "\t") && lead != f.lead && r.deeper(forms, lead, owner) {
					base[owner] = lead
					break
				}
			}
		}
		rest, ok := strings.CutPrefix(f.lead, base[owner])
		switch {
		case ok && strings.Trim(base[owner], " ") == "":
		case ok:
			out[i] = strings.Repeat(" ", cols[i]) + rest + f.text
		default:
			out[i] = strings.Repeat(" ", max(cols[i], r.cols[i])) + f.text
		}
	}
	return out
}

// deeper reports whether white space goes on behind that of the line that a text belongs to.
func (r *reading) deeper(forms []form, lead string, owner int) bool {
	return len(lead) > len(forms[owner].lead) && strings.HasPrefix(lead, forms[owner].lead)
}
