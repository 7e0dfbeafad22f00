package app

import (
	"testing"

	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/rules"
)

func TestABenchKnowsTheRequestsOfItsCalls(t *testing.T) {
	set := &rules.Set{Rules: []*rules.Rule{{Account: "main"}, {Account: "other"}, {Account: "main"}}}
	b := AnyBench(set, func() dispatch.Rules { return set })
	if len(b.Options.Accounts) != 2 || b.Identities["other"] != "rongcloud:other" {
		t.Fatalf("accounts %v", b.Identities)
	}
	text := &intent.Content{Title: "t", Body: "b"}
	message := &intent.Content{Title: "t", Body: "b", Message: &intent.Message{Type: "RC:TxtMsg", Content: map[string]string{"content": "c"}}}
	for _, c := range []struct {
		call *dispatch.Call
		want string
	}{
		{&dispatch.Call{Endpoint: "/user/tag/set.json", Users: []string{"u"}, Tags: []string{"a"}}, `{"userId":"u","tags":["a"]}`},
		{&dispatch.Call{Endpoint: "/push/user.json", Users: []string{"u"}, Content: text}, `{"userIds":["u"],"notification":{"title":"t","pushContent":"b"}}`},
		{&dispatch.Call{Endpoint: "/message/system/publish.json", Users: []string{"u", "v"}, Content: message, First: "x"},
			`{"content":"{\"content\":\"c\"}","fromUserId":"system","msgRandom":"1637211439935739938","objectName":"RC:TxtMsg","pushContent":"b","pushExt":"{\"title\":\"t\"}","toUserId":["u","v"]}`},
	} {
		got, err := b.Request(dispatch.Departure{Account: "main", Call: c.call})
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %v\n got %s\nwant %s", c.call.Endpoint, err, got, c.want)
		}
	}
	if _, err := b.Request(dispatch.Departure{Account: "main", Call: &dispatch.Call{Endpoint: "/push/user.json", Users: []string{"u"}, Content: &intent.Content{}}}); err == nil {
		t.Error("an empty push has a request")
	}
	if _, err := b.Request(dispatch.Departure{Account: "nobody"}); err == nil {
		t.Error("an unknown account has a request")
	}
}
