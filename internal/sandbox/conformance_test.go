package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

const casesFile = "../../testdata/rongcloud/fixtures.json"

// vendorCase is one case of testdata/rongcloud/fixtures.json.
type vendorCase struct {
	ID      string
	ClockMS int64 `json:"clock_ms"`
	Request *struct {
		Method, Path string
		Headers      map[string]string
		JSON         any
		Form         [][]any
		Raw          *string
	}
	Expect   expectation
	After    []string
	Sandbox  json.RawMessage
	Sequence []struct {
		AtMS    int64 `json:"at_ms"`
		Path    string
		BodyRef string `json:"body_ref"`
		Repeat  int
		Expect  expectation
	}
	Endpoint string
	Inject   *injection
}

// injection is what a case for the client lets the vendor do.
type injection struct {
	HTTP       int
	JSON       json.RawMessage
	Raw        string
	AfterRead  string `json:"after_read"`
	Primary    string
	StallBodyS int64 `json:"stall_body_s"`
}

// fault is an injection in this server's words, as the control calls document them.
func (i injection) fault(t *testing.T, path string) Fault {
	t.Helper()
	switch {
	case i.AfterRead == "reset":
		return Fault{Kind: "reset_after", Path: path}
	case i.Primary == "refuse":
		return Fault{Kind: "refuse", Host: "primary"}
	case i.StallBodyS > 0:
		return Fault{Kind: "stall_after", Path: path, DelayMS: i.StallBodyS * 1000}
	case i.HTTP != 0 && i.JSON != nil:
		return Fault{Kind: "answer", Path: path, HTTP: i.HTTP, Body: string(i.JSON)}
	case i.HTTP != 0 && i.Raw != "":
		return Fault{Kind: "answer", Path: path, HTTP: i.HTTP, Body: i.Raw}
	}
	t.Fatalf("no fault for %+v", i)
	return Fault{}
}

type expectation struct {
	HTTP      int
	Code      int
	CodeAny   []int  `json:"code_any"`
	Contains  string `json:"errorMessage_contains"`
	Has       []string
	State     map[string][]string
	Effective map[string]any
	Rendered  map[string]any
	Body      map[string]any
}

type vendorCases struct {
	Meta    struct{ AppKey, AppSecret string }
	Vectors []struct {
		ID, Secret, Nonce, Timestamp, SHA1 string
	} `json:"signing_vectors"`
	Cases []*vendorCase
}

func readCases(t *testing.T) (vendorCases, map[string]*vendorCase) {
	t.Helper()
	raw, err := os.ReadFile(casesFile)
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var all vendorCases
	if err := d.Decode(&all); err != nil {
		t.Fatal(err)
	}
	byID := map[string]*vendorCase{}
	for _, c := range all.Cases {
		byID[c.ID] = c
	}
	return all, byID
}

// body is the request body of a case and its content type.
func (c *vendorCase) body(t *testing.T) (contentType, body string) {
	t.Helper()
	contentType = c.Request.Headers["Content-Type"]
	switch {
	case c.Request.Raw != nil:
		return contentType, *c.Request.Raw
	case c.Request.Form != nil:
		values := url.Values{}
		for _, pair := range c.Request.Form {
			switch v := expand(pair[1]).(type) {
			case string:
				values.Add(pair[0].(string), v)
			case []any:
				for _, x := range v {
					values.Add(pair[0].(string), x.(string))
				}
			}
		}
		return contentType, values.Encode()
	default:
		return contentType, encode(t, expand(c.Request.JSON))
	}
}

