package audit

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// run is a finished run on paper: what a faultless daemon leaves behind for a small input. A test spoils one thing.
type run struct {
	events  []Record
	intents []map[string]any
	fates   map[string]map[string]any // by key
	dead    []Record
	calls   []map[string]any
	tags    map[string]map[string][]string
	in      Input
}

// newRun makes one of everything: an issue with three intents, a twin of it, a capped user with three events, two
// stars that merge, an old comment, a bad user, three broadcasts of which two have left, profiles, a dead letter.
func newRun() *run {
	r := &run{fates: map[string]map[string]any{}, tags: map[string]map[string][]string{"main": {}, "second": {}},
		in: Input{Start: start, Apps: map[string]string{"key-main": "main", "key-second": "second"}, Keeps: map[string]bool{"main": true},
			Before: map[string]map[string][]string{"main": {"u1": {"vip"}, "stranger": {"old"}}, "second": {"u1": {"vip"}}}}}
	n := int64(0)
	id := func() string { n++; return fmt.Sprintf("gh-%06d-%06x", n, n) }
	add := func(topic, id, kind string, minutes int, payload string) {
		r.events = append(r.events, plain(topic, int64(len(r.events)), id, kind, minutes, payload))
	}
	issue := `{"action":"assigned","assignee":{"login":"u1"},"issue":{"number":7,"title":"T","user":{"login":"u1"},"assignees":[{"login":"u2"},{"login":"u3"}]}}`
	first := id()
	add("gh.issues", first, "issues", 10, issue)
	add("gh.issues", first, "issues", 10, issue) // the twin
	for range 3 {
		add("gh.pulls", id(), "pull_request", 10, `{"action":"opened","pull_request":{"additions":500,"user":{"login":"u1"}}}`)
	}
	for range 2 {
		add("gh.activity", id(), "star", 10, `{"action":"created","repository":{"owner":{"login":"u1"}}}`)
	}
	add("gh.activity", id(), "sponsorship", 10, `{"action":"created","sponsorship":{"sponsorable":{"login":"u1"},"tier":{"monthly_price_in_dollars":5}}}`)
	add("gh.issues", id(), "issue_comment", 300, `{"action":"created","comment":{"user":{"login":"u2"}},"issue":{"user":{"login":"u1"}}}`)
	add("gh.issues", id(), "issues", 10, `{"action":"opened","issue":{"number":7,"title":"T","user":{"login":"renovate[bot]"}}}`)
	add("gh.issues", id(), "issues", 10, `{"action":"unlocked","issue":{"number":7,"title":"T","user":{"login":"u1"}}}`)
	for range 3 {
		add("gh.releases", id(), "release", 10, `{"action":"published","release":{"tag_name":"9.0.0","author":{"login":"u1"}}}`)
	}
	add("gh.profiles", id(), "member", 10, `{"member":{"login":"u1","type":"User","site_admin":true}}`)
	add("gh.profiles", id(), "member", 20, `{"member":{"login":"u1","type":"Bot"}}`)
	add("gh.issues", id(), "issues", 10, `{"action":"edited","issue":{"number":7,"title":"T","user":{"login":"u1"},"assignees":[]}}`)
	r.events = append(r.events, Record{Topic: "gh.issues", Offset: 99, Value: []byte("{")})
	r.finish()
	return r
}

