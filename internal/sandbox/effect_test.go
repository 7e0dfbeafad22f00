package sandbox

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const recallPath = "/message/broadcast/recall.json"

// TestRecallTakesBackWhatWasSent: E10 reaches the audience of the message behind the
// messageUID, and only what E4 and E5 sent can be taken back.
func TestRecallTakesBackWhatWasSent(t *testing.T) {
	push := func(audience string) string {
		return `{"platform":["ios"],"fromuserid":"s","audience":` + audience + `,"message":{"content":"x","objectName":"a:b"},"notification":{"alert":"a"}}`
	}
	for _, c := range []struct {
		name, path, contentType, body string
		code                          int
		mode                          string
	}{
		{"a message to a tag", pushPath, jsonType, push(`{"tag":["vip"]}`), 200, "filter"},
		{"a message to a package", pushPath, jsonType, push(`{"packageName":"p"}`), 200, "filter"},
		{"a broadcast message", "/message/broadcast.json", formType, broadcastForm, 200, "all"},
		{"an online broadcast", "/message/online/broadcast.json", formType, broadcastForm, 1002, ""},
		{"a system message", "/message/system/publish.json", formType, broadcastForm + "&toUserId=u", 1002, ""},
		{"a message of nobody here", "", "", "", 200, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := start(t, Options{FixedClock: true})
			b.post(setTag, jsonType, setTagBox) // so that the message is not the first entry
			uid, seq := "ABCD-1234", int64(0)
			if c.path != "" {
				_, out := b.send(b.request(context.Background(), b.Ready().Primary, c.path, c.contentType, c.body))
				var answer reply
				if err := json.Unmarshal(out, &answer); err != nil {
					t.Fatal(err)
				}
				if uid, seq = answer.MessageUID, 2; len(answer.MessageUIDs) > 0 {
					uid = answer.MessageUIDs[0].MessageUID
				}
			}
			recall := form("fromUserId", "s", "messageUID", uid, "sentTime", "1767225600000")
			for range 2 { // again is harmless
				status, out := b.send(b.request(context.Background(), b.Ready().Primary, recallPath, formType, recall))
				e := b.last()
				mode := ""
				if e.Effective != nil {
					mode = e.Effective.Mode
				}
				if codeOf(out) != c.code || e.Executed != (c.code == 200) || mode != c.mode {
					t.Errorf("got %d %s, executed %v, effective %q; want %d, %q", status, out, e.Executed, mode, c.code, c.mode)
				}
				if want := seq; c.mode != "" && e.Recalls != want || c.mode == "" && e.Recalls != 0 {
					t.Errorf("recalls entry %d, want %d", e.Recalls, want)
				}
				if c.code != 200 && !strings.Contains(string(out), c.path) {
					t.Errorf("%s does not say what sent the message", out)
				}
			}
		})
	}
}

func TestARecallKnowsOnlyItsOwnApp(t *testing.T) {
	b := start(t, Options{FixedClock: true, Apps: []App{{Vendor: "rongcloud", Key: DefaultKey, Secret: DefaultSecret}, {Vendor: "rongcloud", Key: "second", Secret: DefaultSecret}}})
	_, out := b.send(b.request(context.Background(), b.Ready().Primary, "/message/broadcast.json", formType, broadcastForm))
	var answer reply
	if err := json.Unmarshal(out, &answer); err != nil {
		t.Fatal(err)
	}
	r := b.request(context.Background(), b.Ready().Primary, recallPath, formType, form("fromUserId", "s", "messageUID", answer.MessageUID, "sentTime", "1767225600000"))
	r.Header.Set("App-Key", "second")
	b.send(r)
	if e := b.last(); e.Recalls != 0 || e.Effective != nil {
		t.Errorf("another app's message was recalled: entry %d, %+v", e.Recalls, e.Effective)
	}
}

