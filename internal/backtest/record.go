package backtest

import (
	"bytes"
	"fmt"
	"strconv"
	"time"

	"github.com/tidwall/gjson"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/event"
)

// fault is what is wrong with a line.
type fault struct{ says diag.Text }

func (f *fault) Error() string { return f.says.EN }

func faulty(en, zh string) error { return &fault{diag.Text{EN: en, ZH: zh}} }

var errNoTime = faulty("it has no `timestamp` (`ts`)", "没有 `timestamp`（`ts`）")

// parse reads one line: {"topic","key","headers","timestamp","value"}, or what `kcat -J` prints. A record
// without an offset has -1.
func parse(line []byte) (rec event.Record, err error) {
	line = bytes.TrimPrefix(line, []byte("\ufeff")) // editors of Windows put it before the first line
	if !gjson.ValidBytes(line) || line[0] != '{' {
		return rec, faulty("it is no JSON object", "这不是 JSON 对象")
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
		err = faulty("it has no `topic`", "没有 `topic`")
	case rec.Time.IsZero():
		err = errNoTime
	case !value:
		err = faulty("it has no `value` (`payload`); a tombstone has null", "没有 `value`（`payload`）；删除记录要写 null")
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
	return nil, faulty("`headers` is no object and no list of names and values in turn", "`headers` 不是对象，也不是名字和值交替的列表")
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
		return time.Time{}, faulty(fmt.Sprintf("its timestamp %.40s is neither RFC 3339 nor a unix time", v.Raw), fmt.Sprintf("时间 %.40s 不是 RFC 3339，也不是 unix 时间", v.Raw))
	}
	return at.Time, nil
}
