package audit

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// readIntent reads what the audit needs of an intent: a byte 2 or 3 and a protocol buffers message, or JSON as the tests write it.
func readIntent(r Record) (in intentRecord, err error) {
	if len(r.Value) == 0 || r.Value[0] != 2 && r.Value[0] != 3 {
		return decode[intentRecord](r)
	}
	var broken error
	err = walk(r.Value[1:], func(n protowire.Number, b []byte, _ int64) {
		switch n {
		case 1:
			in.ID = string(b)
		case 2:
			broken = walk(b, in.Event.read)
		case 3:
			in.Rule = string(b)
		case 5:
			in.Account = string(b)
		case 6:
			in.Key = string(b)
		case 7:
			in.Target = string(b)
		case 8:
			in.Action = string(b)
		}
	})
	if err = errors.Join(err, broken); err != nil {
		return in, fmt.Errorf("%s: %w", r.place(), err)
	}
	if in.ID == "" {
		in.ID = fmt.Sprintf("%s/%d/%d/%s/%s", in.Event.Topic, in.Event.Partition, in.Event.Offset, in.Rule, in.Target)
	}
	return in, nil
}

func (e *eventRef) read(n protowire.Number, b []byte, v int64) {
	switch n {
	case 1:
		e.ID = string(b)
	case 5:
		e.Topic = string(b)
	case 6:
		e.Partition = int32(v)
	case 7:
		e.Offset = v
	}
}

// walk gives each field of a message: its bytes, or its number, which is zigzag.
func walk(b []byte, each func(n protowire.Number, b []byte, v int64)) error {
	for len(b) > 0 {
		n, kind, size := protowire.ConsumeTag(b)
		if size < 0 {
			return protowire.ParseError(size)
		}
		b = b[size:]
		if size = protowire.ConsumeFieldValue(n, kind, b); size < 0 {
			return protowire.ParseError(size)
		}
		switch kind {
		case protowire.BytesType:
			text, _ := protowire.ConsumeBytes(b)
			each(n, text, 0)
		case protowire.VarintType:
			v, _ := protowire.ConsumeVarint(b)
			each(n, nil, protowire.DecodeZigZag(v))
		}
		b = b[size:]
	}
	return nil
}
