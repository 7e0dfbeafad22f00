package diag

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// The library tells where a scalar begins, not where each character of its text stands: in a block (`>-`, `|`) and in a text over several
// lines that is another line. So the lines are read once more as YAML reads them, beside the text that the library made of them.

// spot is where a rune of a scalar's text stands in the file.
type spot struct{ line, column int }

// spots gives the place of each rune of a scalar's text, and of its end; nil where the lines do not give that text.
func (n *Node) spots() []spot {
	switch {
	case n.Kind != Scalar || n.Line < 1 || n.Line > len(n.doc.lines) || len(n.Text) > maxLineBytes: // no good text is longer
		return nil
	case n.style != block:
		t := tracer{text: []rune(n.Text)}
		return t.flow(n)
	}
	header := n.doc.lines[n.Line-1]
	first := n.Line
	for first < len(n.doc.lines) && strings.TrimSpace(n.doc.lines[first]) == "" {
		first++
	}
	if first == len(n.doc.lines) {
		return nil
	}
	for indent := indentOf(n.doc.lines[first]); indent >= 0; indent-- { // less only where the header says how much: `|2`
		t := tracer{text: []rune(n.Text), end: spot{n.Line, utf8.RuneCountInString(header) + 1}}
		if out := t.block(n.doc.lines, n.Line, indent); out != nil {
			return out
		}
		if !strings.ContainsAny(header[len(strings.TrimRight(header, "0123456789+-")):], "0123456789") {
			break
		}
	}
	return nil
}

// tracer goes through a text and the lines that it stands in.
type tracer struct {
	text []rune
	out  []spot // of the runes so far
	end  spot   // behind what was read last
}

func (t *tracer) left() []rune { return t.text[len(t.out):] }

// done is what spots gives when nothing of the text is left.
func (t *tracer) done() []spot { return append(t.out, t.end) }

// read takes a rune that stands at a place; false when the text goes on with another.
func (t *tracer) read(r rune, line, column, width int) bool {
	if left := t.left(); len(left) == 0 || left[0] != r {
		return false
	}
	t.out, t.end = append(t.out, spot{line, column}), spot{line, column + width}
	return true
}

// fold takes what ends of lines became: a space, or line breaks.
func (t *tracer) fold() bool {
	left := t.left()
	if len(left) > 0 && left[0] == ' ' {
		t.out = append(t.out, t.end)
		return true
	}
	return t.breaks() > 0
}

func (t *tracer) breaks() (n int) {
	for left := t.left(); n < len(left) && left[n] == '\n'; n++ {
		t.out = append(t.out, t.end)
	}
	return n
}

// block reads the lines behind the header of a block.
func (t *tracer) block(lines []string, header, indent int) []spot {
	t.breaks() // empty lines at its beginning
	begun := false
	for i := header; i < len(lines) && len(t.left()) > 0; i++ {
		if strings.TrimSpace(lines[i]) == "" {
			continue
		}
		if indentOf(lines[i]) < indent || begun && !t.fold() {
			return nil
		}
		begun = true
		column := indent + 1
		for _, r := range lines[i][indent:] {
			if len(t.left()) == 0 {
				break // spaces, which end the text
			}
			if !t.read(r, i+1, column, 1) {
				return nil
			}
			column++
		}
	}
	if len(t.left()) > 0 {
		return nil
	}
	return t.done()
}

// flow reads a text without quotation marks, or in them.
func (t *tracer) flow(n *Node) []spot {
	column := n.Column
	if n.style != plain {
		column++ // the mark
	}
	t.end = spot{n.Line, column}
	joined := true // nothing stands between the lines, or it is read
	for i := n.Line - 1; i < len(n.doc.lines); i++ {
		line := []rune(strings.TrimRight(n.doc.lines[i], " \t"))
		if i >= n.Line {
			column = len(line) - len([]rune(strings.TrimLeft(string(line), " \t"))) + 1
		}
		if len(t.left()) == 0 {
			return t.done()
		}
		if column > len(line) && i >= n.Line { // empty
			continue
		}
		if !joined && !t.fold() {
			return nil
		}
		joined = false
		for column <= len(line) && len(t.left()) > 0 {
			r, width := line[column-1], 1
			switch {
			case n.style == single && r == '\'':
				width = 2
			case n.style == double && r == '\\' && column == len(line):
				joined = true // it takes the end of the line away
				column++
				continue
			case n.style == double && r == '\\':
				if r, width = unescaped(string(line[column-1:])); width == 0 {
					return nil
				}
			}
			if !t.read(r, i+1, column, width) {
				return nil
			}
			column += width
		}
	}
	if len(t.left()) > 0 {
		return nil
	}
	return t.done()
}

var escapes = map[byte]rune{'0': 0, 'a': '\a', 'b': '\b', 't': '\t', 'n': '\n', 'v': '\v', 'f': '\f', 'r': '\r', 'e': 0x1b, ' ': ' ', '"': '"', '/': '/', '\\': '\\',
	'N': 0x85, '_': 0xa0, 'L': 0x2028, 'P': 0x2029}

// unescaped gives the rune that an escape at the beginning of a text stands for, and how many runes it takes; 0 when it is none.
func unescaped(s string) (r rune, width int) {
	if r, ok := escapes[s[1]]; ok {
		return r, 2
	}
	digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[s[1]]
	if digits == 0 || len(s) < 2+digits {
		return 0, 0
	}
	code, err := strconv.ParseUint(s[2:2+digits], 16, 32)
	if err != nil {
		return 0, 0
	}
	if r = rune(code); utf16.IsSurrogate(r) && strings.HasPrefix(s[2+digits:], `\u`) { // half a character
		other, more := unescaped(s[2+digits:])
		return utf16.DecodeRune(r, other), 2 + digits + more
	}
	return r, 2 + digits
}
