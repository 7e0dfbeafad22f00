package event

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"
	"pgregory.net/rapid"
)

var broker = time.Date(2026, 11, 21, 4, 0, 0, 0, time.UTC)

func rec(topic, value string) Record {
	return Record{Position: Position{topic, 4, 17}, Key: []byte("k-1"), Value: []byte(value), Time: broker}
}

func orders() *Spec {
	return NewSpec(Spec{Name: "order.paid", Topics: []string{"orders"}, Kind: Business, Format: JSON,
		Match: []Match{{"type", []string{"order.paid", "order.settled"}}}, ID: "data.order_id", User: "data.user_id", Time: TimeSpec{Path: "data.paid_at"},
		Fields: []Field{
			{Name: "amount", Alias: "金额", Path: "data.amount_fen", Type: Number, Scale: "0.01"},
			{Name: "level", Path: "data.level", Type: String, Values: []string{"normal", "vip"}, Default: &Value{State: Known, Type: String, Str: "normal"}},
			{Name: "items", Path: "data.items.#.name", Type: List},
			{Name: "gift", Path: "data.gift", Type: Bool},
			{Name: "ref", Path: "header.ref", Type: String},
			{Name: "key", Path: "key", Type: String},
		}})
}

func profiles(format Format, user string) *Spec {
	return NewSpec(Spec{Name: "profile.changed", Topics: []string{"users"}, Kind: Profile, Format: format, ID: map[bool]string{true: "id"}[format == JSON], User: user,
		Fields: []Field{{Name: "city", Path: "city", Type: String}}})
}

func one(t *testing.T, s *Spec, r Record) Event {
	t.Helper()
	evs, err := NewCatalogue([]*Spec{s}, 0).Decode(r)
	if err != nil || len(evs) != 1 {
		t.Fatalf("%s: %d events, %v", r.Value, len(evs), err)
	}
	return evs[0]
}

func TestRecordBecomesTypedEvent(t *testing.T) {
	r := rec("orders", `{"type":"order.paid","data":{"order_id":90071992547409931,"user_id":"u-1","paid_at":1795230000,"amount_fen":"50100","items":[{"name":"a"},{"name":"b"}],"gift":1}}`)
	r.Headers = []Header{{"ref", []byte("h")}}
	ev := one(t, orders(), r)
	if ev.ID != "90071992547409931" || ev.User != "u-1" || !ev.Time.Equal(time.Unix(1795230000, 0)) || ev.Version != 1795230000000 || ev.Pos != r.Position {
		t.Errorf("got %+v", ev)
	}
	want := []Value{
		{State: Known, Type: Number, Str: "501.00", Num: 501}, {State: Known, Type: String, Str: "normal"},
		{State: Known, Type: List, List: []string{"a", "b"}}, {State: Known, Type: Bool, Str: "true", Bool: true},
		{State: Known, Type: String, Str: "h"}, {State: Known, Type: String, Str: "k-1"},
	}
	if diff := cmp.Diff(want, ev.Values); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
	if ev.Value("金额").Num != 501 || ev.Value("nope").OK() {
		t.Error("alias or unknown name")
	}
}

