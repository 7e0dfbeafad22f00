package event

import (
	"encoding/binary"
	"math/bits"

	"github.com/tidwall/gjson"
)

// node is one step of the plain paths of a plan: names of object keys, joined into a tree.
type node struct {
	name string
	word uint64  // the name's first bytes
	slot int     // the path that ends here, or -1
	kids []*node // the names that lead on
	lens uint64  // bit n: a name of n bytes (modulo 64) is among them; spares most keys the look at every name
}

// add gives the node of a name, a new one when it is the first of its name.
func (n *node) add(name string) *node {
	k := n.find(name)
	if k == nil {
		var first [8]byte
		copy(first[:], name)
		k = &node{name: name, word: binary.LittleEndian.Uint64(first[:]), slot: noPath}
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
	if root == nil || b[i] != '{' {
		s.known = root == nil
		i = s.past(i, 0)
	} else {
		i = s.object(i+1, root, 1)
	}
	return s.known, i >= 0 && blank(b, i) == len(b)
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

// object reads an object from behind its bracket; n are the paths that lead on through it.
func (s *scanner) object(i int, n *node, depth int) int {
	if depth > s.deepest {
		return -1
	}
	b := s.b
	if i = blank(b, i); i < len(b) && b[i] == '}' {
		return i + 1
	}
	for i < len(b) && b[i] == '"' {
		var kid *node
		i, kid = n.key(b, i+1)
		if i < 0 {
			return -1
		}
		if i = blank(b, i); i == len(b) || b[i] != ':' {
			return -1
		}
		if i = blank(b, i+1); i == len(b) {
			return -1
		}
		if kid == nil {
			i = s.past(i, depth)
		} else {
			i = s.wanted(i, kid, depth)
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

// key reads a key from behind its first quote, and gives its node.
func (n *node) key(b []byte, i int) (end int, kid *node) {
	if i+8 <= len(b) {
		x := binary.LittleEndian.Uint64(b[i:])
		if m := marked(x); m != 0 {
			at := bits.TrailingZeros64(m) &^ 7 // bits of the key
			if size := at >> 3; b[i+size] == '"' {
				if n.lens>>size&1 != 0 {
					x &= 1<<at - 1
					for _, k := range n.kids {
						if k.word == x && len(k.name) == size {
							kid = k
							break
						}
					}
				}
				return i + size + 1, kid
			}
		}
	}
	end, escaped := quoted(b, i)
	if end < 0 {
		return -1, nil
	}
	if escaped {
		return end, n.find(gjson.Parse(string(b[i-1 : end])).Str)
	}
	if key := b[i : end-1]; n.lens>>(len(key)&63)&1 != 0 {
		for _, k := range n.kids {
			if k.name == string(key) {
				return end, k
			}
		}
	}
	return end, nil
}

// wanted reads a value that paths lead to or through.
func (s *scanner) wanted(i int, n *node, depth int) int {
	from, escaped := i, false
	switch c := s.b[i]; {
	case c == '"':
		i, escaped = quoted(s.b, i+1)
	case c == '{' && len(n.kids) > 0:
		i = s.object(i+1, n, depth+1)
	default:
		if c == '[' && len(n.kids) > 0 {
			s.known = false
		}
		i = s.past(i, depth)
	}
	// Of several equal keys the first that leads to a value counts.
	if n.slot >= 0 && i >= 0 && s.spans[n.slot].to == 0 {
		s.spans[n.slot] = span{from: from, to: i, escaped: escaped}
	}
	return i
}

// past reads a value that no path leads into, without recursion: what of it is open stands in the bits of objects, the innermost
// lowest, 1 for an object and 0 for an array. White space is looked for only where nothing else is right.
func (s *scanner) past(i, depth int) int {
	b, open, deepest := s.b, depth, min(s.deepest, depth+64)
	objects, key := uint64(0), false
value:
	if uint(i) >= uint(len(b)) {
		return -1
	}
	switch c := b[i]; c {
	case '"':
		goto quote
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		if i = number(b, i); i < 0 {
			return -1
		}
	case '{':
		if open++; open > deepest {
			return -1
		}
		objects = objects<<1 | 1
		if i = blank(b, i+1); i < len(b) && b[i] == '}' {
			goto closed
		}
		goto text
	case '[':
		if open++; open > deepest {
			return -1
		}
		objects <<= 1
		if i = blank(b, i+1); i < len(b) && b[i] == ']' {
			goto closed
		}
		goto value
	case 't', 'n':
		if i+4 > len(b) || string(b[i:i+4]) != "true" && string(b[i:i+4]) != "null" {
			return -1
		}
		i += 4
	case 'f':
		if i+5 > len(b) || string(b[i:i+5]) != "false" {
			return -1
		}
		i += 5
	default:
		if i = afterBlank(b, i); i < len(b) && b[i] != c {
			goto value
		}
		return -1
	}
behind: // a value
	if open == depth {
		return i
	}
	if uint(i) >= uint(len(b)) {
		return -1
	}
	switch c := b[i]; c {
	case ',':
		i++
		if objects&1 == 0 {
			goto value
		}
		goto text
	case '}':
		if objects&1 == 0 {
			return -1
		}
	case ']':
		if objects&1 != 0 {
			return -1
		}
	default:
		if i = afterBlank(b, i); i < len(b) && b[i] != c {
			goto behind
		}
		return -1
	}
closed: // by the bracket that stands here
	i++
	open--
	objects >>= 1
	goto behind
text: // a key
	key = true
	if i = blank(b, i); i >= len(b) || b[i] != '"' {
		return -1
	}
quote: // a text begins here
	for i++; ; i += 8 {
		if i+8 > len(b) {
			i, _ = quoted(b, i)
			break
		}
		if m := marked(binary.LittleEndian.Uint64(b[i:])); m != 0 {
			if i += bits.TrailingZeros64(m) >> 3; b[i] == '"' {
				i++
			} else {
				i, _ = quoted(b, i)
			}
			break
		}
	}
	if !key {
		if i < 0 {
			return -1
		}
		goto behind
	}
	key = false
	if uint(i) >= uint(len(b)) {
		return -1
	}
	if b[i] != ':' {
		if i = blank(b, i); i >= len(b) || b[i] != ':' {
			return -1
		}
	}
	i++
	goto value
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

// number reads a number from its first character on.
func number(b []byte, i int) int {
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
	for i+8 <= len(b) {
		m := noDigits(binary.LittleEndian.Uint64(b[i:]))
		if m == 0 {
			i += 8
			continue
		}
		if i += bits.TrailingZeros64(m) >> 3; i == from {
			return -1
		}
		return i
	}
	for i < len(b) && b[i] >= '0' && b[i] <= '9' {
		i++
	}
	if i == from {
		return -1
	}
	return i
}

// noDigits has the highest bit of bytes set that are no digits: the lowest marked byte is exact, a carry may only mark bytes above it.
// Turned by '0' the digits are 0 to 9, and all others more.
func noDigits(x uint64) uint64 {
	x ^= ones * '0'
	return (x + ones*(0x80-10) | x) & highs
}
