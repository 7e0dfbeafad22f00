package event

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/tidwall/gjson"
	"pgregory.net/rapid"
)

// gjson is the oracle of the scan: paths that are plain, that cross arrays, that patterns make, and none.
var askedPaths = []string{"a", "b", "a.b", "a.a", "a.b.a", "b.a", "é.b", "a.é", "金", "a.0", "a.#", "a.#.b", "a.b.#(a==1).b", "*.a", "b?", `a\.b`, "a|b", "a.@keys", "", "A", "long name of a key.a"}

// sameAsGJSON compares the scan of a document with gjson's own validity and answers.
func sameAsGJSON(t interface{ Fatalf(string, ...any) }, body []byte) {
	s := Spec{Name: "e", Topics: []string{"t"}, Kind: Business}
	for i, p := range askedPaths {
		s.Fields = append(s.Fields, Field{Name: fmt.Sprint(i), Path: p})
	}
	e := NewCatalogue([]*Spec{NewSpec(s)}, 0).topics["t"].entries[0]
	d := &document{plan: e.plan}
	valid := tooDeep(body) < 0 && gjson.ValidBytes(body)
	if ok := d.scan(body, maxDepth); ok != valid {
		t.Fatalf("%q: scan says %t, gjson %t", body, ok, valid)
	}
	if !valid {
		return
	}
	for i, p := range askedPaths {
		want := gjson.Get(string(body), p)
		if p == "" {
			want = gjson.Result{} // an entry without that path
		}
		for range 2 { // the second time from what was kept
			match := d.among(e.fields[i], []string{"x", "b\n", "1"})
			if wantMatch := want.Exists() && want.Type != gjson.Null && slices.Contains([]string{"x", "b\n", "1"}, want.String()); match != wantMatch {
				t.Fatalf("%q at %q: match %t, want %t", body, p, match, wantMatch)
			}
			if diff := cmp.Diff(want, *d.get(e.fields[i]), cmpopts.IgnoreFields(gjson.Result{}, "Index", "Indexes")); diff != "" {
				t.Fatalf("%q at %q (-gjson +scan):\n%s", body, p, diff)
			}
		}
	}
}

var awkward = []string{
	`{"a":{"b":1},"a":{"b":2}}`, `{"a":{},"a":{"b":2}}`, `{"a":5,"a":{"b":"x"}}`, `{"a":null,"a":1}`, `{"a":[1],"a":{"b":2}}`, `{"a":[{"b":1},{"b":2}]}`,
	`{"\u0061":{"\u0062":"\u0078"}}`, `{"a\"b":1,"a":"x"}`, `{"a":"b\n"}`, `{"a":"\\\\\\"}`, `{"a":"\\\"","b":{"a":"\ud83d\ude00\ud800"}}`, "{\"a\":\"\xff\",\"b\":\"\x7f\"}",
	`"{\"a\":1}"`, `[{"a":1}]`, ` {"a" : { "b" : [ ] , "a" : -0.0e+1 } } `, `{}`, `1`, `null`, ``, ` `, `{"a":tru}`, `{"a":truex}`, `{"a":01}`, `{"a":-}`, `{"a":1.}`, `{"a":.1}`, `{"a":1e}`, `{"a":1e+}`, `[1,]`, `{"a":1,}`, `[,1]`,
	`{"a"1}`, `{"a":}`, `{a:1}`, `{"a":"\x"}`, `{"a":"\u12g4"}`, `{"a":"\u123`, "{\"a\":\"\n\"}", "{\"a\":\"1234567\x1f\"}", `{"a":"12345678`, `{"a":1}}`, `{"a":1} x`, "\ufeff{}", `{"A":1,"a":2}`, `[[1]`, `{"a":[1 2]}`, "{\"a\":1}\x00", `{"金":"x","é":{"b":1}}`,
	`{"long name of a key":{"a":1}}`, strings.Repeat("[", 64) + strings.Repeat("]", 64), strings.Repeat("[", 65) + strings.Repeat("]", 65), strings.Repeat(`{"a":`, 64) + "1" + strings.Repeat("}", 64), strings.Repeat(`{"a":`, 65) + "1" + strings.Repeat("}", 65),
	`{"x":[1}}`, `{"x":{"y":1]}`, `[[1}]`, `[{"y":1]]`, `{"x":[{"y":[ {} , [ ] ]} , 2]}`, `{"x":[{"y":1]}]}`, `{"x":[1],"a":[1]}`, `{"x":{"y" : 1 , "z":[ true , null ] } }`, `{"x":[12345678,123456789,1234567x]}`,
	`{"x":` + strings.Repeat("[", 63) + strings.Repeat("]", 63) + "}", `{"x":` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + "}",
	`{"a":"` + strings.Repeat("[", 99) + `"}`, `{"a":1e999,"b":12345678901234567890}`, `{"a":{"a":{"b":1},"b":{"a":{"b":2}}}}`, `{"":{"":1},"a":true,"b":false}`,
}