func TestWhatIsNotAnEvent(t *testing.T) {
	deep := `{"type":"order.paid","data":` + strings.Repeat(`[`, 64) + strings.Repeat(`]`, 64) + `}`
	for _, c := range []struct {
		name, value string
		reason      Reason // "": ignored
		detail      string
	}{
		{"another type", `{"type":"order.created"}`, "", ""},
		{"null type", `{"type":null}`, "", ""},
		{"no type", `{}`, "", ""},
		{"cut JSON", `{"type":"order.paid","da`, Undecodable, "byte 24"},
		{"empty", "", Undecodable, "byte 0"},
		{"text", "hello", Undecodable, "byte 1"},
		{"two values", `{} {}`, Undecodable, "byte 4"},
		{"too deep", deep, Undecodable, "deeper than 64 at byte 91"},
		{"fatally deep", strings.Repeat("[", 1<<20), Undecodable, "deeper"},
		{"too large", `"` + strings.Repeat("x", 1<<20) + `"`, TooLarge, "events.max_bytes"},
		{"no id", `{"type":"order.paid","data":{"user_id":"u","paid_at":1}}`, BadField, "id: nothing at data.order_id"},
		{"empty id", `{"type":"order.paid","data":{"order_id":" ","user_id":"u","paid_at":1}}`, BadField, "id: empty"},
		{"id is an object", `{"type":"order.paid","data":{"order_id":{},"user_id":"u","paid_at":1}}`, BadField, "neither text nor number"},
		{"long id", `{"type":"order.paid","data":{"order_id":"` + strings.Repeat("x", 513) + `","user_id":"u","paid_at":1}}`, BadField, "513 bytes"},
		{"no user", `{"type":"order.paid","data":{"order_id":"o","paid_at":1}}`, BadField, "user: nothing at data.user_id"},
		{"null user", `{"type":"order.paid","data":{"order_id":"o","user_id":null,"paid_at":1}}`, BadField, "user: nothing"},
		{"user not UTF-8", "{\"type\":\"order.paid\",\"data\":{\"order_id\":\"o\",\"user_id\":\"\xff\",\"paid_at\":1}}", BadField, "not UTF-8"},
		{"no time", `{"type":"order.paid","data":{"order_id":"o","user_id":"u"}}`, BadField, "time: nothing"},
		{"bad time", `{"type":"order.paid","data":{"order_id":"o","user_id":"u","paid_at":"today"}}`, BadField, `a text at data.paid_at is not a time`},
	} {
		evs, err := NewCatalogue([]*Spec{orders()}, 0).Decode(rec("orders", c.value))
		var de *DecodeError
		errors.As(err, &de)
		switch {
		case len(evs) != 0:
			t.Errorf("%s: %d events", c.name, len(evs))
		case c.reason == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.reason != "" && (de == nil || de.Reason != c.reason || !strings.Contains(de.Detail, c.detail)):
			t.Errorf("%s: got %v, want %s ... %s", c.name, err, c.reason, c.detail)
		}
	}
	if evs, err := NewCatalogue([]*Spec{orders()}, 0).Decode(rec("elsewhere", "{")); evs != nil || err != nil {
		t.Error("a topic of nobody")
	}
	if evs, err := NewCatalogue([]*Spec{orders()}, 0).Decode(Record{Position: Position{Topic: "orders"}}); evs != nil || err != nil {
		t.Errorf("tombstone on a business topic: %v %v", evs, err)
	}
}

// What is said of a record stands in logs, dead letters and listings: the value of a personal field never does, whatever leads to it.
func TestAPersonalValueIsNotSaid(t *testing.T) {
	s := orders()
	s.Fields = append(s.Fields, Field{Name: "nickname", Path: "data.user.nickname", Type: Number, Required: true}, Field{Name: "user", Path: "data.user", Type: String, Required: true},
		Field{Name: "born", Path: "data.born", Type: String})
	s.Personal = map[string]bool{"nickname": true, "born": true}
	s = NewSpec(*s)
	good := `{"type":"order.paid","data":{"order_id":"o","user_id":"u","paid_at":1,"user":{"nickname":"SECRET"},"born":"SECRET"}}`
	for _, c := range []struct{ name, detail, user, time string }{
		{"a required field", "field nickname: a text at data.user.nickname", "data.user_id", "data.paid_at"},
		{"the user's path leads to what holds one", "user: an object at data.user is neither text nor number", "data.user", "data.paid_at"},
		{"the time is one", "time: a text at data.born is not a time", "data.user_id", "data.born"},
	} {
		c2 := *s
		c2.User, c2.Time.Path = c.user, c.time
		_, err := NewCatalogue([]*Spec{NewSpec(c2)}, 0).Decode(rec("orders", good))
		var de *DecodeError
		if !errors.As(err, &de) || de.Detail != c.detail {
			t.Errorf("%s: got %v, want %s", c.name, err, c.detail)
		}
	}
	s.Fields = slices.DeleteFunc(s.Fields, func(f Field) bool { return f.Name == "nickname" }) // an object that holds another personal field
	s.Fields = append(s.Fields, Field{Name: "nickname", Path: "data.user.nickname", Type: String})
	s.Fields = append(s.Fields, Field{Name: "whole", Path: "data.user", Type: String, Required: true})
	_, err := NewCatalogue([]*Spec{NewSpec(*s)}, 0).Decode(rec("orders", good))
	if err == nil || strings.Contains(err.Error(), "SECRET") {
		t.Errorf("a field that holds a personal one: %v", err)
	}
}

