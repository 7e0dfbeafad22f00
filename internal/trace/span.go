package trace

import (
	"encoding/binary"
	"time"
)

// Kind is how a span stands to the world outside.
type Kind uint64

// The kinds of OTLP.
const (
	Internal Kind = 1
	Client   Kind = 3 // a call of somebody's service
	Consumer Kind = 5 // a record taken from a topic
)

// MaxLinks bounds the links of a span, as OpenTelemetry's own limit does.
const MaxLinks = 128

// Span is a piece of work that has ended.
type Span struct {
	Context
	Parent     [8]byte // zero: it begins its trace
	Name       string
	Kind       Kind
	Start, End time.Time
	Attributes []Attribute
	Links      []Context // the first MaxLinks are told, the rest is a number
	Failed     string    // why it is an error, a word of ours; "": it is none
}

// Attribute is what a span says. It is made by Text or Number.
type Attribute struct {
	key    string
	text   string
	number int64
	isText bool
}

// Text is an attribute with words of the settings, the rule files or our own.
func Text(key, value string) Attribute { return Attribute{key: key, text: value, isText: true} }

// Number is an attribute with a number.
func Number(key string, value int64) Attribute { return Attribute{key: key, number: value} }

// message is a protocol buffers message to append to. The numbers are those of opentelemetry/proto/trace/v1/trace.proto; its test reads
// them back with OpenTelemetry's own code.
type message []byte

const (
	kindVarint  = 0
	kindFixed64 = 1
	kindBytes   = 2
	kindFixed32 = 5
)

func (m message) tag(number, kind uint64) message { return binary.AppendUvarint(m, number<<3|kind) }

func (m message) integer(number, v uint64) message {
	if v == 0 {
		return m
	}
	return binary.AppendUvarint(m.tag(number, kindVarint), v)
}

func (m message) bytes(number uint64, b []byte) message {
	return append(binary.AppendUvarint(m.tag(number, kindBytes), uint64(len(b))), b...)
}

func (m message) text(number uint64, s string) message {
	if s == "" {
		return m
	}
	return append(binary.AppendUvarint(m.tag(number, kindBytes), uint64(len(s))), s...)
}

func (m message) moment(number uint64, t time.Time) message {
	return binary.LittleEndian.AppendUint64(m.tag(number, kindFixed64), uint64(t.UnixNano()))
}

func (m message) attribute(number uint64, a Attribute) message {
	var value message
	if a.isText {
		value = value.bytes(1, []byte(a.text)) // also an empty one
	} else {
		value = binary.AppendUvarint(value.tag(3, kindVarint), uint64(a.number))
	}
	return m.bytes(number, message(nil).text(1, a.key).bytes(2, value))
}

func (m message) span(s *Span) message {
	m = m.bytes(1, s.Trace[:]).bytes(2, s.Span[:])
	if s.Parent != [8]byte{} {
		m = m.bytes(4, s.Parent[:])
	}
	end := s.End
	if end.Before(s.Start) { // two clocks had a part in it
		end = s.Start
	}
	m = m.text(5, s.Name).integer(6, uint64(s.Kind)).moment(7, s.Start).moment(8, end)
	for _, a := range s.Attributes {
		m = m.attribute(9, a)
	}
	told := min(len(s.Links), MaxLinks)
	for _, l := range s.Links[:told] {
		m = m.bytes(13, message(nil).bytes(1, l.Trace[:]).bytes(2, l.Span[:]).flags(6))
	}
	m = m.integer(14, uint64(len(s.Links)-told))
	if s.Failed != "" {
		m = m.bytes(15, message(nil).text(2, s.Failed).integer(3, 2))
	}
	return m.flags(16)
}

// flags says that a span is sampled: another is not here.
func (m message) flags(number uint64) message {
	return binary.LittleEndian.AppendUint32(m.tag(number, kindFixed32), sampledFlag)
}

// request is an ExportTraceServiceRequest.
func request(resource []Attribute, spans []Span) []byte {
	var res, scope message
	for _, a := range resource {
		res = res.attribute(1, a)
	}
	scope = scope.bytes(1, message(nil).text(1, "github.com/notifier/notifier"))
	for i := range spans {
		scope = scope.bytes(2, message(nil).span(&spans[i]))
	}
	return message(nil).bytes(1, message(nil).bytes(1, res).bytes(2, scope))
}

// rejected reads from an ExportTraceServiceResponse how many spans the collector did not take.
func rejected(answer []byte) int64 {
	partial, ok := find(answer, 1, kindBytes)
	if !ok {
		return 0
	}
	n, _ := find(partial, 1, kindVarint)
	v, _ := binary.Uvarint(n)
	return int64(min(v, 1<<31))
}

// find gives the first field of a number and kind: its content, or its varint. What cannot be read has none.
func find(b []byte, number, kind uint64) ([]byte, bool) {
	for len(b) > 0 {
		tag, size := binary.Uvarint(b)
		if size <= 0 {
			return nil, false
		}
		b = b[size:]
		length := uint64(0)
		switch tag & 7 {
		case kindVarint:
			_, size = binary.Uvarint(b)
			if size <= 0 {
				return nil, false
			}
			length, size = uint64(size), 0
		case kindBytes:
			if length, size = binary.Uvarint(b); size <= 0 {
				return nil, false
			}
		case kindFixed64:
			length, size = 8, 0
		case kindFixed32:
			length, size = 4, 0
		default:
			return nil, false
		}
		if length > uint64(len(b)-size) {
			return nil, false
		}
		content := b[size : size+int(length)]
		if tag>>3 == number && tag&7 == kind {
			return content, true
		}
		b = b[size+int(length):]
	}
	return nil, false
}
