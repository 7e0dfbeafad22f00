package sdk

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// judged is one call of an SDK and what the sandbox must make of it.
type judged struct {
	step   string
	users  map[string][]string // tags that users have before it
	before []string            // steps before it; %uid is the message that the last of them made
	path   string              // where the call arrives, "" = the SDK refuses it by itself
	why    string              // about a refusal: which rule, and why the SDK breaks it

	// By the lenient sandbox.
	code      int // of the sandbox and of what the SDK tells its user; 0 = 200
	effective string
	matched   []string
	rendered  string
	recalls   int                 // the entry whose message is recalled
	tags      map[string][]string // the tag store afterwards
	result    map[string][]string // what the SDK returns as tags

	// By the strict sandbox, of the same body signed as the contract wants; 0 = 200.
	strict int
}

// The headers of every call break the contract in the same way, so the strict sandbox refuses all of them as they come.
const whyStrictRefuses = "every SDK sends Timestamp in seconds, the documentation demands milliseconds (rongcloud.md section 1)"

// judge makes each call at `notifier sandbox --lenient`, again at a strict one, and then shows the strict one the body
// that arrived, signed as the documentation says.
func judge(t *testing.T, c command, all []judged) {
	lenient, strict := startSandbox(t, "--lenient"), startSandbox(t)
	sdk, sdkAtStrict := startProgram(t, c, lenient), startProgram(t, c, strict)
	for _, j := range all {
		t.Run(j.step, func(t *testing.T) {
			if j.code == 0 {
				j.code = 200
			}
			if j.strict == 0 {
				j.strict = 200
			}
			lenient.steer(t, "POST", "/reset", "{}", nil)
			strict.steer(t, "POST", "/reset", "{}", nil)
			for user, tags := range j.users {
				lenient.giveTags(t, user, tags)
			}
			step := j.step
			for _, s := range j.before {
				if r := sdk.call(t, s); r.Code != 200 {
					t.Fatalf("before: %s: %+v", s, r)
				}
				arrived := lenient.journal(t)
				step = strings.ReplaceAll(j.step, "%uid", arrived[len(arrived)-1].Answer.uid())
			}
			known := len(lenient.journal(t))

			r := sdk.call(t, step)
			arrived := lenient.journal(t)[known:]
			if j.path == "" {
				if len(arrived) != 0 || r.Code == 200 {
					t.Errorf("the SDK was to refuse this by itself (%s): %+v, sent %+v", j.why, r, arrived)
				}
				return
			}
			if len(arrived) != 1 {
				t.Fatalf("%d requests arrived, want 1; the SDK says %+v", len(arrived), r)
			}
			e := arrived[0]
			j.compare(t, e, r)
			if j.tags != nil && !sameTags(lenient.tags(t), j.tags) {
				t.Errorf("tag store %v, want %v", lenient.tags(t), j.tags)
			}
			if j.result != nil && !sameTags(r.Tags, j.result) {
				t.Errorf("the SDK read tags %v, want %v", r.Tags, j.result)
			}

			// The same call of the SDK at the strict sandbox: refused for its headers, whatever the body is, unless
			// the path is none.
			before := len(strict.journal(t))
			r = sdkAtStrict.call(t, step)
			refused := strict.journal(t)[before:]
			if len(refused) != 1 {
				t.Fatalf("%d requests arrived at the strict sandbox, want 1; the SDK says %+v", len(refused), r)
			}
			if got := refused[0]; j.strict != 404 && (got.HTTP != 401 || got.Code != 1004 || !strings.Contains(got.Answer.ErrorMessage, "Timestamp")) {
				t.Errorf("strict, as sent: %d %+v; want 401/1004 about the Timestamp: %s", got.HTTP, got.Answer, whyStrictRefuses)
			}

			// The same body without that defect.
			contentType, body := e.wire(t)
			status, out := strict.post(t, e.Path, contentType, body)
			if out.Code != j.strict {
				t.Errorf("strict, signed properly: %d %+v, want %d %s\nbody %s", status, out, j.strict, j.why, e.Body)
			}
			if j.strict != 200 && j.why == "" {
				t.Error("a refusal without an explanation")
			}
		})
	}
}

func (j judged) compare(t *testing.T, e entry, r result) {
	t.Helper()
	if e.Path != j.path || e.Code != j.code || e.Executed != (j.code == 200) || e.Host != "primary" {
		t.Errorf("%s at the %s: %d %+v, executed %v; want %s, %d\nbody %s", e.Path, e.Host, e.HTTP, e.Answer, e.Executed, j.path, j.code, e.Body)
	}
	if r.Code != j.code {
		t.Errorf("the SDK tells its user %+v, the sandbox answered %d", r, e.Code)
	}
	for what, pair := range map[string][2]string{
		"effective": {string(e.Effective), j.effective},
		"rendered":  {string(e.Rendered), j.rendered},
	} {
		if !sameJSON(t, pair[0], pair[1]) {
			t.Errorf("%s %s, want %s\nbody %s", what, pair[0], pair[1], e.Body)
		}
	}
	if !slices.Equal(e.Matched, j.matched) {
		t.Errorf("matched %v, want %v\nbody %s", e.Matched, j.matched, e.Body)
	}
	if e.Recalls != j.recalls {
		t.Errorf("recalls entry %d, want %d", e.Recalls, j.recalls)
	}
}

// giveTags sets tags as the contract wants it.
func (s *sandbox) giveTags(t *testing.T, user string, tags []string) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"userId": user, "tags": tags})
	if err != nil {
		t.Fatal(err)
	}
	if status, out := s.post(t, "/user/tag/set.json", "application/json", string(body)); status != 200 {
		t.Fatalf("tags of %s: %d %+v", user, status, out)
	}
}

func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	if a == "" || b == "" {
		return a == b
	}
	var x, y any
	if err := json.Unmarshal([]byte(a), &x); err != nil {
		t.Fatalf("%s: %v", a, err)
	}
	if err := json.Unmarshal([]byte(b), &y); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	return reflect.DeepEqual(x, y)
}

// sameTags compares tag sets: their order means nothing.
func sameTags(a, b map[string][]string) bool {
	return maps.EqualFunc(a, b, func(x, y []string) bool {
		return slices.Equal(slices.Sorted(slices.Values(x)), slices.Sorted(slices.Values(y)))
	})
}

// steps are the names of a table's calls.
func steps(all []judged) []string {
	var out []string
	for _, j := range all {
		out = append(out, j.step)
	}
	return out
}