func TestSeveralEntriesOfOneTopic(t *testing.T) {
	all := NewSpec(Spec{Name: "all", Topics: []string{"orders"}, Kind: Business, ID: "data.order_id", Fields: []Field{{Name: "n", Path: "n", Type: Number, Required: true}}})
	c := NewCatalogue([]*Spec{orders(), all}, 0)
	good := `{"type":"order.paid","n":1,"data":{"order_id":"o","user_id":"u","paid_at":1}}`
	if evs, err := c.Decode(rec("orders", good)); err != nil || len(evs) != 2 || evs[1].Spec != all {
		t.Errorf("%v %v", evs, err)
	}
	evs, err := c.Decode(rec("orders", strings.Replace(good, `"n":1`, `"n":"x"`, 1)))
	var de *DecodeError
	if !errors.As(err, &de) || de.Event != "all" || de.Reason != BadField || len(evs) != 1 {
		t.Errorf("one entry at fault: %v %v", evs, err)
	}
	if diff := cmp.Diff([]string{"orders"}, c.Topics()); diff != "" || c.Spec("all") != all {
		t.Error(diff)
	}
}

func TestTimes(t *testing.T) {
	want := time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC)
	for _, raw := range []string{`"2026-11-21T11:00:00+08:00"`, `1795230000`, `1795230000000`, `"1795230000000000"`, `1795230000000000000`, `1.79523e9`, `"1795230000.000"`} {
		s := NewSpec(Spec{Name: "e", Topics: []string{"t"}, Kind: Business, ID: "key", Time: TimeSpec{Path: "at"}})
		if ev := one(t, s, rec("t", `{"at":`+raw+`}`)); !ev.Time.Equal(want) {
			t.Errorf("%s: got %s", raw, ev.Time)
		}
	}
	zone := time.FixedZone("CST", 8*3600)
	s := NewSpec(Spec{Name: "e", Topics: []string{"t"}, Kind: Business, ID: "key", Time: TimeSpec{"at", "2006-01-02 15:04:05", zone}})
	if ev := one(t, s, rec("t", `{"at":"2026-11-21 11:00:00"}`)); !ev.Time.Equal(want) {
		t.Errorf("layout: got %s", ev.Time)
	}
	s = NewSpec(Spec{Name: "e", Topics: []string{"t"}, Kind: Business, ID: "key", Time: TimeSpec{Path: "at"}})
	for raw, want := range map[string]time.Time{`"2026-11-21T04:10:00Z"`: broker.Add(10 * time.Minute), `"2026-11-21T04:10:01Z"`: broker, `"2099-01-01T00:00:00Z"`: broker} {
		if ev := one(t, s, rec("t", `{"at":`+raw+`}`)); !ev.Time.Equal(want) {
			t.Errorf("%s ahead of the broker: got %s, want %s", raw, ev.Time, want)
		}
	}
	for _, raw := range []string{`-1`, `true`, `"0000-01-01T00:00:00Z"`, `1e400`, `[1]`, `"1e30"`, `""`} {
		if evs, err := NewCatalogue([]*Spec{s}, 0).Decode(rec("t", `{"at":`+raw+`}`)); err == nil {
			t.Errorf("%s is a time: %v", raw, evs)
		}
	}
}

