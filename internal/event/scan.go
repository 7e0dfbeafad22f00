package event

import (
	"encoding/binary"
	"math/bits"

	"github.com/tidwall/gjson"
)

// node is one step of the plain paths of a plan: names of object keys, joined into a tree.
type node struct {
	name string
	slot int     // the path that ends here, or -1
	kids []*node // the names that lead on
	lens uint64  // bit n: a name of n bytes (modulo 64) is among them; spares most keys the look at every name
}

// add gives the node of a name, a new one when it is the first of its name.
func (n *node) add(name string) *node {
	k := n.find(name)
	if k == nil {
		k = &node{name: name, slot: noPath}
		n.kids = append(n.kids, k)
		n.lens |= 1 << (len(name) & 63)
	}
	return k
}

func (n *node) find(name string) *node {
	for _, k := range n.kids {
		if k.name == name {
			return k
		}
	}
	return nil
}

// span is where a value stands in the JSON; to is 0 as long as it was not met.
type span struct {
	from, to int
	kept     int  // where the copy of it begins, see document.keep
	escaped  bool // a string with a backslash in it
}

// scan checks JSON and finds the values of plain paths in one pass. ok is false for what is not JSON or is nested
// deeper than deepest: the recursion never goes further. known is false when only gjson can say what the paths lead
// to: they cross an array, or the document is not an object.
func scan(b []byte, root *node, spans []span, deepest int) (known, ok bool) {
	s := scanner{b: b, spans: spans, deepest: deepest, known: true}
	i := blank(b, 0)
	if i == len(b) {
		return false, false
	}
	if root != nil && b[i] != '{' {
		root, s.known = nil, false
	}
	if i, _ = s.value(i, root, 0); i < 0 {
		return false, false
	}
	return s.known, blank(b, i) == len(b)
}

// scanner reads JSON. Its methods take the place to read at and give the place after, -1 for what is not JSON.
type scanner struct {
	b       []byte
	spans   []span
	deepest int
	known   bool
}

// blank skips white space, which most JSON has none of.
func blank(b []byte, i int) int {
	if i < len(b) && b[i] <= ' ' {
		return afterBlank(b, i)
	}
	return i
}

func afterBlank(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// value reads any value; n are the paths that lead on through it.
func (s *scanner) value(i int, n *node, depth int) (end int, escaped bool) {
	b := s.b
	switch c := b[i]; {
	case c == '"':
		return quoted(b, i+1)
	case c == '{':
		return s.object(i+1, n, depth+1), false
	case c == '[':
		if n != nil {
			s.known = false
		}
		return s.array(i+1, depth+1), false
	case c == '-' || (c >= '0' && c <= '9'):
		return s.number(i), false
	case c == 't':
		return s.literal(i, "true"), false
	case c == 'f':
		return s.literal(i, "false"), false
	case c == 'n':
		return s.literal(i, "null"), false
	}
	return -1, false
}

func (s *scanner) object(i int, n *node, depth int) int {
	if depth > s.deepest {
		return -1
	}
	b := s.b
	if i = blank(b, i); i < len(b) && b[i] == '}' {
		return i + 1
	}
	for i < len(b) && b[i] == '"' {
		from, escaped := i, false
		if i, escaped = quoted(b, i+1); i < 0 {
			return -1
		}
		var kid *node
		if n != nil {
			kid = n.kid(b[from:i], escaped)
		}
		if i = blank(b, i); i == len(b) || b[i] != ':' {
			return -1
		}
		if i = blank(b, i+1); i == len(b) {
			return -1
		}
		from = i
		if kid == nil {
			i, _ = s.value(i, nil, depth)
		} else {
			through := kid
			if len(kid.kids) == 0 {
				through = nil
			}
			i, escaped = s.value(i, through, depth)
			// Of several equal keys the first that leads to a value counts.
			if kid.slot >= 0 && i >= 0 && s.spans[kid.slot].to == 0 {
				s.spans[kid.slot] = span{from: from, to: i, escaped: escaped}
			}
		}
		if i < 0 {
			return -1
		}
		if i = blank(b, i); i == len(b) {
			return -1
		}
		if b[i] == '}' {
			return i + 1
		}
		if b[i] != ',' {
			return -1
		}
		i = blank(b, i+1)
	}
	return -1
}

// kid is the node of a key, given with its quotes.
func (n *node) kid(key []byte, escaped bool) *node {
	if escaped {
		return n.find(gjson.Parse(string(key)).Str)
	}
	key = key[1 : len(key)-1]
	if n.lens>>(len(key)&63)&1 == 0 {
		return nil
	}
	for _, k := range n.kids {
		if k.name == string(key) {
			return k
		}
	}
	return nil
}

func (s *scanner) array(i, depth int) int {
	if depth > s.deepest {
		return -1
	}
	b := s.b
	if i = blank(b, i); i < len(b) && b[i] == ']' {
		return i + 1
	}
	for i < len(b) {
		if i, _ = s.value(i, nil, depth); i < 0 {
			return -1
		}
		if i = blank(b, i); i == len(b) {
			return -1
		}
		if b[i] == ']' {
			return i + 1
		}
		if b[i] != ',' {
			return -1
		}
		i = blank(b, i+1)
	}
	return -1
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// quoted reads a string from behind its first quote. Eight bytes at a time are asked for a quote, a backslash or a
// control character: the lowest marked byte is exact, a carry may only mark bytes above it. With its second bit turned a quote is 32, the
// control characters are less, and all others more.
func quoted(b []byte, i int) (end int, escaped bool) {
	for i < len(b) {
		if i+8 <= len(b) {
			m := marked(binary.LittleEndian.Uint64(b[i:]))
			if m == 0 {
				i += 8
				continue
			}
			i += bits.TrailingZeros64(m) >> 3
		}
		switch c := b[i]; {
		case c == '"':
			return i + 1, escaped
		case c < ' ':
			return -1, false
		case c == '\\':
			escaped = true
			if i++; i == len(b) {
				return -1, false
			}
			switch b[i] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			case 'u':
				if i+4 >= len(b) || !hex4(b[i+1:i+5]) {
					return -1, false
				}
				i += 4
			default:
				return -1, false
			}
		}
		i++
	}
	return -1, false
}

// marked has the highest bit of each byte set that ends the plain part of a text.
func marked(x uint64) uint64 {
	return (((x ^ ones*2) - ones*('"'-1)) | ((x ^ ones*'\\') - ones)) &^ x & highs
}

func hex4(b []byte) bool {
	for _, c := range b {
		if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f') {
			return false
		}
	}
	return true
}

func (s *scanner) literal(i int, word string) int {
	if end := i + len(word); end <= len(s.b) && string(s.b[i:end]) == word {
		return end
	}
	return -1
}

func (s *scanner) number(i int) int {
	b := s.b
	if b[i] == '-' {
		i++
	}
	if i < len(b) && b[i] == '0' {
		i++
	} else if i = digits(b, i); i < 0 {
		return -1
	}
	if i < len(b) && b[i] == '.' {
		if i = digits(b, i+1); i < 0 {
			return -1
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		return digits(b, i)
	}
	return i
}

// digits skips one digit or more.
func digits(b []byte, i int) int {
	from := i
	for i < len(b) && b[i] >= '0' && b[i] <= '9' {
		i++
	}
	if i == from {
		return -1
	}
	return i
}