func TestScanAgreesWithGJSONOnAwkwardJSON(t *testing.T) {
	for _, s := range awkward {
		sameAsGJSON(t, []byte(s))
		for i := range s {
			sameAsGJSON(t, []byte(s[:i]))
			sameAsGJSON(t, []byte(s[:i]+"\\"+s[i:]))
			sameAsGJSON(t, []byte(s[:i]+"\t"+s[i:]))
			sameAsGJSON(t, []byte(s[:i]+s[i+1:]))
		}
	}
}

func TestScanAgreesWithGJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { sameAsGJSON(t, []byte(anyJSON(t, 0))) })
}

// anyJSON draws a document whose keys are often those of askedPaths, now and then with an error in it.
func anyJSON(t *rapid.T, depth int) string {
	blank := func() string { return rapid.SampledFrom([]string{"", "", "", " ", "\n\t", "\r"}).Draw(t, "blank") }
	quoted := func() string {
		s := rapid.SampledFrom([]string{"a", "b", "a", "b", "é", "金", "x", "", "A", `\u0061`, `b\n`, `\\`, `\"`, "long name of a key", strings.Repeat("y", 40), `\ud83d\ude00`, `\q`, "\xff"}).Draw(t, "text")
		return `"` + s + `"`
	}
	kind := rapid.IntRange(0, 12).Draw(t, "kind")
	if depth == 0 {
		kind = rapid.SampledFrom([]int{0, 0, 0, 0, 3, 4}).Draw(t, "root")
	}
	switch {
	case kind <= 3 && depth < 5:
		var b strings.Builder
		b.WriteString("{" + blank())
		for i := range rapid.IntRange(0, 4).Draw(t, "members") {
			if i > 0 {
				b.WriteString("," + blank())
			}
			b.WriteString(quoted() + blank() + ":" + blank() + anyJSON(t, depth+1) + blank())
		}
		return b.String() + "}"
	case kind == 4 && depth < 5:
		var items []string
		for range rapid.IntRange(0, 3).Draw(t, "items") {
			items = append(items, blank()+anyJSON(t, depth+1)+blank())
		}
		return "[" + strings.Join(items, ",") + "]"
	case kind <= 8:
		return quoted()
	}
	return rapid.SampledFrom([]string{"1", "0", "-1.50", "1e3", "12345678901234567890", "true", "false", "null", "01", "nul", "-", "1.e"}).Draw(t, "scalar")
}

func FuzzScan(f *testing.F) {
	for _, s := range awkward {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		sameAsGJSON(t, body)
		if _, ok := scan(body, nil, nil, maxDepth); ok && !json.Valid(body) {
			t.Fatalf("%q is not JSON", body)
		}
	})
}

// An event keeps its own text and not the record it came from, whose memory belongs to the Kafka client.
func TestEventOutlivesItsRecord(t *testing.T) {
	r := rec("orders", `{"type":"order.paid","data":{"order_id":"o-1","user_id":"u-1","paid_at":1,"level":"vip","items":[{"name":"n"}]}}`)
	ev := one(t, orders(), r)
	clear(r.Value)
	clear(r.Key)
	if ev.ID != "o-1" || ev.User != "u-1" || ev.Value("level").Str != "vip" || ev.Value("items").List[0] != "n" || ev.Value("key").Str != "k-1" {
		t.Errorf("got %+v", ev)
	}
}