func TestCoercionIsLosslessOrBad(t *testing.T) {
	for _, c := range []struct {
		f    Field
		raw  string
		want string // "" is Bad
	}{
		{Field{Type: Number}, `812`, "812"}, {Field{Type: Number}, `"812"`, "812"}, {Field{Type: Number}, `"812.50"`, "812.5"}, {Field{Type: Number}, `1e3`, "1000"},
		{Field{Type: Number}, `-0`, "0"}, {Field{Type: Number}, `0.000`, "0"}, {Field{Type: Number}, `12345678901234567890`, "12345678901234567890"},
		{Field{Type: Number}, `"1,000"`, ""}, {Field{Type: Number}, `" 1"`, ""}, {Field{Type: Number}, `"0x10"`, ""}, {Field{Type: Number}, `"１"`, ""}, {Field{Type: Number}, `"NaN"`, ""},
		{Field{Type: Number}, `1e999`, ""}, {Field{Type: Number}, `"1e999999999999"`, ""}, {Field{Type: Number}, `true`, ""}, {Field{Type: Number}, `""`, ""}, {Field{Type: Number}, `"-"`, ""}, {Field{Type: Number}, `"1."`, ""}, {Field{Type: Number}, `"+1"`, ""},
		{Field{Type: Number, Scale: "0.01"}, `50100`, "501.00"}, {Field{Type: Number, Scale: "0.01"}, `50100.0`, "501.00"}, {Field{Type: Number, Scale: "0.01"}, `7`, "0.07"}, {Field{Type: Number, Scale: "0.01"}, `-7`, "-0.07"},
		{Field{Type: Number, Scale: "0.01"}, `90071992547409931`, "900719925474099.31"}, {Field{Type: Number, Scale: "100"}, `1.5`, "150"}, {Field{Type: Number, Scale: "0.1"}, `0.3`, "0.03"},
		{Field{Type: String}, `812`, "812"}, {Field{Type: String}, `12345678901234567890`, "12345678901234567890"}, {Field{Type: String}, `true`, "true"}, {Field{Type: String}, `{}`, ""}, {Field{Type: String}, `["a"]`, ""},
		{Field{Type: String, Values: []string{"a", "b"}}, `"b"`, "b"}, {Field{Type: String, Values: []string{"a", "b"}}, `"c"`, ""},
		{Field{Type: Bool}, `true`, "true"}, {Field{Type: Bool}, `"false"`, "false"}, {Field{Type: Bool}, `0`, "false"}, {Field{Type: Bool}, `2`, ""}, {Field{Type: Bool}, `"yes"`, ""}, {Field{Type: Bool}, `[]`, ""},
		{Field{Type: Time}, `"2026-11-21T11:00:00+08:00"`, "2026-11-21T03:00:00Z"}, {Field{Type: Time}, `"soon"`, ""},
		{Field{Type: List}, `["a",1,null,true]`, "a|1|true"}, {Field{Type: List}, `"a"`, ""}, {Field{Type: List}, `[{}]`, ""},
	} {
		c.f.Path, c.f.Name = "v", "v"
		s := NewSpec(Spec{Name: "e", Topics: []string{"t"}, Kind: Business, ID: "key", Fields: []Field{c.f}})
		v := one(t, s, rec("t", `{"v":`+c.raw+`}`)).Values[0]
		got := v.Str
		if v.List != nil {
			got = strings.Join(v.List, "|")
		}
		if v.OK() != (c.want != "") || (v.OK() && got != c.want) {
			t.Errorf("%s %s scale %q: got %+v, want %q", c.f.Type, c.raw, c.f.Scale, v, c.want)
		}
	}
	s := NewSpec(Spec{Name: "e", Topics: []string{"t"}, Kind: Business, ID: "key", Fields: []Field{{Name: "v", Path: "v"}, {Name: "l", Path: "l", Type: List}}})
	ev := one(t, s, rec("t", `{"v":"`+strings.Repeat("城", 2000)+`","l":[`+strings.Repeat(`"x",`, 99)+`"x"]}`))
	if v := ev.Values; len(v[0].Str) != 4095 || len(v[1].List) != 32 || len(v[1].Beyond) != 68 {
		t.Errorf("%d bytes, %d items, %d beyond", len(v[0].Str), len(v[1].List), len(v[1].Beyond))
	}
	if ev := one(t, s, rec("t", "{\"v\":\"a\xffb\"}")); ev.Values[0].Str != "a\uFFFDb" || ev.Values[1].State != Missing {
		t.Errorf("got %+v", ev.Values)
	}
	if ev := one(t, s, rec("t", `{"v":null}`)); ev.Values[0].State != Null {
		t.Errorf("got %+v", ev.Values)
	}
}

