package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
)

const getuiCasesFile = "../../testdata/getui/fixtures.json"

// getuiCase is one case of the file; its "conventions" say how to read it.
type getuiCase struct {
	ID       string
	Sequence string
	Step     int
	Knobs    json.RawMessage
	Control  struct {
		AdvanceMS int64 `json:"advance_ms"`
		Fault     json.RawMessage
	}
	Method, Path string
	Headers      map[string]string
	Body         any
	RawBody      *string `json:"raw_body"`
	Repeat       int
	Save         map[string]string
	Expect       struct {
		getuiExpect
		Each       *getuiExpect `json:"expect_each"`
		Deliveries map[string]int
		Counters   map[string]int
	}
}

type getuiExpect struct {
	HTTP      int
	Code      *int
	Transport string
	Contains  string `json:"msg_contains"`
	Data      any
	Shape     any `json:"data_shape"`
}

type getuiCases struct {
	World struct {
		Clock int64               `json:"clock_ms"`
		Apps  []map[string]string `json:"apps"`
		Users []struct {
			CID       string `json:"cid"`
			Online    bool
			Phone     string `json:"phone_type"`
			Alias     string
			LastLogin int64 `json:"last_login_ms"`
			Black     bool
		}
		Tokens []struct {
			Token, AppID string
			Expires      int64 `json:"expires_ms"`
		}
		Bulk struct {
			Count     int
			CID       string
			Online    bool
			Phone     string `json:"phone_type"`
			LastLogin int64  `json:"last_login_ms"`
		} `json:"bulk_users"`
		Knobs json.RawMessage `json:"knobs_default"`
	}
	Vectors []struct{ AppKey, MasterSecret, Timestamp, Sign string } `json:"signing_vectors"`
	Cases   []*getuiCase
}

func readGetuiCases(t *testing.T) getuiCases {
	t.Helper()
	raw, err := os.ReadFile(getuiCasesFile)
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var all getuiCases
	if err := d.Decode(&all); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestGetuiCases drives every case over HTTP: those of one sequence in the order of
// their steps on one world, every other one on a world of its own.
func TestGetuiCases(t *testing.T) {
	all := readGetuiCases(t)
	if len(all.Cases) != 177 {
		t.Fatalf("%d cases, the contract has 177", len(all.Cases))
	}
	var order []string
	worlds := map[string][]*getuiCase{}
	for _, c := range all.Cases {
		name := c.ID
		if c.Sequence != "" {
			name = "sequence " + c.Sequence
		}
		if worlds[name] == nil {
			order = append(order, name)
		}
		worlds[name] = append(worlds[name], c)
	}
	driven := 0
	for _, name := range order {
		steps := worlds[name]
		slices.SortFunc(steps, func(a, b *getuiCase) int { return a.Step - b.Step })
		driven += len(steps)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := start(t, Options{FixedClock: true})
			knobs := `{}`
			if steps[0].Knobs != nil {
				knobs = string(steps[0].Knobs)
			}
			mustStatus(t, "reset", b.control("POST", b.Ready().Control+"/reset", `{"knobs":`+knobs+`}`, nil), 200)
			w := getuiWalk{b, map[string]string{}}
			for _, c := range steps {
				w.step(c)
			}
		})
	}
	if driven != 177 {
		t.Errorf("%d cases driven, want 177", driven)
	}
}

// getuiWalk is one world with what its cases saved.
type getuiWalk struct {
	*bench
	saved map[string]string
}

func (w *getuiWalk) step(c *getuiCase) {
	w.t.Helper()
	at := w.Ready().Control
	if c.Control.AdvanceMS != 0 {
		mustStatus(w.t, "clock", w.control("POST", at+"/clock", fmt.Sprintf(`{"vendor":"getui","advance_ms":%d}`, c.Control.AdvanceMS), nil), 200)
	}
	if c.Control.Fault != nil {
		w.arm(string(c.Control.Fault))
	}
	n := max(1, c.Repeat)
	for i := range n {
		expect := c.Expect.getuiExpect
		if i < n-1 && c.Expect.Each != nil {
			expect = *c.Expect.Each
		}
		w.judge(c, expect, c.request(w, i))
	}
	for cid, want := range c.Expect.Deliveries {
		var got struct {
			Deliveries []any
			Total      int
		}
		mustStatus(w.t, "deliveries", w.control("GET", at+"/deliveries?cid="+cid, "", &got), 200)
		if got.Total != want || len(got.Deliveries) != want {
			w.t.Errorf("%s: %d deliveries to %s, of which %d are kept, want %d", c.ID, got.Total, cid, len(got.Deliveries), want)
		}
	}
	for name, want := range c.Expect.Counters {
		var got struct{ Getui map[string]int }
		mustStatus(w.t, "stats", w.control("GET", at+"/stats", "", &got), 200)
		if n, known := got.Getui[name]; !known || n != want {
			w.t.Errorf("%s: counter %s is %d, want %d", c.ID, name, n, want)
		}
	}
}