// What decimal, number and parseTime do fast, they do as without limits.
func TestFastNumbersAndTimesAreTheSlowOnes(t *testing.T) {
	wellWritten := regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?$`)
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.StringMatching(`-?[0-9]{1,20}(\.[0-9]{0,8})?`), rapid.StringMatching(`-?0{0,3}[0-9.]{0,4}0{0,3}`),
			rapid.StringMatching(`[1-9][0-9]{5,8}\.[0-9]{7}[1-9]`), rapid.StringMatching(`9{9,18}|10{9,17}|[0-9]\.[0-9]{1,3}0{1,3}(e[0-9]0?)?`), rapid.StringMatching(`[0-9]\.[05]{395,401}`)).Draw(t, "number")
		scale := rapid.SampledFrom([]string{"", "", "", "1", "0.01", "0.10", "100", "0.025", "-0.1", "0", "123456789012345.678"}).Draw(t, "scale")
		var v Value
		isNumber := v.number(s, scale, nil)
		if isNumber {
			if n, err := strconv.ParseFloat(v.Str, 64); err != nil || n != v.Num || math.Signbit(n) != math.Signbit(v.Num) {
				t.Fatalf("%s by %q: %s is %v, want %v", s, scale, v.Str, v.Num, n)
			}
		}
		got, ok := decimal(s, scale, nil)
		c, exp, wantOK := parseDecimal(s)
		if ok != wantOK || isNumber && got != v.Str {
			t.Fatalf("%s by %q: got %q %t, want %t", s, scale, got, ok, wantOK)
		}
		if ok {
			f, fe := big.NewInt(1), 0
			if scale != "" {
				f, fe, _ = parseDecimal(scale)
			}
			want, keep := power(c.Mul(c, f), exp+fe), max(0, -fe)
			have, isNumber := new(big.Rat).SetString(got)
			whole, frac, _ := strings.Cut(got, ".")
			if !isNumber || have.Cmp(want) != 0 || !wellWritten.MatchString(got) || len(frac) < keep || len(frac) > keep && frac[len(frac)-1] == '0' || got[0] == '-' && have.Sign() == 0 {
				t.Fatalf("%s by %q: got %q (%s and %s), want %s with %d digits or more", s, scale, got, whole, frac, want, keep)
			}
		}
		if n, fast := unixDigits(s); fast {
			long := strings.Repeat("0", 18) + s // too long for the short cut
			r := text(long)
			if want, ok := parseTime(&r, "", nil); !ok || !unixBySize(n).Equal(want) {
				t.Fatalf("%s: got %s, want %s %t", s, unixBySize(n), want, ok)
			}
		}
	})
}

// power is c times ten to the power of exp.
func power(c *big.Int, exp int) *big.Rat {
	r, ten := new(big.Rat).SetInt(c), new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(exp, -exp))), nil))
	if exp < 0 {
		return r.Quo(r, ten)
	}
	return r.Mul(r, ten)
}

// Years are judged by seconds as by the calendar, in every zone.
func TestYearsOfTimes(t *testing.T) {
	for _, zone := range []*time.Location{time.UTC, time.FixedZone("", 14*3600), time.FixedZone("", -12*3600)} {
		for _, year := range []int{0, 1, 2, 9998, 9999, 10000} {
			for _, at := range []time.Time{time.Date(year, 1, 1, 0, 0, 0, 0, zone), time.Date(year, 12, 31, 23, 59, 59, 999999999, zone)} {
				if got, want := goodYear(at), at.Year() >= 1 && at.UTC().Year() >= 1 && at.UTC().Year() <= 9999; got != want {
					t.Errorf("%s: %t, want %t", at, got, want)
				}
			}
		}
	}
}

// allTypes has a field of each type, and a record of it with what costs memory where nobody looks: digits that are written anew, a
// time, a list, a key, a header.
func allTypes() (*Catalogue, Record) {
	c := NewCatalogue([]*Spec{NewSpec(Spec{Name: "e", Topics: []string{"t"}, Kind: Business, ID: "id", User: "user", Version: "version", Time: TimeSpec{Path: "at"}, Fields: []Field{
		{Name: "text", Path: "o.text", Type: String}, {Name: "fen", Path: "o.fen", Type: Number, Scale: "0.01"},
		{Name: "price", Path: "o.price", Type: Number}, {Name: "gift", Path: "o.gift", Type: Bool},
		{Name: "at", Path: "at", Type: Time}, {Name: "tags", Path: "o.tags", Type: List},
		{Name: "key", Path: "key", Type: String}, {Name: "head", Path: "header.h", Type: String}, {Name: "none", Path: "o.none", Type: Number},
	}})}, 0)
	r := rec("t", `{"id":"o-1","user":17,"version":5,"at":1795230000123,"o":{"text":"林晓","fen":81250,"price":812.50,"gift":true,"tags":["a","b","c"]}}`)
	r.Headers = []Header{{"h", []byte("v")}}
	return c, r
}

// An event is decoded without an allocation, whatever its fields. Under the race detector the pool forgets.
func TestDecodeIntoAllocatesNothing(t *testing.T) {
	c, r := allTypes()
	var room []Event
	n := testing.AllocsPerRun(2000, func() {
		evs, err := c.DecodeInto(room, r)
		if err != nil || len(evs) != 1 || !evs[0].Values[5].OK() {
			t.Fatalf("%+v %v", evs, err)
		}
		room = evs
	})
	if n > 0 && !underRace {
		t.Errorf("%v allocations an event", n)
	}
}

// Events that are written over others say what events with memory of their own say, and their texts outlive the next record.
func TestDecodeIntoIsDecode(t *testing.T) {
	c, _ := allTypes()
	rapid.Check(t, func(t *rapid.T) {
		var room []Event
		var got, want [][]Event
		for range rapid.IntRange(1, 20).Draw(t, "records") {
			text := rapid.SampledFrom([]string{`"x"`, `"\u6797"`, `"` + strings.Repeat("林", 2000) + `"`, "1", "null"}).Draw(t, "text")
			number := rapid.SampledFrom([]string{"1", "-0.50", `"81250"`, "1e3", "true", "12345678901234567890.10"}).Draw(t, "number")
			list := rapid.SampledFrom([]string{`[]`, `["a"]`, `[1,null,"\n"]`, `{}`, "[" + strings.Repeat(`"y",`, 40) + `"z"]`, `[[]]`}).Draw(t, "list")
			at := rapid.SampledFrom([]string{"1795230000", `"2026-11-21T11:00:00.5+08:00"`, "0.5", "1e30", `"x"`}).Draw(t, "at")
			r := rec("t", fmt.Sprintf(`{"id":"o-%s","user":%s,"version":1,"at":%s,"o":{"text":%s,"fen":%s,"price":%s,"gift":%s,"tags":%s}}`,
				rapid.StringMatching(`[a-z]{1,6}`).Draw(t, "id"),
				text, at, text, number, number, number, list))
			own, ownErr := c.Decode(r)
			evs, err := c.DecodeInto(room, r)
			if (err == nil) != (ownErr == nil) || err != nil && err.Error() != ownErr.Error() {
				t.Fatalf("%s: %v, alone %v", r.Value, err, ownErr)
			}
			clear(r.Value)
			if cap(evs) > cap(room) {
				room = evs
			}
			for i := range evs {
				kept := evs[i]
				kept.Values = slices.Clone(evs[i].Values)
				got, want = append(got, []Event{kept}), append(want, own[i:i+1])
			}
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(Spec{}), cmp.Comparer(func(a, b *Spec) bool { return a == b })); diff != "" {
			t.Fatalf("(-alone +in room):\n%s", diff)
		}
	})
}