func TestTombstoneOnAProfileTopic(t *testing.T) {
	for _, c := range []struct{ path, key, user string }{
		{"user_id", "u-1", "u-1"}, {"user_id", `"u-1"`, "u-1"}, {"user_id", "90071992547409931", "90071992547409931"}, {"user_id", `{"user_id":7}`, "7"},
		{"data.user_id", `{"user_id":"x"}`, "x"}, {"user_id", `{"schema":{},"payload":{"user_id":9}}`, "9"}, {"key", "plain", "plain"}, {"user_id", "{not json", "{not json"},
	} {
		ev := one(t, profiles(JSON, c.path), Record{Position: Position{"users", 1, 2}, Key: []byte(c.key), Time: broker})
		if !ev.Gone || ev.User != c.user || ev.ID != "users[1]@2" || !ev.Time.Equal(broker) {
			t.Errorf("%s, key %s: got %+v", c.path, c.key, ev)
		}
	}
	for _, key := range []string{"", `{"other":1}`, `{"user_id":{}}`, "null"} {
		evs, err := NewCatalogue([]*Spec{profiles(JSON, "user_id")}, 0).Decode(Record{Position: Position{"users", 1, 2}, Key: []byte(key)})
		if err == nil {
			t.Errorf("key %q: %v", key, evs)
		}
	}
}

func TestCloudEventsInBothModes(t *testing.T) {
	s := NewSpec(Spec{Name: "e", Topics: []string{"t"}, Kind: Business, Format: CloudEvents, Match: []Match{{"type", []string{"paid"}}}, User: "data.user",
		Fields: []Field{{Name: "amount", Path: "data.amount", Type: Number}, {Name: "source", Path: "source"}}})
	structured := rec("t", `{"specversion":"1.0","id":"e-1","type":"paid","source":"/shop","time":"2026-11-21T03:00:00Z","data":{"user":"u","amount":5}}`)
	binary := rec("t", `{"user":"u","amount":5}`)
	for k, v := range map[string]string{"ce_specversion": "1.0", "ce_id": "e-1", "ce_type": "paid", "ce_source": "/shop", "ce_time": "2026-11-21T03:00:00Z", "content-type": "application/json"} {
		binary.Headers = append(binary.Headers, Header{k, []byte(v)})
	}
	a, b := one(t, s, structured), one(t, s, binary)
	if diff := cmp.Diff(a, b, cmp.AllowUnexported(Spec{})); diff != "" || a.ID != "e-1" || a.Values[0].Num != 5 || a.Values[1].Str != "/shop" || a.Time.Hour() != 3 {
		t.Errorf("%+v (-structured +binary):\n%s", a, diff)
	}
	if _, err := NewCatalogue([]*Spec{s}, 0).Decode(rec("t", `{"id":"x"}`)); err == nil || !strings.Contains(err.Error(), "not a CloudEvent") {
		t.Errorf("got %v", err)
	}
	text := NewSpec(Spec{Name: "e", Topics: []string{"t"}, Kind: Business, Format: CloudEvents, Fields: []Field{{Name: "data", Path: "data"}}})
	plain := rec("t", `hello "world"`)
	plain.Headers = []Header{{"ce_specversion", []byte("1.0")}, {"ce_id", []byte("1")}, {"content-type", []byte("text/plain")}}
	if ev := one(t, text, plain); ev.Values[0].Str != `hello "world"` || !ev.Time.Equal(broker) {
		t.Errorf("got %+v", ev)
	}
}

