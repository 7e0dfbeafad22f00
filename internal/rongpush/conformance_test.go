package rongpush_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/notifier/notifier/internal/rongcloud"
	"github.com/notifier/notifier/internal/rongpush"
	"github.com/notifier/notifier/internal/sandbox"
	"github.com/notifier/notifier/test/schema"
)

// vendorCase is one case of the contract: a request, a sequence of requests, or a fault.
type vendorCase struct {
	ID, Title string
	ClockMS   int64 `json:"clock_ms"`
	Request   *struct {
		Path    string
		Headers map[string]string
		JSON    any
		Form    [][]any
		Raw     *string
	}
	Expect struct {
		HTTP, Code int
		CodeAny    []int  `json:"code_any"`
		Contains   string `json:"errorMessage_contains"`
		Effective  any
		Rendered   any
	}
	After    []string
	Sandbox  json.RawMessage
	Sequence []struct {
		AtMS    int64 `json:"at_ms"`
		Path    string
		BodyRef string `json:"body_ref"`
		Repeat  int
		Expect  struct{ HTTP, Code int }
	}
	Endpoint string
	Inject   struct {
		HTTP      int
		JSON, Raw json.RawMessage
		AfterRead string `json:"after_read"`
		Primary   string
		Stall     int `json:"stall_body_s"`
	}
	Class string `json:"client_class"`
}

func vendorCases(t *testing.T) (list []*vendorCase, byID map[string]*vendorCase) {
	t.Helper()
	b, err := os.ReadFile(schema.File("fixtures.json"))
	if err != nil {
		t.Fatal(err)
	}
	var f struct{ Cases []*vendorCase }
	if err := json.Unmarshal(b, &f); err != nil {
		t.Fatal(err)
	}
	byID = map[string]*vendorCase{}
	for _, c := range f.Cases {
		byID[c.ID] = c
	}
	return f.Cases, byID
}

// body is the case's own bytes: $repeat is a list by a pattern.
func (c *vendorCase) body(t *testing.T) (contentType string, body []byte) {
	t.Helper()
	contentType = c.Request.Headers["Content-Type"]
	switch {
	case c.Request.Raw != nil:
		return contentType, []byte(*c.Request.Raw)
	case c.Request.Form != nil:
		form := url.Values{}
		for _, pair := range c.Request.Form {
			switch v := expand(pair[1]).(type) {
			case []any:
				for _, x := range v {
					form.Add(pair[0].(string), x.(string))
				}
			case string:
				form.Add(pair[0].(string), v)
			}
		}
		return contentType, []byte(form.Encode())
	}
	b, err := json.Marshal(expand(c.Request.JSON))
	if err != nil {
		t.Fatal(err)
	}
	return contentType, b
}

func expand(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if args, ok := v["$repeat"].([]any); ok {
			out := []any{}
			for i := range int(args[1].(float64)) {
				out = append(out, fmt.Sprintf(args[0].(string), i+1))
			}
			return out
		}
		out := map[string]any{} // a copy: several cases may build on one
		for k, x := range v {
			out[k] = expand(x)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = expand(x)
		}
		return out
	}
	return v
}

