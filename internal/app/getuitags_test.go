package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/getui"
	"github.com/notifier/notifier/internal/settings"
)

// tagVendor answers calls about tags by "METHOD path", the appId left out; what it has no answer for is 502.
type tagVendor struct {
	mu      sync.Mutex
	answers map[string]string // "STATUS BODY"
	calls   []string          // with their bodies
}

func (v *tagVendor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/auth") {
		_, _ = io.WriteString(w, `{"code":0,"data":{"token":"tok","expire_time":"9999999999999"}}`)
		return
	}
	body, _ := io.ReadAll(r.Body)
	call := r.Method + " " + strings.TrimPrefix(r.URL.Path, "/v2/a")
	v.mu.Lock()
	defer v.mu.Unlock()
	v.calls = append(v.calls, strings.TrimSpace(call+" "+string(body)))
	status, answer := 502, ""
	_, _ = fmt.Sscanf(v.answers[call], "%d", &status)
	_, answer, _ = strings.Cut(v.answers[call], " ")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, answer)
}

func tagAccount(t *testing.T, by getui.By, answers map[string]string) (*getuiAccount, *tagVendor) {
	t.Helper()
	v := &tagVendor{answers: answers}
	srv := httptest.NewServer(v)
	t.Cleanup(srv.Close)
	cl, err := getui.New(getui.Options{Host: srv.URL, AppID: "a", AppKey: "k", MasterSecret: func() getui.Secret { return getui.NewSecret("s") }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return &getuiAccount{client: cl, appID: "a", by: by}, v
}

const (
	did  = `200 {"code":0,"msg":"success"}`
	bad  = `400 {"code":20001,"msg":"target user is invalid"}`
	none = `200 {"code":0,"data":{"cid":[]}}`
)

func TestChangesOfTagsAtGetui(t *testing.T) {
	t.Parallel()
	type users = map[string]dispatch.UserOutcome
	unknown := dispatch.UserOutcome{Refused: true, Detail: noDevice}
	batch := "/user/custom_tag/batch/vip"
	alias := func(name string) string { return "GET /user/cid/alias/" + name }
	for _, tc := range []struct {
		name     string
		by       getui.By
		endpoint string
		users    []string
		answers  map[string]string
		want     dispatch.Outcome // Detail apart
		last     string           // call
	}{
		{"given", getui.ByCID, tagAdd, []string{"c1", "c2"}, map[string]string{"PUT " + batch: did}, dispatch.Outcome{Class: dispatch.ClassOK}, "PUT " + batch + ` {"cid":["c1","c2"]}`},
		{"taken, from one it is not", getui.ByCID, tagRemove, []string{"c1", "c2"}, map[string]string{"DELETE " + batch: `200 {"code":0,"data":{"c1":"true","c2":"false"}}`},
			dispatch.Outcome{Class: dispatch.ClassOK, Users: users{"c2": unknown}}, "DELETE " + batch + ` {"cid":["c1","c2"]}`},
		{"nobody knows from whom it was taken", getui.ByCID, tagRemove, []string{"c1"}, map[string]string{"DELETE " + batch: did}, dispatch.Outcome{Class: dispatch.ClassOK}, ""},
		{"replaced", getui.ByCID, tagSet, []string{"c1"}, map[string]string{"POST /user/custom_tag/cid/c1": did}, dispatch.Outcome{Class: dispatch.ClassOK}, `POST /user/custom_tag/cid/c1 {"custom_tag":["vip"]}`},
		{"replaced twice a day: the user's own limit", getui.ByCID, tagSet, []string{"c1"}, map[string]string{"POST /user/custom_tag/cid/c1": `403 {"code":30011}`},
			dispatch.Outcome{Class: dispatch.ClassRetryLater, Code: 30011, Alone: true}, ""},
		{"the day is used up", getui.ByCID, tagAdd, []string{"c1"}, map[string]string{"PUT " + batch: `403 {"code":30011}`}, dispatch.Outcome{Class: dispatch.ClassRetryLater, Code: 30011}, ""},
		{"the operation failed: once more", getui.ByCID, tagAdd, []string{"c1", "c2"}, map[string]string{"PUT " + batch: `400 {"code":23001}`},
			dispatch.Outcome{Class: dispatch.ClassRetryLater, Code: 23001, Once: true}, ""},
		{"it failed again", getui.ByCID, tagAdd, []string{"c1", "c2"}, map[string]string{"PUT " + batch: `400 {"code":23001}`},
			dispatch.Outcome{Class: dispatch.ClassPermanent, Code: 23001}, ""},
		{"an answer is lost", getui.ByCID, tagAdd, []string{"c1"}, nil, dispatch.Outcome{Class: dispatch.ClassRetrySafe}, ""},
		{"one of three is unknown", getui.ByCID, tagAdd, []string{"c1", "c2", "c3"}, map[string]string{"PUT " + batch: bad, "GET /user/status/c1,c2,c3": `200 {"code":0,"data":{"c1":{"status":"online"},"c3":{"status":"offline"}}}`},
			dispatch.Outcome{Class: dispatch.ClassPermanent, Code: 20001, Target: true, Users: users{"c2": unknown}}, ""},
		{"one of three is unknown, and refuses the question", getui.ByCID, tagAdd, []string{"c1", "c2", "c3"}, map[string]string{"PUT " + batch: bad, "GET /user/status/c1,c2,c3": bad,
			"GET /user/status/c1": `200 {"code":0,"data":{"c1":{"status":"online"}}}`, "GET /user/status/c2,c3": bad, "GET /user/status/c2": bad, "GET /user/status/c3": `200 {"code":0,"data":{"c3":{}}}`},
			dispatch.Outcome{Class: dispatch.ClassPermanent, Code: 20001, Target: true, Users: users{"c2": unknown}}, ""},
		{"nobody can be asked", getui.ByCID, tagAdd, []string{"c1", "c2"}, map[string]string{"PUT " + batch: bad}, dispatch.Outcome{Class: dispatch.ClassPermanent, Code: 20001, Target: true}, ""},

		{"all devices of an alias", getui.ByAlias, tagAdd, []string{"u1", "u2"}, map[string]string{alias("u1"): `200 {"code":0,"data":{"cid":["d1","d2"]}}`, alias("u2"): `200 {"code":0,"data":{"cid":["d3"]}}`, "PUT " + batch: did},
			dispatch.Outcome{Class: dispatch.ClassOK}, "PUT " + batch + ` {"cid":["d1","d2","d3"]}`},
		{"an alias without devices", getui.ByAlias, tagAdd, []string{"u1", "u2"}, map[string]string{alias("u1"): none, alias("u2"): `200 {"code":0,"data":{"cid":["d3"]}}`, "PUT " + batch: did},
			dispatch.Outcome{Class: dispatch.ClassOK, Users: users{"u1": unknown}}, "PUT " + batch + ` {"cid":["d3"]}`},
		{"no alias has devices: nothing leaves", getui.ByAlias, tagAdd, []string{"u1", "u2"}, map[string]string{alias("u1"): none, alias("u2"): bad},
			dispatch.Outcome{Class: dispatch.ClassPermanent, Invalid: true, Target: true, Users: users{"u1": unknown, "u2": unknown}}, ""},
		{"a device that two aliases claim is in the call once", getui.ByAlias, tagAdd, []string{"u1", "u2"}, map[string]string{alias("u1"): `200 {"code":0,"data":{"cid":["d1"]}}`, alias("u2"): `200 {"code":0,"data":{"cid":["d1"]}}`, "PUT " + batch: did},
			dispatch.Outcome{Class: dispatch.ClassOK}, "PUT " + batch + ` {"cid":["d1"]}`},
		{"the devices cannot be found: nothing was changed", getui.ByAlias, tagAdd, []string{"u1"}, nil, dispatch.Outcome{Class: dispatch.ClassNotSent}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g, v := tagAccount(t, tc.by, tc.answers)
			try := 1
			if tc.name == "it failed again" {
				try = 2
			}
			got := g.Send(within(t), &dispatch.Call{ID: "x-0-1", Endpoint: tc.endpoint, Users: tc.users, Tags: []string{"vip"}, Try: try})
			if d := cmp.Diff(tc.want, got, cmpopts.IgnoreFields(dispatch.Outcome{}, "Detail", "Head", "Foot", "Wait"), cmpopts.EquateEmpty()); d != "" {
				t.Errorf("(-want +got):\n%s\n%v", d, v.calls)
			}
			if tc.last != "" && v.calls[len(v.calls)-1] != tc.last {
				t.Errorf("calls %q, the last should be %q", v.calls, tc.last)
			}
			if tc.want.Class == dispatch.ClassNotSent || tc.want.Invalid {
				for _, c := range v.calls {
					if !strings.HasPrefix(c, "GET ") {
						t.Errorf("%s left", c)
					}
				}
			}
		})
	}
}

// Of a user with several devices a read tells what all of them have from what some have; whom the vendor does not know has nothing.
func TestReadingTagsAtGetui(t *testing.T) {
	t.Parallel()
	g, _ := tagAccount(t, getui.ByAlias, map[string]string{
		"GET /user/cid/alias/u1":      `200 {"code":0,"data":{"cid":["d1","d2"]}}`,
		"GET /user/cid/alias/nobody":  none,
		"GET /user/cid/alias/odd":     `200 {"code":0,"data":{"cid":["d3"]}}`,
		"GET /user/custom_tag/cid/d3": did,
		"GET /user/cid/alias/failing": `200 {"code":0,"data":{"cid":["d4"]}}`,
		"GET /user/custom_tag/cid/d4": `400 {"code":23001}`,
		"GET /user/custom_tag/cid/d1": `200 {"code":0,"data":{"d1":["both one"]}}`,
		"GET /user/custom_tag/cid/d2": `200 {"code":0,"data":{"d2":["both"]}}`,
	})
	tags, o := g.ReadTags(within(t), "x-0-r1", []string{"u1"})
	if d := cmp.Diff([]any{map[string][]string{"u1": {"both"}}, map[string][]string{"u1": {"one"}}, dispatch.ClassOK}, []any{tags, o.Some, o.Class}); d != "" {
		t.Error(d)
	}
	if tags, o = g.ReadTags(within(t), "x-0-r2", []string{"nobody"}); len(tags["nobody"]) != 0 || o.Class != dispatch.ClassOK {
		t.Errorf("%v %+v", tags, o)
	}
	if _, o = g.ReadTags(within(t), "x-0-r4", []string{"odd"}); o.Class != dispatch.ClassPermanent {
		t.Errorf("an answer that nobody understands is %+v: it would be asked for again and again", o)
	}
	if _, o = g.ReadTags(within(t), "x-0-r5", []string{"failing"}); o.Class != dispatch.ClassRetryLater || !o.Once {
		t.Errorf("an operation that failed is %+v: once more, and no more", o)
	}
	if _, o = g.ReadTags(within(t), "x-0-r3", []string{"u3"}); o.Class == dispatch.ClassOK || o.Class == dispatch.ClassPermanent {
		t.Errorf("a lost answer is %+v", o)
	}
}

func TestTagsThatFit(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 32)
	if got := fitTags([]string{"a", long, "has blank", "字"}); !slices.Equal(got, []string{"a", "字"}) {
		t.Errorf("%v", got)
	}
	var many []string
	for i := range 40 {
		many = append(many, fmt.Sprintf("%030d", i))
	}
	got := fitTags(many)
	if err := func() error { _, err := getui.SetTags{CID: "c", Tags: got}.Body(); return err }(); err != nil || len(got) != 16 {
		t.Errorf("%d tags: %v", len(got), err)
	}
}