func TestDebezium(t *testing.T) {
	const row = `{"user_id":7,"city":"北京"}`
	env := func(op, before, after string) string {
		return fmt.Sprintf(`{"before":%s,"after":%s,"source":{"connector":"mysql","name":"s","file":"b.1","pos":4,"row":0,"ts_ms":1795230000000},"op":%q,"ts_ms":1795230001000}`, before, after, op)
	}
	business := func(m ...Match) *Spec {
		return NewSpec(Spec{Name: "row", Topics: []string{"users"}, Kind: Business, Format: Debezium, Match: m, User: "user_id", Fields: []Field{{Name: "city", Path: "city"}, {Name: "op", Path: "envelope.op"}}})
	}
	for _, c := range []struct {
		name, value string
		spec        *Spec
		want        string // user city gone, "" for ignored
	}{
		{"insert", env("c", "null", row), profiles(Debezium, "user_id"), "7 北京 false"},
		{"update", env("u", `{"user_id":7,"city":"上海"}`, row), profiles(Debezium, "user_id"), "7 北京 false"},
		{"snapshot", env("r", "null", row), profiles(Debezium, "user_id"), "7 北京 false"},
		{"wrapped", `{"schema":{},"payload":` + env("c", "null", row) + `}`, profiles(Debezium, "user_id"), "7 北京 false"},
		{"delete", env("d", row, "null"), profiles(Debezium, "user_id"), "7  true"},
		{"delete without row", env("d", "null", "null"), profiles(Debezium, "user_id"), "8  true"},
		{"wrapped tombstone", `{"schema":null,"payload":null}`, profiles(Debezium, "user_id"), "8  true"},
		{"truncate", env("t", "null", "null"), profiles(Debezium, "user_id"), ""},
		{"business insert", env("c", "null", row), business(), "7 北京 false"},
		{"business snapshot", env("r", "null", row), business(), ""},
		{"business delete", env("d", row, "null"), business(), ""},
		{"business delete by name", env("d", row, "null"), business(Match{"envelope.op", []string{"d"}}), "7 北京 false"},
		{"business snapshot by name", env("r", "null", row), business(Match{"envelope.op", []string{"r", "c"}}), "7 北京 false"},
		{"business insert not named", env("u", "null", row), business(Match{"envelope.op", []string{"r", "c"}}), ""},
	} {
		r := rec("users", c.value)
		r.Key = []byte(`{"user_id":8}`)
		evs, err := NewCatalogue([]*Spec{c.spec}, 0).Decode(r)
		got := ""
		if len(evs) == 1 {
			got = fmt.Sprintf("%s %s %t", evs[0].User, evs[0].Value("city").Str, evs[0].Gone)
		}
		if err != nil || got != c.want {
			t.Errorf("%s: got %q, want %q (%v)", c.name, got, c.want, err)
		}
	}
	for _, v := range []string{`{}`, `{"op":5}`, env("c", "null", "null")} {
		if _, err := NewCatalogue([]*Spec{business()}, 0).Decode(rec("users", v)); err == nil || !strings.Contains(err.Error(), "Debezium") {
			t.Errorf("%s: got %v", v, err)
		}
	}

	again := strings.Replace(env("c", "null", row), `"connector":"mysql"`, `"connector":"mysql","version":"3.1"`, 1)
	id := func(v string) string { return one(t, business(), rec("users", v)).ID }
	first := id(env("c", "null", row))
	if id(again) != first {
		t.Error("the id depends on the connector's version")
	}
	if id(strings.Replace(again, `"pos":4`, `"pos":5`, 1)) == first || id(env("u", "null", row)) == first {
		t.Error("another change has the same id")
	}
	if ev := one(t, business(), rec("users", env("c", "null", row))); !ev.Time.Equal(time.UnixMilli(1795230001000)) {
		t.Errorf("time %s", ev.Time)
	}
}

func TestVersion(t *testing.T) {
	s := NewSpec(Spec{Name: "e", Topics: []string{"t"}, Kind: Business, ID: "key", Version: "v"})
	if ev := one(t, s, rec("t", `{"v":"12"}`)); ev.Version != 12 {
		t.Errorf("got %d", ev.Version)
	}
	for _, v := range []string{`{}`, `{"v":1.5}`, `{"v":"x"}`, `{"v":99999999999999999999}`} {
		if _, err := NewCatalogue([]*Spec{s}, 0).Decode(rec("t", v)); err == nil {
			t.Errorf("%s is accepted", v)
		}
	}
}