// at is a strict sandbox whose clock stands, set up as a case says, and a client that lives by that clock.
func at(t *testing.T, c *vendorCase, key, secret string) world {
	t.Helper()
	s, err := sandbox.Start(context.Background(), sandbox.Options{FixedClock: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	setup := s.StartSetup()
	if c.Sandbox != nil {
		if err := json.Unmarshal(c.Sandbox, &struct {
			*sandbox.Switches
			Services *sandbox.Services
		}{&setup.Switches, &setup.Services}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Reset(setup); err != nil {
		t.Fatal(err)
	}
	if c.ClockMS != 0 {
		s.SetClock(c.ClockMS)
	}
	cl, err := rongcloud.New(rongcloud.Options{Hosts: []string{s.Ready().Primary, s.Ready().Backup}, AppKey: key,
		Secret: func() rongcloud.Secret { return rongcloud.NewSecret(secret) }, Now: func() time.Time { return time.UnixMilli(s.Clock()) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return world{s, cl}
}

// raw sends a case's own bytes by the client.
func (w world) raw(t *testing.T, id, path, contentType string, body []byte) (*rongcloud.Answer, *rongcloud.Error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), enough)
	defer cancel()
	a, err := w.client.Call(ctx, id, rongcloud.Endpoint{Path: path, Repeatable: strings.HasPrefix(path, "/user/")}, contentType, body)
	if err == nil {
		return a, nil
	}
	e, ok := errors.AsType[*rongcloud.Error](err)
	if !ok {
		t.Fatalf("error %T %v", err, err)
	}
	return nil, e
}

// classOf is what the contract's table makes of a code (rongcloud.md 3).
func classOf(code int, text string) rongcloud.Class {
	switch code {
	case 200:
		return rongcloud.OK
	case 1002:
		if strings.Contains(text, "App-Key") {
			return rongcloud.Config
		}
		return rongcloud.Permanent
	case 1003, 1005:
		return rongcloud.Permanent
	case 1008:
		return rongcloud.RetryLater
	}
	return rongcloud.Config
}

const key, secret = sandbox.DefaultKey, sandbox.DefaultSecret

// Every request case, sent byte by byte as the contract writes it: the answer's class, and what the vendor did.
func TestContractRequestsByTheClient(t *testing.T) {
	list, byID := vendorCases(t)
	for _, c := range list {
		if c.Request == nil || c.ID == "AUTH-04" || c.ID == "AUTH-05" { // those headers this client cannot write: TestEveryTryIsSignedAfresh
			continue
		}
		t.Run(c.ID, func(t *testing.T) {
			t.Parallel()
			w := at(t, c, map[bool]string{false: key, true: "nobodys"}[c.ID == "AUTH-02"], map[bool]string{false: secret, true: "wrong"}[c.ID == "AUTH-01"])
			for i, id := range c.After {
				contentType, body := byID[id].body(t)
				if _, err := w.raw(t, "after-"+strconv.Itoa(i), byID[id].Request.Path, contentType, body); err != nil {
					t.Fatalf("%s before: %v", id, err)
				}
			}
			contentType, body := c.body(t)
			answer, err := w.raw(t, "c", c.Request.Path, contentType, body)
			got, code := rongcloud.OK, 200
			if err != nil {
				got, code = err.Class, err.Code
				if err.HTTPStatus != c.Expect.HTTP || !strings.Contains(err.Message, c.Expect.Contains) || err.RequestID != "c-1" || err.Host == "" {
					t.Errorf("error %+v, want HTTP %d", err, c.Expect.HTTP)
				}
			} else if answer.HTTPStatus != c.Expect.HTTP {
				t.Errorf("HTTP %d, want %d", answer.HTTPStatus, c.Expect.HTTP)
			}
			if want := classOf(c.Expect.Code, c.Expect.Contains); got != want || code != c.Expect.Code && !slices.Contains(c.Expect.CodeAny, code) {
				t.Errorf("class %s of code %d, want %s of %d (%v)", got, code, want, c.Expect.Code, err)
			}
			w.judge(t, c)
		})
	}
}

// Our own requests of the same cases: the same bytes, or for a stated reason others of the same effect.
func TestContractRequestsByOurTypes(t *testing.T) {
	list, byID := vendorCases(t)
	for _, c := range list {
		r, ok := rongpush.Ours[c.ID]
		if !ok {
			continue
		}
		t.Run(c.ID, func(t *testing.T) {
			t.Parallel()
			w := at(t, c, key, secret)
			for i, id := range c.After {
				if _, err := w.send(t, "after-"+strconv.Itoa(i), rongpush.Ours[id], enough); err != nil {
					t.Fatalf("%s before: %v (%v)", id, err, byID[id])
				}
			}
			if _, err := w.send(t, "c", r, enough); err != nil || c.Expect.HTTP != 200 {
				t.Fatalf("%v, want HTTP %d", err, c.Expect.HTTP)
			}
			w.judge(t, c)
			if rongpush.Differs[c.ID] != "" {
				return
			}
			contentType, want := c.body(t)
			body, ours, err := r.Body()
			if err != nil || ours != contentType || r.Endpoint().Path != c.Request.Path {
				t.Errorf("%s %s, %v", r.Endpoint().Path, ours, err)
			}
			if contentType != "application/json" {
				if d := cmp.Diff(string(want), string(body)); d != "" {
					t.Errorf("(-want +got):\n%s", d)
				}
				return
			}
			if d := cmp.Diff(meaning(t, want), meaning(t, body)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// judge compares what the vendor made of the last call.
func (w world) judge(t *testing.T, c *vendorCase) {
	t.Helper()
	journal := w.Journal(0)
	last := journal[len(journal)-1]
	if last.Executed != (c.Expect.HTTP == 200) {
		t.Errorf("executed: %t", last.Executed)
	}
	if last.Executed {
		if err := schema.Request(last.Method, last.Path, last.Body); err != nil {
			t.Error(err)
		}
	}
	for what, pair := range map[string][2]any{"reached": {c.Expect.Effective, last.Effective}, "rendered": {c.Expect.Rendered, last.Rendered}} {
		if pair[0] == nil {
			continue
		}
		want, err1 := json.Marshal(pair[0])
		got, err2 := json.Marshal(pair[1])
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(meaning(t, want), meaning(t, got)); d != "" {
			t.Errorf("%s (-want +got):\n%s", what, d)
		}
	}
}

// meaning is JSON as a value; the order of tags and platforms has none.
func meaning(t *testing.T, b []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	var sort func(v any)
	sort = func(v any) {
		m, _ := v.(map[string]any)
		for k, e := range m {
			if list, ok := e.([]any); ok && slices.Contains([]string{"tags", "tag", "tag_or", "tag_and", "platform", "platforms"}, k) {
				slices.SortFunc(list, func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
			}
			sort(e)
		}
	}
	sort(v)
	return v
}

// The quota sequences, step by step on the vendor's clock.
func TestContractSequencesByTheClient(t *testing.T) {
	list, byID := vendorCases(t)
	for _, c := range list {
		if c.Sequence == nil {
			continue
		}
		t.Run(c.ID, func(t *testing.T) {
			t.Parallel()
			w := at(t, c, key, secret)
			for i, step := range c.Sequence {
				w.SetClock(step.AtMS)
				for n := range max(1, step.Repeat) {
					r := rongpush.Ours[step.BodyRef]
					if r.Endpoint().Path != step.Path {
						t.Fatalf("step %d: %s is no request of %s", i, step.BodyRef, byID[step.BodyRef].ID)
					}
					_, err := w.send(t, fmt.Sprintf("%d.%d", i, n), r, enough)
					got, code := rongcloud.OK, 200
					if err != nil {
						got, code = err.Class, err.Code
					}
					if want := classOf(step.Expect.Code, ""); got != want || code != step.Expect.Code {
						t.Fatalf("step %d: class %s of code %d, want %s of %d (%v)", i+1, got, code, want, step.Expect.Code, err)
					}
				}
			}
			if s := w.Stats().RongCloud; s.Overruns != 0 || s.MaxPerConnection >= 80 {
				t.Errorf("the vendor saw %+v", s)
			}
		})
	}
}

// The faults: what is injected, what the client calls it, and what arrived.
func TestContractFaultsByTheClient(t *testing.T) {
	list, _ := vendorCases(t)
	bodies := map[string]rongpush.Request{"/user/tag/set.json": rongpush.Ours["TAG-01"], "/user/tag/batch/set.json": rongpush.Ours["TAG-09"], "/user/tags/get.json": rongpush.Ours["TAG-11"],
		"/push.json": rongpush.Ours["PUSH-01"], "/push/user.json": rongpush.Ours["PUSER-01"], "/message/broadcast.json": rongpush.Ours["BC-01"], "/message/system/publish.json": rongpush.Ours["SYS-01"]}
	for _, c := range list {
		if c.Class == "" {
			continue
		}
		t.Run(c.ID+" "+c.Title, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "s")
			fault, timeout, arrived := sandbox.Fault{Kind: "answer", HTTP: c.Inject.HTTP, Body: string(c.Inject.JSON), Host: "primary"}, enough, 1
			switch {
			case c.Inject.AfterRead == "reset":
				fault.Kind = "reset_after"
			case c.Inject.Primary == "refuse":
				fault.Kind, arrived = "refuse", 0
			case c.Inject.Stall > 0:
				fault.Kind, timeout = "stall_after", 300*time.Millisecond
			case c.Inject.Raw != nil:
				if err := json.Unmarshal(c.Inject.Raw, &fault.Body); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Arm(fault); err != nil {
				t.Fatal(err)
			}
			// One host, so that no fail-over hides the answer.
			one, err := rongcloud.New(rongcloud.Options{Hosts: []string{w.Ready().Primary}, AppKey: "k", Secret: func() rongcloud.Secret { return rongcloud.NewSecret("s") }})
			if err != nil {
				t.Fatal(err)
			}
			defer one.Close()
			_, got := world{w.Server, one}.send(t, "c", bodies[c.Endpoint], timeout)
			class := rongcloud.OK
			if got != nil {
				class = got.Class
			}
			if want := rongcloud.Class(strings.ReplaceAll(c.Class, "-", "_")); class != want {
				t.Errorf("class %s, want %s (%v)", class, want, got)
			}
			if n := len(w.Journal(0)); n != arrived {
				t.Errorf("%d requests arrived, want %d", n, arrived)
			}
			if c.ID == "FAULT-03" && (got.HTTPStatus != 502 || got.Message != "<html>bad gateway</html>") {
				t.Errorf("status and first bytes are lost: %v", got)
			}
		})
	}
}

// All 62 cases are of a kind that one of the tests above runs, and each request case is one that our types can say, refuse, or
// cannot say for a stated reason.
func TestContractIsCovered(t *testing.T) {
	list, byID := vendorCases(t)
	kinds := map[string]int{}
	for _, c := range list {
		kind := ""
		switch {
		case c.Request != nil:
			kind = "request" // TestContractRequestsByTheClient, TestContractRequestsByOurTypes, TestContractRefusals
			n := 0
			for _, has := range []bool{rongpush.Ours[c.ID] != nil, rongpush.Refused[c.ID] != nil, rongpush.Unsayable[c.ID] != ""} {
				if has {
					n++
				}
			}
			if n != 1 {
				t.Errorf("%s is in %d of Ours, Refused and Unsayable", c.ID, n)
			}
			if sent := rongpush.Ours[c.ID] != nil; sent != (c.Expect.HTTP == 200) {
				t.Errorf("%s: ours %t, the vendor answers %d", c.ID, sent, c.Expect.HTTP)
			}
		case c.Sequence != nil:
			kind = "sequence" // TestContractSequencesByTheClient
		case c.Class != "":
			kind = "fault" // TestContractFaultsByTheClient
		}
		kinds[kind]++
	}
	if d := cmp.Diff(map[string]int{"request": 46, "sequence": 6, "fault": 10}, kinds); d != "" {
		t.Errorf("the 62 cases by kind (-want +got):\n%s", d)
	}
	for id := range maps.Keys(rongpush.Ours) {
		if byID[id] == nil {
			t.Errorf("%s is no case of the contract", id)
		}
	}
}
