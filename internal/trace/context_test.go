package trace

import (
	"strings"
	"testing"
)

const header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

func TestHeadersAreReadAsW3CSays(t *testing.T) {
	for h, want := range map[string]struct{ sampled, ok bool }{
		header:                                   {true, true},
		strings.Replace(header, "-01", "-00", 1): {false, true},
		strings.Replace(header, "-01", "-03", 1): {true, true},
		strings.Replace(header, "-01", "-02", 1): {false, true},
		"cc" + header[2:]:                        {true, true}, // a version of the future
		"cc" + header[2:] + "-what-it-says":      {true, true},
		"cc" + header[2:] + "what-it-says":       {},
		header + "-more":                         {}, // not of version 00
		"ff" + header[2:]:                        {},
		strings.ToUpper(header):                  {},
		"":                                       {},
		header[:54]:                              {},
		strings.ReplaceAll(header, "-", "_"):     {},
		"00-00000000000000000000000000000000-00f067aa0ba902b7-01": {},
		"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01": {},
		"00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01": {},
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0x": {},
	} {
		c, sampled, ok := Parse([]byte(h))
		if sampled != want.sampled || ok != want.ok {
			t.Errorf("%q: sampled %t, ok %t, want %+v", h, sampled, ok, want)
		}
		if back := c.String(); ok && back != header {
			t.Errorf("%q is written as %q", h, back)
		}
		if !ok && c != (Context{}) {
			t.Errorf("%q gives %s", h, c)
		}
	}
}

// What a producer does not record nobody records after it; what brings no context is recorded by the share.
func TestWhoIsRecorded(t *testing.T) {
	for _, c := range []struct {
		share       float64
		header      string
		least, most int // of 1000
	}{
		{1, header, 1000, 1000}, {0, header, 1000, 1000}, {1, header[:53] + "00", 0, 0},
		{1, "", 1000, 1000}, {0, "", 0, 0}, {1, "nonsense", 1000, 1000}, {0.5, "", 380, 620},
	} {
		tr, err := New(Options{Endpoint: "http://127.0.0.1:1", Share: c.share})
		if err != nil {
			t.Fatal(err)
		}
		n, seen := 0, map[Context]bool{}
		for range 1000 {
			x, parent, ok := tr.Begin([]byte(c.header))
			if !ok {
				continue
			}
			n++
			from, _, known := Parse([]byte(c.header))
			if known != (parent != [8]byte{}) || known && (x.Trace != from.Trace || parent != from.Span || x.Span == from.Span) || seen[x] {
				t.Fatalf("%q gives %s with parent %x", c.header, x, parent)
			}
			seen[x] = true
		}
		if n < c.least || n > c.most { // a share of one half: 7.6 standard deviations
			t.Errorf("share %g, header %q: %d of 1000 are recorded, want %d to %d", c.share, c.header, n, c.least, c.most)
		}
	}
}
