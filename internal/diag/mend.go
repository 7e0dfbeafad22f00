package diag

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// A mistake of YAML would hide all others of its file, because the library stops at the first. So its cure is written into the lines in
// memory, or what it makes unreadable is taken out of them, and the file is read again. It never loads: the mistake is in the List.

// lost stands where something was taken out: a value of which nothing is known and nothing is said.
const lost = "\ue000"

const (
	maxRounds  = 40
	roundBytes = 512 << 10 // read again and again at most: the time of two of the largest files
)

// edit is one change of a line: old runes at a column became others.
type edit struct{ at, old, new int }

// place gives a column as it is in the file.
func (d *Doc) place(line, col int) int {
	edits := d.edits[line]
	for i := len(edits) - 1; i >= 0; i-- {
		switch e := edits[i]; {
		case col >= e.at+e.new:
			col += e.old - e.new
		case col > e.at:
			col = e.at + min(col-e.at, max(e.old-1, 0))
		}
	}
	return max(col, 1)
}

// mend replaces columns [from, to) of a line.
func (d *Doc) mend(line, from, to int, by string) {
	r := []rune(d.lines[line-1])
	from = min(max(from, 1), len(r)+1)
	to = min(max(to, from), len(r)+1)
	if d.edits == nil {
		d.edits = map[int][]edit{}
	}
	d.edits[line] = append(d.edits[line], edit{from, to - from, utf8.RuneCountInString(by)})
	d.lines[line-1] = string(r[:from-1]) + by + string(r[to-1:])
	d.changed = true
}

// mendQuotes puts columns [from, to) in quotation marks.
func (d *Doc) mendQuotes(line, from, to int, text string) {
	if d.quoted == nil {
		d.quoted = map[int]bool{}
	}
	d.quoted[line] = true
	if fix := quote(text); fix != `"`+text+`"` {
		d.mend(line, from, to, fix)
		return
	}
	d.mend(line, to, to, `"`)
	d.mend(line, from, from, `"`)
}

// requoted reports whether a value got quotation marks that it has not in the file: that it is no number or word of a list may follow from
// what it was taken for.
func (n *Node) requoted() bool { return n.Quoted() && n.doc.quoted[n.Line] }

// indentation gives the spaces that line i should begin with, and the rest of it. White space that only looks like indentation counts two, a
// no-break space one; where the lines around it show another place, it is that one. The lines above are mended. It is unsure when the lines above and below
// show two places.
func indentation(lines []string, i int) (lead, text string, unsure bool) {
	const looksLike = " \t\u3000\u00a0"
	text = strings.TrimLeft(lines[i], looksLike)
	lead = strings.TrimSuffix(lines[i], text)
	if strings.Trim(lead, " ") == "" {
		return lead, text, false
	}
	lead = strings.NewReplacer("\t", "  ", "\u3000", "  ", "\u00a0", " ").Replace(lead)
	item := len(blockLead.FindString(text)) // its dashes
	if item == 0 && !keyLine.MatchString(text) {
		return lead, text, false
	}
	next, sure := -1, false // the column that the line below stands for
	if i+1 < len(lines) {
		below := strings.TrimLeft(lines[i+1], looksLike)
		if n := indentOf(lines[i+1]); below != "" && n+len(below) == len(lines[i+1]) {
			switch isItem := strings.HasPrefix(below, "- "); {
			case item > 0 && !isItem:
				if keyLine.MatchString(text) {
					next, sure = n-item, true // a key of the item
				}
			case isItem == (item > 0) && (item > 0 || !strings.HasSuffix(text, ":")):
				next = n
			case strings.HasSuffix(text, ":"):
				next, sure = n-2, true
			}
		}
	}
	fits, child := places(lines, i, item > 0, keyLine.MatchString(text))
	switch {
	case len(fits) == 0:
		return lead, text, false
	case child:
		return strings.Repeat(" ", max(next, fits[0])), text, false
	case next == fits[0] || sure && slices.Contains(fits, next):
		return strings.Repeat(" ", next), text, false
	case !slices.Contains(fits, next) && slices.Contains(fits, len(lead)):
		return lead, text, false
	}
	return strings.Repeat(" ", fits[0]), text, slices.Contains(fits, next)
}

// What bounds how far the lines above are looked at, and how often: a file may be nothing but tabs.
const (
	maxAbove   = 500
	maxGuesses = 300
)