// TestFiltersPickUsersOfTheTagStore: tag, tag_or and tagItems against stored tags.
func TestFiltersPickUsersOfTheTagStore(t *testing.T) {
	b := start(t, Options{FixedClock: true})
	for user, tags := range map[string]string{
		"u-a": `["a"]`, "u-b": `["b"]`, "u-c": `["c"]`, "u-ab": `["a","b"]`, "u-ac": `["a","c"]`, "u-abc": `["a","b","c"]`, "u-none": `[]`,
	} {
		b.post(setTag, jsonType, `{"userId":"`+user+`","tags":`+tags+`}`)
	}
	for _, c := range []struct{ name, audience, want string }{
		{"tag is AND", `{"tag":["a","b"]}`, "u-ab u-abc"},
		{"tag_or is OR", `{"tag_or":["a","b"]}`, "u-a u-ab u-abc u-ac u-b"},
		{"both groups must hold", `{"tag":["a"],"tag_or":["b","c"]}`, "u-ab u-abc u-ac"},
		{"a tag nobody has", `{"tag":["x"]}`, ""},
		{"only a package", `{"packageName":"p"}`, ""},
		{"users beat tags", `{"userid":["u-z"],"tag":["a"]}`, ""},
		{"everybody beats tags", `{"is_to_all":true,"tag":["a"]}`, ""},
		{"OR in an item unless given", `{"tagItems":[{"tags":["a","b"]}]}`, "u-a u-ab u-abc u-ac u-b"},
		{"AND in an item", `{"tagItems":[{"tags":["a","b"],"tagsOperator":"AND"}]}`, "u-ab u-abc"},
		{"not any of an item", `{"tagItems":[{"tags":["a","b"],"isNot":true}]}`, "u-c u-none"},
		{"not all of an item", `{"tagItems":[{"tags":["a","b"],"isNot":true,"tagsOperator":"AND"}]}`, "u-a u-ac u-b u-c u-none"},
		{"OR between items unless given", `{"tagItems":[{"tags":["b"]},{"tags":["c"]}]}`, "u-ab u-abc u-ac u-b u-c"},
		{"AND between items", `{"tagItems":[{"tags":["b"]},{"tags":["c"],"itemsOperator":"AND"}]}`, "u-abc"},
		{"the first item's operator joins nothing", `{"tagItems":[{"tags":["b"],"itemsOperator":"AND"}]}`, "u-ab u-abc u-b"},
		// (a OR b) AND c from left to right; with AND before OR it would be a OR (b AND c)
		{"left to right, OR then AND", `{"tagItems":[{"tags":["a"]},{"tags":["b"]},{"tags":["c"],"itemsOperator":"AND"}]}`, "u-abc u-ac"},
		// (a AND b) OR c; from right to left it would be a AND (b OR c)
		{"left to right, AND then OR", `{"tagItems":[{"tags":["a"]},{"tags":["b"],"itemsOperator":"AND"},{"tags":["c"],"itemsOperator":"OR"}]}`, "u-ab u-abc u-ac u-c"},
		{"tagItems beside tag", `{"tag":["c"],"tagItems":[{"tags":["b"],"isNot":true}]}`, "u-ac u-c"},
	} {
		b.post("/push/custom.json", jsonType, `{"platform":["ios"],"audience":`+c.audience+`,"notification":{"alert":"a"}}`)
		e := b.last()
		if !e.Executed {
			t.Errorf("%s: refused: %s", c.name, e.Answer)
		}
		if got := strings.Join(e.Matched, " "); got != c.want {
			t.Errorf("%s: matched %q, want %q", c.name, got, c.want)
		}
	}
}

func TestMatchedIsBounded(t *testing.T) {
	store := map[string][]string{}
	for i := range matchedMost + 5 {
		store[time.UnixMilli(int64(i)).Format(time.RFC3339Nano)] = []string{"a"}
	}
	got := matched(store, map[string]any{"tag": []any{"a"}})
	if len(got) != matchedMost || !slices.IsSorted(got) {
		t.Errorf("%d users, sorted %v; want the first %d in order", len(got), slices.IsSorted(got), matchedMost)
	}
}

// What a template becomes for each receiver: the journal has texts after
// replacement, in content and push, and the messages behind messageUIDs.
func TestATemplateIsRenderedForEachReceiver(t *testing.T) {
	b := start(t, Options{FixedClock: true})
	body := `{"fromUserId":"s","toUserId":["1","2"],"objectName":"RC:TxtMsg","content":"{\"content\":\"{who} owes {sum}{who}\",\"extra\":\"{sum}\"}",` +
		`"values":[{"{who}":"Li","{sum}":"5"},{"{who}":"{sum}","{sum}":"7"}],"pushContent":["{who}!","none"],"pushData":["","{who}"]}`
	status, out := b.send(b.request(context.Background(), b.Ready().Primary, "/message/system/publish_template.json", jsonType, body))
	var answer reply
	if err := json.Unmarshal(out, &answer); err != nil || status != 200 {
		t.Fatalf("%d %s, %v", status, out, err)
	}
	if len(answer.MessageUIDs) != 2 || answer.MessageUIDs[1].UserID != "2" {
		t.Errorf("messageUIDs %v", answer.MessageUIDs)
	}
	want := map[string]Rendered{
		"1": {Content: "Li owes 5Li", Push: "Li!"},
		"2": {Content: "{sum} owes 7{sum}", Push: "none"}, // keys go in order, {sum} before {who}
	}
	if diff := cmp.Diff(want, b.last().Rendered); diff != "" {
		t.Errorf("rendered (-want +got):\n%s", diff)
	}
}