// finish plays the daemon and the vendor over the expectation.
func (r *run) finish() {
	r.in.Events = r.events
	x := expect(r.in)
	sent, seen, slots := map[string]int{}, map[string]bool{}, 2
	var star string // the first star's intent
	for _, k := range slices.Sorted(maps.Keys(x.wants)) {
		w := x.wants[k]
		id := k // any unique name will do
		place := strings.Split(w.place, "/")
		offset, _ := strconv.Atoi(place[2])
		ref := map[string]any{"id": w.event, "topic": place[0], "partition": 0, "offset": offset}
		r.intents = append(r.intents, map[string]any{"v": 1, "id": id, "rule": w.rule, "account": w.account, "target": w.target, "action": w.action, "event": ref})
		f := map[string]any{"v": 1, "intent": id, "event": ref, "rule": w.rule, "user": w.target, "account": w.account, "action": w.action, "fate": "SENT"}
		r.fates[k] = f
		set := func(fate, reason string) { f["fate"], f["reason"] = fate, reason }
		twin := sendKey(w.account, w.target, w.rule+w.event)
		switch {
		case w.action == "tags" && strings.HasPrefix(k, "gh.profiles/0/15/"):
			set("SUPPRESSED", "stale")
			continue
		case w.action == "tags":
			r.call(w.account, "/user/tag/batch/set.json", map[string]any{"userIds": []string{w.target}, "tags": x.tags.tags(w.account, w.target)}, nil)
			continue
		case seen[twin]:
			set("SUPPRESSED", "duplicate")
			continue
		}
		seen[twin] = true
		switch {
		case w.nobody:
			set("DEAD", "render-error")
		case w.badUser:
			set("DEAD", "rejected-by-vendor")
		case w.def.shadow:
			set("SUPPRESSED", "shadow")
		case w.expired:
			set("SUPPRESSED", "expired")
		case w.action == "broadcast" && slots == 0:
			delete(r.fates, k)
		case w.action == "broadcast":
			slots--
			r.call(w.account, "/push.json", map[string]any{"notification": map[string]any{"title": w.def.title, "alert": w.body}},
				map[string]any{"mode": "filter", "tag_and": w.def.audience})
		case w.def.merged && star == "":
			star = w.event
			set("COALESCED", "")
			f["into"] = "gh.activity/0/6/star-digest/u1@main"
		case w.def.merged:
			r.call(w.account, "/push/user.json", map[string]any{"userIds": []string{w.target}, "notification": map[string]any{"title": "2 new stars", "pushContent": "star-digest " + star + " " + w.event}}, nil)
		case w.def.perUser > 0 && sent[w.target] == w.def.perUser:
			set("SUPPRESSED", "capped")
		case w.def.message:
			r.call(w.account, "/message/system/publish.json", map[string]any{"toUserId": []string{w.target}, "content": `{"content":"` + w.event + `"}`, "pushContent": w.body}, nil)
		default:
			if w.def.perUser > 0 {
				sent[w.target]++
			}
			r.call(w.account, "/push/user.json", map[string]any{"userIds": []string{w.target}, "notification": map[string]any{"title": w.def.title, "pushContent": w.body}}, nil)
		}
	}
	for place, reason := range x.dead {
		p := strings.Split(place, "/")
		r.dead = append(r.dead, Record{Headers: map[string]string{"n-topic": p[0], "n-partition": p[1], "n-offset": p[2], "n-reason": reason}})
	}
	r.tags["main"] = map[string][]string{"u1": {"site-admin", "type_User", "vip"}, "stranger": {"old"}}
	r.tags["second"] = map[string][]string{"u1": {"gh_User"}}
}

func (r *run) call(account, path string, body, effective any) {
	r.calls = append(r.calls, map[string]any{"seq": len(r.calls) + 1, "at_ms": start.UnixMilli() + int64(len(r.calls)), "app": "key-" + account,
		"path": path, "body": body, "executed": true, "effective": effective})
}