// request is the i-th sending of a case.
func (c *getuiCase) request(w *getuiWalk, i int) *http.Request {
	w.t.Helper()
	body := ""
	switch {
	case c.RawBody != nil:
		body = *c.RawBody
	case c.Body != nil:
		body = encode(w.t, expandGetui(c.Body, i))
	}
	r, err := http.NewRequest(c.Method, strings.TrimSuffix(w.Ready().Getui, "/v2")+w.fill(c.Path), strings.NewReader(w.fill(body)))
	if err != nil {
		w.t.Fatal(err)
	}
	for name, value := range c.Headers {
		r.Header.Set(name, value)
	}
	return r
}

// fill puts saved values in.
func (w *getuiWalk) fill(text string) string {
	for name, value := range w.saved {
		text = strings.ReplaceAll(text, "{{"+name+"}}", value)
	}
	return text
}

// expandGetui replaces $seq, $repeat and $str; i is the repeat.
func expandGetui(v any, i int) any {
	switch v := v.(type) {
	case []any:
		out := []any{}
		for _, x := range v {
			out = append(out, expandGetui(x, i))
		}
		return out
	case map[string]any:
		if inner, is := v["$seq"].(map[string]any); is {
			out := maps.Clone(inner)
			out["request_id"] = fmt.Sprintf("seq-000000-%04d", i)
			return expandGetui(out, i)
		}
		if r, is := v["$repeat"].(map[string]any); is {
			n, _ := integerOf(r["n"])
			out := []any{}
			for j := range n {
				out = append(out, number(expandGetui(r["item"], i), int(j)))
			}
			return out
		}
		if s, is := v["$str"].(map[string]any); is {
			n, _ := integerOf(s["n"])
			return strings.Repeat(s["ch"].(string), int(n))
		}
		out := map[string]any{}
		for k, x := range v {
			out[k] = expandGetui(x, i)
		}
		return out
	}
	return v
}

