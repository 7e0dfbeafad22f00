package trace

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
)

// Header is the record header with a trace context (W3C Trace Context).
const Header = "traceparent"

// Context names a span. The zero Context is none: of what is not sampled nothing is kept, so whoever has a Context makes spans.
type Context struct {
	Trace [16]byte
	Span  [8]byte
}

// The parts of a header of version 00: version-trace-span-flags.
const (
	parentLength = 55
	sampledFlag  = 1
)

// Parse reads a header. sampled is false if its producer does not record the trace: then nobody after it does. ok is false for what is no
// header, as if there were none.
func Parse(header []byte) (c Context, sampled, ok bool) {
	if len(header) < parentLength || header[2] != '-' || header[35] != '-' || header[52] != '-' {
		return Context{}, false, false
	}
	var version, flags [1]byte
	if !lowerHex(version[:], header[:2]) || !lowerHex(c.Trace[:], header[3:35]) || !lowerHex(c.Span[:], header[36:52]) || !lowerHex(flags[:], header[53:55]) {
		return Context{}, false, false
	}
	switch {
	case version[0] == 0xff, version[0] == 0 && len(header) != parentLength, len(header) > parentLength && header[parentLength] != '-':
		return Context{}, false, false
	case c.Trace == [16]byte{}, c.Span == [8]byte{}:
		return Context{}, false, false
	}
	return c, flags[0]&sampledFlag != 0, true
}

func lowerHex(to, from []byte) bool {
	if bytes.ContainsAny(from, "ABCDEF") {
		return false
	}
	_, err := hex.Decode(to, from)
	return err == nil
}

// String gives the header; "" of no Context.
func (c Context) String() string {
	if c == (Context{}) {
		return ""
	}
	b := append(make([]byte, 0, parentLength), "00-"...)
	b = append(hex.AppendEncode(b, c.Trace[:]), '-')
	return string(append(hex.AppendEncode(b, c.Span[:]), "-01"...))
}

// Child is a new span of the same trace.
func (c Context) Child() Context {
	c.Span = [8]byte{}
	for c.Span == [8]byte{} {
		_, _ = rand.Read(c.Span[:]) // never fails
	}
	return c
}

// root begins a trace.
func root() (c Context) {
	for c.Trace == [16]byte{} {
		_, _ = rand.Read(c.Trace[:])
	}
	return c
}