// places gives the columns where a key or an item can stand behind the lines above it, the nearest first; child says that the first is
// below a key that has no value yet.
func places(lines []string, i int, isItem, keyed bool) (out []int, child bool) {
	limit := 1 << 20
	for above := i - 1; above >= max(0, i-maxAbove) && limit > 0; above-- {
		s := lines[above]
		if trimmed := strings.TrimSpace(s); trimmed == "" || trimmed[0] == '#' || indentOf(s) >= limit {
			continue
		}
		s = strings.Replace(s, "：", ":", 1) // a mistake that is mended later
		own, keys := indentOf(s), len(blockLead.FindString(s))
		if limit == 1<<20 && strings.HasSuffix(strings.TrimRight(s, " "), ":") { // what stands below it is its value
			out, child = append(out, keys+2), true
		}
		switch {
		case isItem && keys > own && keyLine.MatchString(s) == keyed: // a list is of texts or of keys
			out = append(out, own)
		case !isItem && keyLine.MatchString(s):
			out = append(out, keys)
		}
		limit = own
	}
	return out, child
}

var (
	keyed  = regexp.MustCompile(`^( *(?:- +)*)([^\s:"'{}\[\],#-][^\s:"'{}\[\],]*):(?: +(.*))?$`)
	listed = regexp.MustCompile(`^( *(?:- +)+)(.*)$`)
)

func indentOf(s string) int { return len(s) - len(strings.TrimLeft(s, " ")) }

// takeOut removes the value that stands in a line, with all that belongs to it. False when that is not clear, or was done before.
func (d *Doc) takeOut(line int) bool {
	s := d.lines[line-1]
	if strings.Contains(s, lost) {
		return false
	}
	lead, indent, empty := "", 0, false
	if m := keyed.FindStringSubmatch(s); m != nil {
		lead, indent, empty = m[1]+m[2]+": ", len(m[1]), strings.TrimSpace(m[3]) == ""
	} else if m := listed.FindStringSubmatch(s); m != nil {
		lead, indent = m[1], strings.LastIndex(m[1], "-")
	} else {
		return false
	}
	d.mend(line, utf8.RuneCountInString(lead)+1, utf8.RuneCountInString(s)+1, lost)
	for l := line + 1; l <= len(d.lines); l++ {
		s := d.lines[l-1]
		own := indentOf(s)
		if strings.TrimSpace(s) != "" && own <= indent && !(empty && own == indent && strings.HasPrefix(s[own:], "- ")) {
			break
		}
		d.mend(l, 1, utf8.RuneCountInString(s)+1, "")
	}
	return true
}

// unit gives the lines [begin, end) of the entry under a top-level key that a line stands in: a rule, or an event.
func (d *Doc) unit(line int) (begin, end int, ok bool) {
	isTop := func(l int) bool {
		s := d.lines[l-1]
		return strings.TrimSpace(s) != "" && indentOf(s) == 0 && s[0] != '#' && s[0] != '-'
	}
	top := line
	for top > 1 && !isTop(top) {
		top--
	}
	if top == line {
		return 0, 0, false
	}
	indent := -1
	for end = top + 1; end <= len(d.lines) && !isTop(end); end++ {
		s := d.lines[end-1]
		if text := strings.TrimSpace(s); text == "" || text[0] == '#' {
			continue
		}
		if indent < 0 {
			indent = indentOf(s)
		}
		if indentOf(s) != indent || indentOf(s) == indent && begin > 0 && strings.HasPrefix(d.lines[begin-1][indent:], "-") && s[indent] != '-' {
			continue
		}
		if end > line {
			break
		}
		begin = end
	}
	return begin, end, begin > 0
}

// takeOutUnit removes the whole rule or event that a line stands in. False when there is none, or it is gone already.
func (d *Doc) takeOutUnit(line int) bool {
	begin, end, ok := d.unit(line)
	if !ok {
		return false
	}
	first := d.lines[begin-1]
	lead := first[:indentOf(first)]
	if strings.HasPrefix(first[len(lead):], "-") {
		lead += "- "
	} else if m := keyed.FindStringSubmatch(first); m != nil {
		lead += m[2] + ": "
	} else {
		return false
	}
	if first == lead+lost && strings.TrimSpace(strings.Join(d.lines[begin:end-1], "")) == "" {
		return false
	}
	for l := begin; l < end; l++ {
		by := ""
		if l == begin {
			by = lead + lost
		}
		d.mend(l, 1, utf8.RuneCountInString(d.lines[l-1])+1, by)
	}
	return true
}

// afterSyntax makes the file readable behind a mistake that the library stumbled over; before is how many findings there were.
func (d *Doc) afterSyntax(before, line int) {
	if len(d.List) > before {
		f := d.List[len(d.List)-1]
		line = f.Line
		if d.changed || f.Message.EN != unreadable.EN && f.Message.EN != misaligned.EN && d.takeOut(line) {
			return
		}
	}
	d.takeOutUnit(line) // its cause, or how far it reaches, is not clear
}