// replay sends a case with the headers it was written with, signature included.
func (b *bench) replay(c *vendorCase) (int, []byte) {
	b.t.Helper()
	_, body := c.body(b.t)
	r, err := http.NewRequest(c.Request.Method, b.Ready().Primary+c.Request.Path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	for k, v := range c.Request.Headers {
		r.Header.Set(k, v)
	}
	return b.send(r)
}

// clientCases inject a fault and say what the client must make of it: that is judged
// where the client is tested. Here TestVendorFaultInjections shows that the sandbox
// can do what each of them injects.
var clientCases = []string{
	"FAULT-01", "FAULT-02", "FAULT-03", "FAULT-04", "FAULT-06", "FAULT-07", "FAULT-08", "FAULT-09", "FAULT-11", "FAULT-13",
}

// Every case of the file is of exactly one kind, and each kind has its test below.
func TestNoVendorCaseIsLeftOut(t *testing.T) {
	all, byID := readCases(t)
	kinds := map[string][]string{}
	for _, c := range all.Cases {
		is := map[string]bool{"request": c.Request != nil, "sequence": c.Sequence != nil, "fault": c.Inject != nil}
		of := 0
		for kind, yes := range is {
			if yes {
				of++
				kinds[kind] = append(kinds[kind], c.ID)
			}
		}
		if of != 1 {
			t.Errorf("%s is of %d kinds: %v", c.ID, of, is)
		}
	}
	if len(all.Cases) != 62 || len(byID) != 62 || len(all.Vectors) != 5 {
		t.Errorf("%d cases, %d ids, %d vectors; the contract has 62, 62, 5", len(all.Cases), len(byID), len(all.Vectors))
	}
	if len(kinds["request"]) != 46 || len(kinds["sequence"]) != 6 {
		t.Errorf("%d requests and %d sequences, want 46 and 6", len(kinds["request"]), len(kinds["sequence"]))
	}
	if diff := cmp.Diff(clientCases, kinds["fault"]); diff != "" {
		t.Errorf("cases for the client (-want +got):\n%s", diff)
	}
}

func TestVendorRequestCases(t *testing.T) {
	all, byID := readCases(t)
	for _, c := range all.Cases {
		if c.Request == nil {
			continue
		}
		t.Run(c.ID, func(t *testing.T) {
			t.Parallel()
			b := start(t, Options{FixedClock: true})
			mustStatus(t, "reset", b.control("POST", b.Ready().Control+"/reset", string(c.Sandbox), nil), 200)
			b.SetClock(c.ClockMS)
			var before func(ids []string)
			before = func(ids []string) {
				for _, id := range ids {
					before(byID[id].After)
					status, out := b.replay(byID[id])
					byID[id].Expect.judge(t, b, status, out)
				}
			}
			before(c.After)
			status, out := b.replay(c)
			c.Expect.judge(t, b, status, out)
		})
	}
}

func TestVendorSequences(t *testing.T) {
	all, byID := readCases(t)
	for _, c := range all.Cases {
		if c.Sequence == nil {
			continue
		}
		t.Run(c.ID, func(t *testing.T) {
			t.Parallel()
			b := start(t, Options{FixedClock: true})
			mustStatus(t, "reset", b.control("POST", b.Ready().Control+"/reset", sandboxAsReset(t, c.Sandbox), nil), 200)
			for i, step := range c.Sequence {
				b.SetClock(step.AtMS)
				contentType, body := byID[step.BodyRef].body(t)
				for range max(1, step.Repeat) {
					status, out := b.send(b.request(context.Background(), b.Ready().Primary, step.Path, contentType, body))
					if status != step.Expect.HTTP || codeOf(out) != step.Expect.Code {
						t.Fatalf("step %d, %s at %d: got %d %s, want %d/%d", i+1, step.Path, step.AtMS, status, out, step.Expect.HTTP, step.Expect.Code)
					}
				}
			}
			if n := b.Stats().RongCloud.Overruns; n != 0 {
				t.Errorf("overruns %d, want 0", n)
			}
		})
	}
}

// TestVendorFaultInjections arms what each case for the client injects and looks at
// it with a plain client: the wire shows exactly that, and the journal whether it
// was executed. Time is virtual, so that a stall of a minute costs none.
func TestVendorFaultInjections(t *testing.T) {
	_, byID := readCases(t)
	for _, id := range clientCases {
		c := byID[id]
		t.Run(id, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := startVirtual(t, Options{})
				if err := b.Arm(c.Inject.fault(t, c.Endpoint)); err != nil {
					t.Fatal(err)
				}
				body := map[string]string{setTag: setTagBox, pushPath: pushBox}[c.Endpoint]
				call := func(base string) (int, string, error) {
					resp, err := b.client.Do(b.request(t.Context(), base, c.Endpoint, jsonType, body))
					if err != nil {
						return 0, "", err
					}
					defer resp.Body.Close()
					out, err := io.ReadAll(resp.Body)
					return resp.StatusCode, string(out), err
				}
				began := time.Now()
				status, out, err := call(b.Ready().Primary)
				waited := time.Since(began)
				executed := false
				switch i := c.Inject; {
				case i.HTTP != 0:
					if want := string(i.JSON) + i.Raw; err != nil || status != i.HTTP || out != want {
						t.Errorf("got %d %s, %v; want %d %s", status, out, err, i.HTTP, want)
					}
				case i.StallBodyS > 0:
					executed = true
					if stall := time.Duration(i.StallBodyS) * time.Second; status != 200 || err == nil || waited != stall {
						t.Errorf("got %d %s, %v after %v; want headers, then silence for %v", status, out, err, waited, stall)
					}
				case i.Primary == "refuse":
					if err == nil || len(b.Journal(0)) != 0 {
						t.Errorf("the primary answered %d %s", status, out)
					}
					if status, out, err = call(b.Ready().Backup); status != 200 {
						t.Errorf("the backup answered %d %s, %v", status, out, err)
					}
					executed = true
				default:
					executed = true
					if err == nil {
						t.Errorf("answered %d %s, want a dropped connection", status, out)
					}
				}
				if e := b.last(); e.Executed != executed || e.Path != c.Endpoint {
					t.Errorf("journal: executed %v of %s, want %v of %s", e.Executed, e.Path, executed, c.Endpoint)
				}
			})
		})
	}
}

