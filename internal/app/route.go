package app

import (
	"errors"
	"fmt"
	"strings"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/rongpush"
)

// refusal says why no endpoint does what a rule wants, and what is possible instead.
type refusal struct {
	path []string // of keys in the rule's block
	why  diag.Text
	can  diag.Text
}

func (r *refusal) Error() string { return r.why.EN + "; possible: " + r.can.EN }

// Route implements dispatch.Vendor.
func (r *rongAccount) Route(in *intent.Intent) (dispatch.Route, error) {
	route, no := r.route(in.Action, in.Audience, in.Content != nil && in.Content.Message != nil)
	if no != nil {
		return dispatch.Route{}, no
	}
	return route, nil
}

// route is design.md 4's column of RongCloud: action, audience and message give the endpoint and its lane. A broadcast lane's call
// costs one slot, any other none.
func (r *rongAccount) route(action intent.Action, a *intent.Audience, message bool) (dispatch.Route, *refusal) {
	switch {
	case action == intent.Push && a == nil && message:
		return dispatch.Route{Lane: "user", Endpoint: rongpush.SystemPublish.Path, Users: true}, nil
	case action == intent.Push && a == nil:
		return dispatch.Route{Lane: "user", Endpoint: rongpush.PushUser.Path, Users: true}, nil
	case action != intent.Broadcast || a == nil || shape(a) == 0:
		return dispatch.Route{}, no("", fmt.Sprintf("action %q with this audience has no endpoint", action), "这个动作和人群没有对应的接口",
			"`push` to users, `broadcast` to an audience", "`push` 发给用户，`broadcast` 发给人群")
	case shape(a) > 1:
		return dispatch.Route{}, no("audience", "an audience is everyone, or those online, or a filter", "人群只能是全部、在线、筛选条件三者之一",
			"one of them", "只写其中一种")
	case len(a.NoneOf) > 0 && message:
		return dispatch.Route{}, no("audience none_of", "RongCloud cannot leave users out of a message", "融云发应用内消息时不能按标签排除用户",
			"without `message` (with `services.push_plus`), or without `none_of`: give the others a tag of their own", "去掉 `message`（账号要有 `services.push_plus`），或去掉 `none_of`，给要发的用户单独打标签")
	case len(a.NoneOf) > 0 && !r.pushPlus:
		return dispatch.Route{}, no("audience none_of", "this account cannot leave out users by tag", "这个账号不能按标签排除用户",
			"give the others a tag of their own; or buy Push Plus and set `services.push_plus: true`", "请给要发的用户单独打标签；或开通 Push Plus 后写 `services.push_plus: true`")
	case len(a.NoneOf) > 0:
		return dispatch.Route{Lane: "push-plus", Endpoint: rongpush.PushCustom.Path}, nil
	case !r.broadcast:
		return dispatch.Route{}, no("", "the account has `services.broadcast: false`", "账号设置了 `services.broadcast: false`",
			"`push` to named users", "用 `push` 发给指定用户")
	case a.Online && message:
		return dispatch.Route{Lane: "online", Endpoint: rongpush.OnlineMessage.Path}, nil
	case a.Online:
		return dispatch.Route{}, no("audience", "only a message can go to those online", "只有应用内消息才能发给在线用户",
			"add a `message` block, or choose `everyone` or tags", "请加上 `message`，或改为 `everyone`、标签")
	case a.Everyone && message && r.split:
		return dispatch.Route{Lane: laneBroadcastMessage, Endpoint: rongpush.BroadcastMessage.Path}, nil
	case a.Everyone && message:
		return dispatch.Route{Lane: laneBroadcast, Endpoint: rongpush.BroadcastMessage.Path}, nil
	}
	return dispatch.Route{Lane: laneBroadcast, Endpoint: rongpush.Push.Path}, nil
}

func no(path, en, zh, canEN, canZH string) *refusal {
	return &refusal{strings.Fields(path), diag.Text{EN: en, ZH: zh}, diag.Text{EN: canEN, ZH: canZH}}
}

// shape counts which of the three forms an audience has: everyone, online, filter. is_to_all beside anything else would reach
// everybody at the vendor, so an audience of two forms is none.
func shape(a *intent.Audience) (n int) {
	for _, has := range []bool{a.Everyone, a.Online, len(a.AllOf)+len(a.AnyOf)+len(a.NoneOf) > 0 || a.Package != ""} {
		if has {
			n++
		}
	}
	return n
}

// audience is whom /push.json and /push/custom.json reach; never is_to_all beside another criterion, which no rongpush.Audience can say.
func audience(a *intent.Audience) (rongpush.Audience, error) {
	switch {
	case a == nil || shape(a) != 1 || a.Online:
		return nil, errors.New("the audience is neither everyone nor a filter")
	case a.Everyone:
		return rongpush.All{}, nil
	}
	return rongpush.Filter{AllOf: a.AllOf, AnyOf: a.AnyOf, NoneOf: a.NoneOf, Package: a.Package}, nil
}
