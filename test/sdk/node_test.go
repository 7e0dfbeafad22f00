package sdk

import (
	"strings"
	"testing"
)

// Node SDK 3.1.1. Numbers in comments are of rongcloud.md.
var nodeCalls = []judged{
	{step: "tag.set", path: "/user/tag/set.json", tags: map[string][]string{"u-1": {"vip", "北京"}}},
	{step: "tag.clear", users: map[string][]string{"u-1": {"old"}}, path: "/user/tag/set.json", tags: map[string][]string{"u-1": {}}},
	{step: "tag.batch", users: map[string][]string{"u-1": {"old"}}, path: "/user/tag/batch/set.json",
		tags: map[string][]string{"u-1": {"vip"}, "u-2": {"vip"}, "u+3=x": {"vip"}}},
	{step: "tag.get", before: []string{"tag.batch"}, path: "/user/tags/get.json",
		result: map[string][]string{"u-1": {"vip"}, "u+3=x": {"vip"}, "nobody": {}}},

	{step: "push.tags", path: "/push.json",
		users:     map[string][]string{"u-1": {"vip", "北京", "x"}, "u-2": {"vip", "北京"}, "u-3": {"vip", "x"}},
		matched:   []string{"u-1"},
		effective: `{"mode":"filter","platforms":["ios","android"],"tag_and":["vip","北京"],"tag_or":["x","y"],"package":"cn.example.app"}`},
	{step: "push.users", path: "/push.json", effective: toTwo},
	{step: "push.all", path: "/push.json", effective: `{"mode":"all","platforms":["ios"]}`},
	// Its documentation types is_to_all as String. A sandbox that took "false" for true would reach everybody.
	{step: "push.string", path: "/push.json", effective: toFilter, strict: 1002, why: "is_to_all is a boolean (E4, A-08)"},
	{step: "push.string.all", path: "/push.json", effective: `{"mode":"all","platforms":["ios","android"]}`, strict: 1002, why: "is_to_all is a boolean (E4, A-08)"},
	// Its documentation writes the platforms in prose, every example of the vendor in lower case.
	{step: "push.prose", path: "/push.json", effective: toFilter, strict: 1002, why: "the wire literals are ios and android (E4)"},
	{step: "push.message", path: "/push.json", effective: toEither},

	{step: "system.send", path: "/message/system/publish.json", effective: `{"mode":"users","users":["u-1","u+3=x"]}`},
	{step: "system.template", path: "/message/system/publish_template.json", effective: toTwo,
		rendered: `{"u-1":{"content":"Tom: 2","push":"hello Tom"},"u-2":{"content":"Jerry: 5","push":"hello Jerry"}}`},
	{step: "broadcast", path: "/message/broadcast.json", effective: `{"mode":"all"}`},
}

func TestNodeSDK(t *testing.T) {
	t.Parallel()
	judge(t, shared.node, nodeCalls)
}

func TestEveryStepOfTheNodeProgramIsJudged(t *testing.T) {
	everyStep(t, "node/vendor.js", `(?m)^  '([a-z.]+)': \(\) =>`, nodeCalls)
}

// The SDK signs once for the life of its process (12, Node): after an hour its headers are an hour old. That it works in
// production is why lenient mode judges no age; a server that takes each nonce once would refuse its second call.
func TestNodeSDKSignsOnce(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, "--lenient")
	p := startProgram(t, shared.node, s)
	for _, advance := range []string{`{"advance_ms":0}`, `{"advance_ms":3600000}`} {
		s.steer(t, "POST", "/clock", advance, nil)
		if r := p.call(t, "tag.set"); r.Code != 200 {
			t.Errorf("after %s: %+v", advance, r)
		}
	}
	first, second := s.journal(t)[0].Headers, s.journal(t)[1].Headers
	if first["Nonce"] != second["Nonce"] || first["Timestamp"] != second["Timestamp"] || len(first["Timestamp"]) != 10 {
		t.Errorf("headers %v, then %v; want one nonce and one time, in seconds", first, second)
	}

	s.steer(t, "POST", "/reset", `{"options":{"nonce_replay":true}}`, nil)
	p.call(t, "tag.set")
	if r := p.call(t, "tag.set"); r.Code == 200 {
		t.Errorf("a nonce was taken twice: %+v", r)
	}
	if last := s.journal(t)[1]; last.HTTP != 401 || last.Code != 1004 || !strings.Contains(last.Answer.ErrorMessage, "Nonce") {
		t.Errorf("%d %+v, want 401/1004 about the nonce", last.HTTP, last.Answer)
	}
}

// A broken connection: told to the user, and the next call takes the other host. Nothing is sent again.
func TestNodeSDKFailsOver(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, "--lenient")
	failsOver(t, s, startProgram(t, shared.node, s), `{"kind":"reset_before","host":"primary"}`, "primary", "backup")
}