// Scaling is exact: what is written out, divided by the factor, is the number that came in.
// A value that a test gives is written as the decoder would have written it.
func TestParseWritesWhatTheDecoderWrites(t *testing.T) {
	for _, c := range []struct{ scale, raw, seen, want string }{
		{"0.01", "50000", "500", "500.00"}, {"0.01", "50150", "501.5", "501.50"}, {"0.01", "50151", "501.51", "501.51"}, {"0.01", "-7", "-0.07", "-0.07"},
		{"0.01", "0", "0", "0.00"}, {"0.010", "1", "0.01", "0.010"}, {"1e-2", "500", "5", "5.00"}, {"100", "1.5", "150", "150"}, {"", "500", "500", "500"}, {"", "1.50", "1.50", "1.5"},
	} {
		f := Field{Type: Number, Scale: c.scale}
		r := gjson.Parse(c.raw)
		var decoded Value
		decoded.coerce(&f, &r, nil)
		parsed, ok := f.Parse(c.seen)
		if !ok || parsed.Str != c.want || decoded.Str != c.want || parsed.Num != decoded.Num {
			t.Errorf("scale %q: %s is decoded to %q, %s is parsed to %q, want %q", c.scale, c.raw, decoded.Str, c.seen, parsed.Str, c.want)
		}
	}
	if v, ok := (&Field{Type: Bool}).Parse("true"); !ok || !v.Bool {
		t.Errorf("a bool is %+v", v)
	}
}

func TestScaledDecimalsAreExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64().Draw(t, "n")
		got, ok := decimal(fmt.Sprint(n), "0.01", nil)
		if !ok {
			t.Fatal("not a number")
		}
		back, ok := decimal(got, "100", nil)
		if !ok || back != fmt.Sprint(n) {
			t.Fatalf("%d -> %s -> %s", n, got, back)
		}
	})
}

func FuzzDecode(f *testing.F) {
	c := NewCatalogue([]*Spec{orders(), profiles(JSON, "user_id"),
		NewSpec(Spec{Name: "ce", Topics: []string{"orders"}, Kind: Business, Format: CloudEvents, Fields: []Field{{Name: "n", Path: "data.n", Type: Number}, {Name: "t", Path: "data.t", Type: Time}}}),
		NewSpec(Spec{Name: "db", Topics: []string{"orders"}, Kind: Profile, Format: Debezium, User: "user_id", Fields: []Field{{Name: "l", Path: "l", Type: List}}})}, 1<<16)
	f.Add([]byte("k"), []byte(`{"type":"order.paid","data":{"order_id":"o","user_id":"u","paid_at":1795230000,"amount_fen":1e2}}`), "1.0")
	f.Add([]byte(`{"user_id":1}`), []byte(`{"op":"c","after":{"user_id":1,"l":["a"]},"source":{}}`), "")
	f.Add([]byte(nil), []byte(`{"specversion":"1.0","id":"x","data":{"n":"5","t":1e9}}`), "")
	f.Fuzz(func(t *testing.T, key, value []byte, ce string) {
		r := Record{Position: Position{"orders", 0, 1}, Key: key, Value: value, Headers: []Header{{"ce_specversion", []byte(ce)}, {"ce_id", key}}, Time: broker}
		evs, err := c.Decode(r)
		var de *DecodeError
		if err != nil && !errors.As(err, &de) {
			t.Fatalf("untyped error %v", err)
		}
		for _, ev := range evs {
			if ev.ID == "" || (ev.Spec.User != "" && ev.User == "") || ev.Time.After(broker.Add(MaxAhead)) {
				t.Fatalf("event %+v", ev)
			}
			for _, v := range ev.Values {
				if len(v.Str) > maxString || len(v.List) > maxItems || len(v.List)+len(v.Beyond) > maxRead {
					t.Fatalf("value %+v", v)
				}
			}
		}
	})
}