// sandboxAsReset turns a case's flat sandbox block into the body of a reset.
func sandboxAsReset(t *testing.T, raw json.RawMessage) string {
	t.Helper()
	in := map[string]any{}
	if raw != nil {
		if err := json.Unmarshal(raw, &in); err != nil {
			t.Fatal(err)
		}
	}
	out := map[string]any{}
	if services, ok := in["services"]; ok {
		out["services"] = services
		delete(in, "services")
	}
	out["options"] = in
	return encode(t, out)
}

// judge compares an answer, and the server's state, with what a case expects.
func (x expectation) judge(t *testing.T, b *bench, status int, out []byte) {
	t.Helper()
	codes := append([]int{x.Code}, x.CodeAny...)
	if status != x.HTTP || !slices.Contains(codes, codeOf(out)) {
		t.Errorf("got %d %s, want %d and code %v", status, out, x.HTTP, codes)
	}
	var answer map[string]any
	if err := json.Unmarshal(out, &answer); err != nil {
		t.Fatalf("answer %q: %v", out, err)
	}
	for _, name := range x.Has {
		if id, _ := answer[name].(string); len(id) != 22 {
			t.Errorf("%s is %q, want 22 characters", name, id)
		}
	}
	if text, _ := answer["errorMessage"].(string); !strings.Contains(text, x.Contains) {
		t.Errorf("errorMessage %q does not contain %q", text, x.Contains)
	}
	tags := b.Tags(DefaultKey)
	for user, want := range x.State {
		if got, known := tags[user]; !known || !sameSet(got, want) {
			t.Errorf("tags of %s are %v, want %v", user, got, want)
		}
	}
	if want, ok := x.Body["result"].(map[string]any); ok {
		got, _ := answer["result"].(map[string]any)
		if diff := cmp.Diff(sorted(want), sorted(got)); diff != "" {
			t.Errorf("result (-want +got):\n%s", diff)
		}
	}
	entries := b.Journal(0)
	last := entries[len(entries)-1]
	if last.HTTP != status || last.Code != codeOf(out) || last.Executed != (status == 200) {
		t.Errorf("journal has http %d, code %d, executed %v for an answer %d %s", last.HTTP, last.Code, last.Executed, status, out)
	}
	if x.Effective != nil {
		if diff := cmp.Diff(x.Effective, jsonMap(t, last.Effective)); diff != "" {
			t.Errorf("effective (-want +got):\n%s", diff)
		}
	}
	if x.Rendered != nil {
		if diff := cmp.Diff(x.Rendered, jsonMap(t, last.Rendered)); diff != "" {
			t.Errorf("rendered (-want +got):\n%s", diff)
		}
	}
}

func sameSet(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}

func sorted(m map[string]any) map[string][]string {
	out := map[string][]string{}
	for user, tags := range m {
		out[user] = []string{}
		for _, tag := range tags.([]any) {
			out[user] = append(out[user], tag.(string))
		}
		slices.Sort(out[user])
	}
	return out
}

func jsonMap(t *testing.T, v any) map[string]any {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// TestSigningVectors signs with the server's own function and lets the server
// judge the vector's hash: it must accept it and nothing near it.
func TestSigningVectors(t *testing.T) {
	all, _ := readCases(t)
	for _, v := range all.Vectors {
		t.Run(v.ID, func(t *testing.T) {
			t.Parallel()
			seconds := len(v.Timestamp) == 10 // which only lenient mode takes
			b := start(t, Options{FixedClock: true, Lenient: seconds, Apps: []App{{Vendor: "rongcloud", Key: "key", Secret: v.Secret}}})
			ms := v.Timestamp
			if seconds {
				ms += "000"
			}
			b.control("POST", b.Ready().Control+"/clock", `{"now_ms":`+ms+`}`, nil)
			try := func(signature string) (int, []byte) {
				r := b.request(context.Background(), b.Ready().Primary, setTag, jsonType, setTagBox)
				r.Header.Set("App-Key", "key")
				r.Header.Set("Nonce", v.Nonce)
				r.Header.Set("Timestamp", v.Timestamp)
				r.Header.Set("Signature", signature)
				return b.send(r)
			}
			if status, out := try(v.SHA1); status != 200 {
				t.Errorf("the vector is refused: %d %s", status, out)
			}
			for _, wrong := range []string{v.SHA1[1:] + v.SHA1[:1], "890b422b75c1c5cb706e4f7921df1d94e69c17f4"} {
				if status, out := try(wrong); status != 401 || codeOf(out) != 1004 {
					t.Errorf("signature %s: got %d %s, want 401/1004", wrong, status, out)
				}
			}
		})
	}
}