// number puts the index for {i} in every string.
func number(v any, i int) any {
	switch v := v.(type) {
	case string:
		return strings.ReplaceAll(v, "{i}", fmt.Sprintf("%04d", i))
	case []any:
		out := []any{}
		for _, x := range v {
			out = append(out, number(x, i))
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for k, x := range v {
			out[k] = number(x, i)
		}
		return out
	}
	return v
}

func (w *getuiWalk) judge(c *getuiCase, want getuiExpect, r *http.Request) {
	w.t.Helper()
	resp, err := w.client.Do(r)
	if want.Transport == "closed" {
		if err == nil {
			_ = resp.Body.Close()
		}
		if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, io.EOF) {
			w.t.Errorf("%s: answered %v, %v; want a closed connection", c.ID, resp, err)
		}
		return
	}
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != want.HTTP {
		w.t.Errorf("%s: got %d %s, %v; want %d", c.ID, resp.StatusCode, body, err, want.HTTP)
	}
	if want.Code == nil {
		return
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var got map[string]any
	if err := d.Decode(&got); err != nil {
		w.t.Fatalf("%s: %v in %s", c.ID, err, body)
	}
	code, is := got["code"].(json.Number)
	msg, isText := got["msg"].(string)
	if !is || !isText || code.String() != fmt.Sprint(*want.Code) || !strings.Contains(msg, want.Contains) {
		w.t.Errorf("%s: got %d %s, want code %d and %q", c.ID, resp.StatusCode, body, *want.Code, want.Contains)
	}
	if kind := resp.Header.Get("Content-Type"); kind != "application/json;charset=utf-8" {
		w.t.Errorf("%s: content type %q", c.ID, kind)
	}
	data, has := got["data"]
	if has && *want.Code != 0 {
		w.t.Errorf("%s: a refusal with data: %s", c.ID, body)
	}
	if want.Data != nil {
		if why := w.differs(want.Data, data); why != "" {
			w.t.Errorf("%s: data of %s: %s", c.ID, body, why)
		}
	}
	if want.Shape != nil {
		if why := shapeOf(want.Shape, data, has); why != "" {
			w.t.Errorf("%s: data of %s: %s", c.ID, body, why)
		}
	}
	for name, from := range c.Save {
		fields, _ := data.(map[string]any)
		switch from {
		case "data.taskid":
			w.saved[name], _ = fields["taskid"].(string)
		case "data.keys[0]":
			if keys := sortedKeys(fields); len(keys) > 0 {
				w.saved[name] = keys[0]
			}
		}
		if w.saved[name] == "" {
			w.t.Fatalf("%s: nothing to save from %s of %s", c.ID, from, body)
		}
	}
	w.inJournal(c, resp.StatusCode, *want.Code)
}

// inJournal holds the last entry to what was answered.
func (w *getuiWalk) inJournal(c *getuiCase, status, code int) {
	w.t.Helper()
	e := w.last()
	if e.Vendor != "getui" || e.HTTP != status || e.Code != code || e.Executed && code != 0 || e.Headers["Token"] != "" {
		w.t.Errorf("%s: journal has vendor %s, http %d, code %d, executed %v, headers %v for an answer %d/%d", c.ID, e.Vendor, e.HTTP, e.Code, e.Executed, e.Headers, status, code)
	}
}

// TestGetuiSigningVectors holds the server's own function to the vectors, and lets
// the server judge each.
func TestGetuiSigningVectors(t *testing.T) {
	all := readGetuiCases(t)
	if len(all.Vectors) != 3 {
		t.Fatalf("%d vectors, the contract has 3", len(all.Vectors))
	}
	for _, v := range all.Vectors {
		if got := getuiSign(v.AppKey, v.Timestamp, v.MasterSecret); got != v.Sign {
			t.Errorf("%s: %s, want %s", v.AppKey, got, v.Sign)
		}
		b := start(t, Options{FixedClock: true, Apps: []App{{Vendor: "getui", ID: "app", Key: v.AppKey, Secret: v.MasterSecret}}})
		b.control("POST", b.Ready().Control+"/clock", `{"vendor":"getui","now_ms":`+v.Timestamp+`}`, nil)
		for sign, want := range map[string]int{v.Sign: 200, strings.ToUpper(v.Sign): 400, v.Sign[1:] + v.Sign[:1]: 400} {
			body := encode(t, map[string]string{"sign": sign, "timestamp": v.Timestamp, "appkey": v.AppKey})
			if status := b.control("POST", b.Ready().Getui+"/app/auth", body, nil); status != want {
				t.Errorf("%s with sign %s: %d, want %d", v.AppKey, sign, status, want)
			}
		}
	}
}

// TestGetuiWorldIsThatOfTheCases compares the world in the code with the file's.
func TestGetuiWorldIsThatOfTheCases(t *testing.T) {
	want := readGetuiCases(t).World
	g := newGetui(DefaultKnobs(), clock{fixed: true, offset: want.Clock}, nil, 1)
	if fixedGetuiStart != want.Clock {
		t.Errorf("clock %d, want %d", fixedGetuiStart, want.Clock)
	}
	for _, a := range want.Apps {
		if got := g.apps[a["appId"]]; got == nil || got.key != a["appkey"] || got.secret != a["mastersecret"] {
			t.Errorf("app %v is %+v", a, got)
		}
	}
	for _, tok := range want.Tokens {
		if got := g.tokens[tok.Token]; got == nil || *got != (getuiToken{tok.AppID, tok.Expires}) {
			t.Errorf("token %+v is %+v", tok, got)
		}
	}
	app := g.apps[want.Apps[0]["appId"]]
	if len(g.apps) != 2 || len(g.tokens) != 3 || len(app.users) != len(want.Users)+want.Bulk.Count || len(g.apps[want.Apps[1]["appId"]].users) != 0 {
		t.Errorf("%d apps, %d tokens, %d users", len(g.apps), len(g.tokens), len(app.users))
	}
	has := func(cid string, want getuiUser) {
		t.Helper()
		want.cid = cid
		if got := app.users[cid]; got == nil || fmt.Sprint(*got) != fmt.Sprint(want) {
			t.Errorf("user is %+v, want %+v", got, want)
		}
		if want.alias != "" && !slices.Contains(app.aliases[want.alias], cid) {
			t.Errorf("alias %s has %v", want.alias, app.aliases[want.alias])
		}
	}
	for _, u := range want.Users {
		has(u.CID, getuiUser{online: u.Online, phone: u.Phone, alias: u.Alias, lastLogin: u.LastLogin, black: u.Black})
	}
	for i := range want.Bulk.Count {
		has(number(want.Bulk.CID, i).(string), getuiUser{online: want.Bulk.Online, phone: want.Bulk.Phone, lastLogin: want.Bulk.LastLogin})
	}
	var knobs Knobs
	if err := strictJSON(want.Knobs, &knobs); err != nil || knobs != DefaultKnobs() {
		t.Errorf("knobs %+v, %v; want %+v", DefaultKnobs(), err, knobs)
	}
}
