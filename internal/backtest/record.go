package backtest

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/tidwall/gjson"

	"github.com/notifier/notifier/internal/event"
)

// parse reads one line: {"topic","key","headers","timestamp","value"}, or what `kcat -J` prints. A record
// without an offset has -1.
func parse(line []byte) (rec event.Record, err error) {
	if !gjson.ValidBytes(line) || line[0] != '{' {
		return rec, errors.New("it is no JSON object")
	}
	value := false
	rec.Offset = -1
	gjson.ParseBytes(line).ForEach(func(k, v gjson.Result) bool {
		switch k.Str {
		case "topic":
			rec.Topic = v.Str
		case "partition":
			rec.Partition = int32(v.Int())
		case "offset":
			rec.Offset = v.Int()
		case "key":
			rec.Key = bytesOf(v)
		case "value", "payload":
			rec.Value, value = bytesOf(v), true
		case "headers":
			rec.Headers, err = headers(v)
		case "timestamp", "ts":
			rec.Time, err = timeOf(v)
		}
		return err == nil
	})
	switch {
	case err != nil:
	case rec.Topic == "":
		err = errors.New("it has no `topic`")
	case rec.Time.IsZero():
		err = errors.New("it has no `timestamp` (`ts`)")
	case !value:
		err = errors.New("it has no `value` (`payload`); a tombstone has null")
	}
	return rec, err
}

// bytesOf is a key or value as Kafka had it: a text is itself, null is none, other JSON is its own text.
func bytesOf(v gjson.Result) []byte {
	switch v.Type {
	case gjson.Null:
		return nil
	case gjson.String:
		return []byte(v.Str)
	}
	return []byte(v.Raw)
}

// headers are an object, or a list of names and values in turn.
func headers(v gjson.Result) (out []event.Header, err error) {
	switch {
	case v.Type == gjson.Null:
		return nil, nil
	case v.IsObject():
		v.ForEach(func(k, v gjson.Result) bool {
			out = append(out, event.Header{Key: k.String(), Value: bytesOf(v)})
			return true
		})
		return out, nil
	case v.IsArray() && len(v.Array())%2 == 0:
		all := v.Array()
		for i := 0; i < len(all); i += 2 {
			out = append(out, event.Header{Key: all[i].String(), Value: bytesOf(all[i+1])})
		}
		return out, nil
	}
	return nil, errors.New("`headers` is no object and no list of names and values in turn")
}

// timeOf reads unix milliseconds, as Kafka has them, or what a time field of an event may be.
func timeOf(v gjson.Result) (time.Time, error) {
	text := v.Raw
	if v.Type == gjson.String {
		text = v.Str
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && len(text) == len("1700000000000") {
		return time.UnixMilli(n).UTC(), nil
	}
	at, ok := event.Parse(event.Time, text)
	if !ok {
		return time.Time{}, fmt.Errorf("its timestamp %.40s is neither RFC 3339 nor a unix time", v.Raw)
	}
	return at.Time, nil
}