func (r *run) check(t *testing.T) *Report {
	t.Helper()
	encode := func(v any) Record {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return Record{Value: b}
	}
	in := r.in
	in.Events, in.Dead, in.Tags = r.events, r.dead, r.tags
	for _, i := range r.intents {
		in.Intents = append(in.Intents, encode(i))
	}
	for _, k := range slices.Sorted(maps.Keys(r.fates)) {
		in.Fates = append(in.Fates, encode(r.fates[k]))
	}
	var journal strings.Builder
	for _, c := range r.calls {
		journal.Write(encode(c).Value)
		journal.WriteByte('\n')
	}
	in.Journal = strings.NewReader(journal.String())
	rep, err := Check(in)
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

// find gives the place of the first call to a path whose body contains a text.
func (r *run) find(t *testing.T, path, text string) int {
	t.Helper()
	for i, c := range r.calls {
		b, _ := json.Marshal(c["body"])
		if c["path"] == path && strings.Contains(string(b), text) {
			return i
		}
	}
	t.Fatalf("no call to %s with %q", path, text)
	return 0
}

func (r *run) fateOf(t *testing.T, rule, fate string) map[string]any {
	t.Helper()
	for _, k := range slices.Sorted(maps.Keys(r.fates)) {
		if f := r.fates[k]; f["rule"] == rule && f["fate"] == fate {
			return f
		}
	}
	t.Fatalf("no %s of rule %s", fate, rule)
	return nil
}

func TestAFaultlessRunHasNoProblems(t *testing.T) {
	t.Parallel()
	rep := newRun().check(t)
	if len(rep.Problems) > 0 {
		t.Error(rep)
	}
	if rep.Pending != 1 || rep.Dead != 1 || rep.Fates["push SENT"] == 0 || rep.Calls["/push.json"] != 2 {
		t.Errorf("the run on paper lacks something:\n%s", rep)
	}
}

// An UNKNOWN push may have arrived, once, or not.
func TestUnknownMayHaveArrivedOrNot(t *testing.T) {
	t.Parallel()
	r := newRun()
	r.fateOf(t, "assignee-hello", "SENT")["fate"] = "UNKNOWN"
	if rep := r.check(t); len(rep.Problems) > 0 {
		t.Error(rep)
	}
	i := r.find(t, "/push/user.json", "assignee-hello")
	r.calls[i]["executed"] = false
	if rep := r.check(t); len(rep.Problems) > 0 {
		t.Error(rep)
	}
	r.calls[i]["executed"] = true
	r.calls = append(r.calls, r.calls[i])
	if rep := r.check(t); !hasProblem(rep, "push twice") {
		t.Errorf("an UNKNOWN push that arrived twice was not caught:\n%s", rep)
	}
}

func hasProblem(r *Report, kind string) bool {
	return slices.ContainsFunc(r.Problems, func(p string) bool { return strings.HasPrefix(p, kind+":") })
}

// Each bug is planted alone in a faultless run and must be reported under its name.
func TestPlantedBugsAreCaught(t *testing.T) {
	t.Parallel()
	body := func(r *run, i int) map[string]any { return r.calls[i]["body"].(map[string]any) }
	drop := func(r *run, i int) { r.calls = slices.Delete(r.calls, i, i+1) }
	again := func(r *run, i int) {
		c := maps.Clone(r.calls[i])
		c["seq"] = len(r.calls) + 1
		r.calls = append(r.calls, c)
	}
	for _, tc := range []struct {
		name, kind string
		plant      func(t *testing.T, r *run)
	}{
		{"a push never left", "push missing", func(t *testing.T, r *run) { drop(r, r.find(t, "/push/user.json", "assignee-hello")) }},
		{"one receiver of a list is left out", "push missing", func(t *testing.T, r *run) {
			drop(r, r.find(t, "/push/user.json", `issue-assignees gh-000001-000001 «T».`))
		}},
		{"an in-app message never left", "push missing", func(t *testing.T, r *run) { drop(r, r.find(t, "/message/system/publish.json", "")) }},
		{"a merged push never left", "push missing", func(t *testing.T, r *run) { drop(r, r.find(t, "/push/user.json", "star-digest")) }},
		{"a broadcast never left", "push missing", func(t *testing.T, r *run) { drop(r, r.find(t, "/push.json", "release-major")) }},
		{"a push left twice", "push twice", func(t *testing.T, r *run) { again(r, r.find(t, "/push/user.json", "assignee-hello")) }},
		{"a merged push left twice", "push twice", func(t *testing.T, r *run) { again(r, r.find(t, "/push/user.json", "star-digest")) }},
		{"a broadcast left twice", "push twice", func(t *testing.T, r *run) { again(r, r.find(t, "/push.json", "")) }},
		{"a push nobody wanted", "push extra", func(t *testing.T, r *run) {
			r.call("main", "/push/user.json", map[string]any{"userIds": []string{"u1"}, "notification": map[string]any{"pushContent": "hello"}}, nil)
		}},
		{"the right text to the wrong user", "push extra", func(t *testing.T, r *run) {
			body(r, r.find(t, "/push/user.json", "assignee-hello"))["userIds"] = []string{"u1", "u7"}
		}},
		{"the right push over the wrong account", "push extra", func(t *testing.T, r *run) {
			r.calls[r.find(t, "/push/user.json", "assignee-hello")]["app"] = "key-second"
		}},
		{"an expired push left", "push extra", func(t *testing.T, r *run) {
			r.call("main", "/push/user.json", map[string]any{"userIds": []string{"u1"}, "notification": map[string]any{"title": "Somebody answered", "pushContent": "comment-reply gh-000008-000008 by u2"}}, nil)
		}},
		{"a pending broadcast left without a fate", "push extra", func(t *testing.T, r *run) {
			f := r.fateOf(t, "release-major", "SENT")
			delete(r.fates, f["intent"].(string))
		}},
		{"a shadow rule sends", "wrong fate", func(t *testing.T, r *run) {
			f := r.fateOf(t, "issue-closed-shadow", "SUPPRESSED")
			f["fate"], f["reason"] = "SENT", ""
		}},
		{"a push to nobody is sent", "wrong fate", func(t *testing.T, r *run) { r.fateOf(t, "issue-assignees", "DEAD")["fate"] = "SENT" }},
		{"a title is wrong", "title", func(t *testing.T, r *run) {
			body(r, r.find(t, "/push/user.json", "assignee-hello"))["notification"].(map[string]any)["title"] = "您被指派"
		}},
		{"a text is cut", "push extra", func(t *testing.T, r *run) {
			n := body(r, r.find(t, "/push/user.json", "issue-assignees"))["notification"].(map[string]any)
			n["pushContent"] = strings.TrimSuffix(n["pushContent"].(string), ".")
		}},
		{"a wider audience", "audience", func(t *testing.T, r *run) {
			r.calls[r.find(t, "/push.json", "")]["effective"] = map[string]any{"mode": "all"}
		}},
		{"a merged push counts wrong", "merge text", func(t *testing.T, r *run) {
			body(r, r.find(t, "/push/user.json", "star-digest"))["notification"].(map[string]any)["title"] = "1 new stars"
		}},
		{"a tag is missing", "tags", func(t *testing.T, r *run) { r.tags["main"]["u1"] = []string{"type_User", "vip"} }},
		{"an older event won", "tags", func(t *testing.T, r *run) { r.tags["main"]["u1"] = []string{"site-admin", "type_Bot", "vip"} }},
		{"a foreign tag is lost", "tags", func(t *testing.T, r *run) { r.tags["main"]["u1"] = []string{"site-admin", "type_User"} }},
		{"a foreign tag is kept where it should be dropped", "tags", func(t *testing.T, r *run) { r.tags["second"]["u1"] = []string{"gh_User", "vip"} }},
		{"a stranger is touched", "tags", func(t *testing.T, r *run) { delete(r.tags["main"], "stranger") }},
		{"a stranger is written", "tags extra", func(t *testing.T, r *run) {
			r.call("main", "/user/tag/set.json", map[string]any{"userId": "stranger", "tags": []string{"old"}}, nil)
		}},
		{"the sandbox counts an overrun", "overrun", func(t *testing.T, r *run) { r.in.Overruns = 1 }},
		{"a third broadcast within the hour", "overrun", func(t *testing.T, r *run) { again(r, r.find(t, "/push.json", "")) }},
		{"a broadcast waits although a slot is free", "slot unused", func(t *testing.T, r *run) {
			f := r.fateOf(t, "release-major", "SENT")
			delete(r.fates, f["intent"].(string))
			drop(r, r.find(t, "/push.json", ""))
		}},
		{"the sandbox counts a double", "doubles", func(t *testing.T, r *run) { r.in.Doubles = 1 }},
		{"the vendor had to refuse", "quota", func(t *testing.T, r *run) { r.in.Refused = 1 }},
		{"two fates", "two fates", func(t *testing.T, r *run) {
			f := maps.Clone(r.fateOf(t, "assignee-hello", "SENT"))
			f["fate"] = "UNKNOWN"
			r.fates["another"] = f
		}},
		{"no fate", "no fate", func(t *testing.T, r *run) {
			f := r.fateOf(t, "assignee-hello", "SENT")
			delete(r.fates, f["intent"].(string))
		}},
		{"a fate of nothing", "fate without intent", func(t *testing.T, r *run) {
			f := maps.Clone(r.fateOf(t, "assignee-hello", "SENT"))
			f["intent"] = "gh.issues/0/77/assignee-hello/u1"
			r.fates["another"] = f
		}},
		{"a fate names another event", "fate differs from its intent", func(t *testing.T, r *run) {
			r.fateOf(t, "assignee-hello", "SENT")["event"] = map[string]any{"id": "gh-000009-000009"}
		}},
		{"a fate it may not have", "wrong fate", func(t *testing.T, r *run) {
			f := r.fateOf(t, "pull-big", "SENT")
			f["fate"], f["reason"] = "SUPPRESSED", "no-quota"
		}},
		{"a tag change is UNKNOWN", "wrong fate", func(t *testing.T, r *run) { r.fateOf(t, "tags", "SENT")["fate"] = "UNKNOWN" }},
		{"coalesced into nothing", "coalesced into nothing", func(t *testing.T, r *run) { r.fateOf(t, "star-digest", "COALESCED")["into"] = "nowhere" }},
		{"coalesced into itself", "coalesced into nothing", func(t *testing.T, r *run) {
			f := r.fateOf(t, "star-digest", "COALESCED")
			f["into"] = f["intent"]
		}},
		{"coalesced into another rule", "coalesced into a stranger", func(t *testing.T, r *run) {
			r.fateOf(t, "star-digest", "COALESCED")["into"] = r.fateOf(t, "pull-big", "SENT")["intent"]
		}},
		{"both twins are duplicates", "duplicates", func(t *testing.T, r *run) {
			f := r.fateOf(t, "assignee-hello", "SENT")
			f["fate"], f["reason"] = "SUPPRESSED", "duplicate"
		}},
		{"both twins are sent", "duplicates", func(t *testing.T, r *run) {
			f := r.fateOf(t, "assignee-hello", "SUPPRESSED")
			f["fate"], f["reason"] = "SENT", ""
		}},
		{"a cap lets too few through", "cap", func(t *testing.T, r *run) {
			f := r.fateOf(t, "pull-big", "SENT")
			f["fate"], f["reason"] = "SUPPRESSED", "capped"
		}},
		{"a cap lets too many through", "cap", func(t *testing.T, r *run) {
			f := r.fateOf(t, "pull-big", "SUPPRESSED")
			f["fate"], f["reason"] = "SENT", ""
		}},
		{"an intent is missing", "intent missing", func(t *testing.T, r *run) { r.intents = r.intents[1:] }},
		{"an intent stands twice", "intent twice", func(t *testing.T, r *run) { r.intents = append(r.intents, r.intents[0]) }},
		{"an intent nobody wanted", "intent extra", func(t *testing.T, r *run) {
			i := maps.Clone(r.intents[0])
			i["id"], i["event"] = "new", map[string]any{"topic": "gh.issues", "partition": 0, "offset": 77}
			r.intents = append(r.intents, i)
		}},
		{"an intent for another target", "intent extra", func(t *testing.T, r *run) { r.intents[0]["target"] = "u77" }},
		{"an intent of another action", "intent differs", func(t *testing.T, r *run) { r.intents[0]["action"] = "tags" }},
		{"two intents share an id", "one id, two intents", func(t *testing.T, r *run) { r.intents[1]["id"] = r.intents[0]["id"] }},
		{"a fate names another account", "fate differs from its intent", func(t *testing.T, r *run) { r.fateOf(t, "tags", "SENT")["account"] = "third" }},
		{"a dead letter is missing", "dead letter missing", func(t *testing.T, r *run) { r.dead = nil }},
		{"a dead letter stands twice", "dead letter twice", func(t *testing.T, r *run) { r.dead = append(r.dead, r.dead[0]) }},
		{"a dead letter nobody deserved", "dead letter extra", func(t *testing.T, r *run) {
			r.dead = append(r.dead, Record{Headers: map[string]string{"n-topic": "gh.pulls", "n-partition": "0", "n-offset": "2", "n-reason": "undecodable"}})
		}},
		{"a dead letter for the wrong reason", "dead letter reason", func(t *testing.T, r *run) { r.dead[0].Headers["n-reason"] = "too-large" }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := newRun()
			tc.plant(t, r)
			if rep := r.check(t); !hasProblem(rep, tc.kind) {
				t.Errorf("want a problem %q, got:\n%s", tc.kind, rep)
			}
		})
	}
}

// Entries of the test's own calls, before the run, do not count.
func TestSkippedEntriesDoNotCount(t *testing.T) {
	t.Parallel()
	r := newRun()
	own := map[string]any{"seq": 1, "app": "key-main", "path": "/user/tag/set.json", "executed": true, "body": map[string]any{"userId": "stranger", "tags": []string{"old"}}}
	for i := range r.calls {
		r.calls[i]["seq"] = i + 2
	}
	r.calls = append([]map[string]any{own}, r.calls...)
	r.in.Skip = 1
	if rep := r.check(t); len(rep.Problems) > 0 {
		t.Error(rep)
	}
	r.in.Start = r.in.Start.Add(-time.Hour * 24) // then nothing has expired
	if rep := r.check(t); !hasProblem(rep, "wrong fate") {
		t.Errorf("a run that suppresses what has not expired was not caught:\n%s", rep)
	}
}