// The lane table of the contract (getui.md 9) decides, and the settings where they say otherwise.
func TestLanesOfTagsAtGetui(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		ac    settings.Account
		want  string
		reads string
	}{
		{settings.Account{Vendor: "getui", Identify: "cid"}, "5 in 1m0s, 10000 per day Asia/Shanghai; 1000 users; 1 per day Asia/Shanghai", "69 in 10m0s"},
		{settings.Account{Vendor: "getui", Identify: "alias", Quota: settings.Quota{TagMinute: 100, TagDay: 7}}, "100 in 1m0s, 7 per day Asia/Shanghai; 100 users", "6 in 10m0s"},
	} {
		lanes := getuiLanes(&tc.ac)
		l, reads := lanes[dispatch.LaneTag], lanes[dispatch.LaneTagGet]
		got := fmt.Sprintf("%s, %s; %d users", l.Limits[0], l.Limits[1], l.MaxBatch)
		if l.Replace != "" {
			got += "; " + l.PerUser.String()
		}
		if got != tc.want || fmt.Sprintf("%d in %s", reads.Rate, reads.Window) != tc.reads {
			t.Errorf("%s, reads %d in %s", got, reads.Rate, reads.Window)
		}
		if most := int(24*time.Hour/reads.Window) * reads.Rate * map[string]int{"cid": 1, "alias": 10}[tc.ac.Identify]; most > 10000 {
			t.Errorf("%d reads a day", most)
		}
	}
}

// What explain and the tests of rules show of a change.
func TestTheBodyOfAChangeOfTags(t *testing.T) {
	t.Parallel()
	for by, want := range map[getui.By]string{getui.ByCID: `{"cid":["u1"]}`, getui.ByAlias: `{"cid":["(devices of u1)"]}`} {
		g := &getuiAccount{by: by}
		b, kind, err := g.body(&dispatch.Call{Endpoint: tagAdd, Users: []string{"u1"}, Tags: []string{"vip"}})
		var v any
		if err != nil || string(b) != want || kind != "application/json" || json.Unmarshal(b, &v) != nil {
			t.Errorf("%s: %s %v", by, b, err)
		}
	}
}

// within is a context with the deadline that calls need.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}
