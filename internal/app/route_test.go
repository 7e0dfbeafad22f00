package app

import (
	"fmt"
	"strings"
	"testing"

	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/test/schema"
)

// wanted is design.md 4's column of RongCloud, written once more and otherwise: "" is impossible.
func wanted(action intent.Action, a *intent.Audience, message, broadcast, plus bool) (endpoint, lane string) {
	if action == intent.Push {
		switch {
		case a != nil:
			return "", ""
		case message:
			return "/message/system/publish.json", "user"
		}
		return "/push/user.json", "user"
	}
	if action != intent.Broadcast || a == nil {
		return "", ""
	}
	tags, none, pkg := len(a.AllOf)+len(a.AnyOf) > 0, len(a.NoneOf) > 0, a.Package != ""
	filter := tags || none || pkg
	switch {
	case a.Everyone && (a.Online || filter), a.Online && filter, !a.Everyone && !a.Online && !filter: // never two forms, never none
		return "", ""
	case none && plus && !message:
		return "/push/custom.json", "push-plus"
	case none, !broadcast:
		return "", ""
	case a.Online && message:
		return "/message/online/broadcast.json", "online"
	case a.Online:
		return "", ""
	case a.Everyone && message:
		return "/message/broadcast.json", "broadcast"
	}
	return "/push.json", "broadcast"
}

// Every combination of action, audience, message and what the account has: the endpoint and lane of the table, or a refusal that names
// what is possible. What is possible can be built, is valid by the vendor's schema, and says is_to_all only for everyone.
func TestEveryCombinationHasItsEndpointOrIsRefused(t *testing.T) {
	possible, refused := map[string]int{}, 0
	for n := range 1 << 11 {
		bit := func(i int) bool { return n>>i&1 == 1 }
		tags := func(i int, tag string) []string {
			if bit(i) {
				return []string{tag}
			}
			return nil
		}
		in := &intent.Intent{Action: intent.Broadcast, Content: &intent.Content{Title: "t", Body: "b"}}
		if bit(0) {
			in.Action = intent.Push
		}
		if bit(1) {
			in.Content.Message = &intent.Message{Type: "RC:TxtMsg", Content: map[string]string{"content": "c"}}
		}
		if bit(2) {
			in.Audience = &intent.Audience{Everyone: bit(3), Online: bit(4), AllOf: tags(5, "vip"), AnyOf: tags(6, "bj"), NoneOf: tags(7, "old")}
			if bit(8) {
				in.Audience.Package = "cn.example"
			}
		} else if n>>3&63 != 0 {
			continue // no audience is no audience
		}
		r := &rongAccount{sender: "sys", platforms: []string{"ios", "android"}, allowEveryone: true, broadcast: bit(9), pushPlus: bit(10)}
		name := fmt.Sprintf("%s to %+v, message %t, broadcast %t, push_plus %t", in.Action, in.Audience, in.Content.Message != nil, r.broadcast, r.pushPlus)
		endpoint, lane := wanted(in.Action, in.Audience, in.Content.Message != nil, r.broadcast, r.pushPlus)
		route, err := r.Route(in)
		if endpoint == "" {
			refused++
			if err == nil || !strings.Contains(err.Error(), "possible: ") || strings.HasSuffix(err.Error(), "possible: ") {
				t.Errorf("%s: %+v, %v; want a refusal that names what is possible", name, route, err)
			}
			continue
		}
		if err != nil || route != (dispatch.Route{Lane: lane, Endpoint: endpoint, Users: in.Action == intent.Push}) {
			t.Errorf("%s: %+v, %v; want %s in lane %s", name, route, err, endpoint, lane)
			continue
		}
		possible[endpoint]++
		if _, ok := rongLanes(rongQuota{}, 0)[lane]; !ok {
			t.Errorf("there is no lane %s", lane)
		}
		req, err := r.request(&dispatch.Call{Endpoint: endpoint, Users: []string{"u-1"}, Content: in.Content, Audience: in.Audience, First: "a/0/1/r/*"})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		body, contentType, err := req.Body()
		if err != nil || req.Endpoint().Path != endpoint {
			t.Errorf("%s: %s, %v", name, req.Endpoint().Path, err)
			continue
		}
		if err := schema.Wire(endpoint, contentType, body); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if all := strings.Contains(string(body), `"is_to_all":true`); all != (endpoint == "/push.json" && in.Audience.Everyone) {
			t.Errorf("%s: is_to_all %t in %s", name, all, body)
		}
		if strings.HasPrefix(endpoint, "/message/") != strings.Contains(string(body), "msgRandom=") {
			t.Errorf("%s: msgRandom belongs to message endpoints, and to all of them: %s", name, body)
		}
	}
	if len(possible) != 6 || refused == 0 {
		t.Errorf("reached %v, %d refused", possible, refused)
	}
}

// is_to_all beside another criterion cannot be built, whatever an intent says.
func TestEverybodyIsNeverSaidBesideACriterion(t *testing.T) {
	for _, a := range []*intent.Audience{
		{Everyone: true, AllOf: []string{"vip"}}, {Everyone: true, AnyOf: []string{"vip"}}, {Everyone: true, NoneOf: []string{"vip"}},
		{Everyone: true, Package: "p"}, {Everyone: true, Online: true}, {}, nil,
	} {
		r := &rongAccount{sender: "sys", platforms: []string{"ios"}, allowEveryone: true, broadcast: true, pushPlus: true}
		for _, endpoint := range []string{"/push.json", "/push/custom.json"} {
			if req, err := r.request(&dispatch.Call{Endpoint: endpoint, Content: &intent.Content{Body: "b"}, Audience: a}); err == nil {
				t.Errorf("%+v became %+v", a, req)
			}
		}
	}
}
