package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/getui"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/rules"
)

// Route implements dispatch.Vendor.
func (g *getuiAccount) Route(in *intent.Intent) (dispatch.Route, error) {
	c := in.Content
	if c == nil {
		c = &intent.Content{}
	}
	route, no := g.route(in.Action, in.Audience, c)
	if no != nil {
		return dispatch.Route{}, no
	}
	return route, nil
}

// route is design.md 4's column of Getui. Of two ways to one audience it takes the one that costs no slot of the day.
func (g *getuiAccount) route(action intent.Action, a *intent.Audience, c *intent.Content) (dispatch.Route, *refusal) {
	platforms := c.Platforms
	narrowed := action == intent.Broadcast && (len(platforms) > 0 || len(moreConditions(c)) > 0)
	switch {
	case c.Message != nil:
		return dispatch.Route{}, no("message", "Getui sends no in-app messages", "个推不发应用内消息", "without `message`: what the app needs goes into `data`", "去掉 `message`，应用需要的内容写进 `data`")
	case action == intent.Push && a == nil && len(platforms) > 0:
		return dispatch.Route{}, no("platforms", "a push to users goes to all their devices", "推送给用户会发到他的所有设备", "without `platforms`", "去掉 `platforms`")
	case action == intent.Push && a == nil:
		single := getui.SingleCID
		if g.by == getui.ByAlias {
			single = getui.SingleAlias
		}
		return dispatch.Route{Lane: laneGetuiPush, Endpoint: single.Name, Users: true}, nil
	case action != intent.Broadcast || a == nil || shape(a) == 0:
		return dispatch.Route{}, no("", fmt.Sprintf("action %q with this audience has no endpoint", action), "这个动作和人群没有对应的接口",
			"`push` to users, `broadcast` to an audience", "`push` 发给用户，`broadcast` 发给人群")
	case shape(a) > 1:
		return dispatch.Route{}, no("audience", "an audience is everyone, or those online, or a filter", "人群只能是全部、在线、筛选条件三者之一", "one of them", "只写其中一种")
	case !g.broadcast:
		return dispatch.Route{}, no("", "the account has `services.broadcast: false`", "账号设置了 `services.broadcast: false`", "`push` to named users", "用 `push` 发给指定用户")
	case a.Online:
		return dispatch.Route{}, no("audience", "Getui cannot send to those online only", "个推不能只发给在线用户", "`everyone` or tags", "改为 `everyone` 或标签")
	case a.Package != "":
		return dispatch.Route{}, no("audience package", "a Getui app has one package: it cannot be chosen", "个推的一个应用只有一个包，不能按包名筛选", "an account for each app", "每个应用用一个账号")
	case slices.Contains(platforms, "harmonyos"):
		return dispatch.Route{}, no("platforms", "Getui's audiences know android and ios only", "个推的人群只能按 android、ios 筛选", "android, ios, or without `platforms`", "写 android、ios，或去掉 `platforms`")
	case groupsOf(a) > 1:
		return dispatch.Route{}, no("audience", "Getui joins the tags of an audience in one way", "个推的一次推送只能用一种方式组合标签",
			"one of `all_of`, `any_of` and `none_of`, or a tag of its own for the audience", "`all_of`、`any_of`、`none_of` 只写一种，或给这个人群单独打标签")
	case a.Everyone && !narrowed:
		return dispatch.Route{Lane: laneGetuiApp, Endpoint: getui.AppAll.Name}, nil
	case g.fastTag && !narrowed && len(a.NoneOf) == 0 && len(a.AllOf)+len(a.AnyOf) == 1:
		return dispatch.Route{Lane: laneGetuiFastTag, Endpoint: getui.AppFastTag.Name}, nil
	}
	return dispatch.Route{Lane: laneGetuiApp, Endpoint: getui.AppTag.Name}, nil
}

// groupsOf counts the groups of tags in an audience. Each would be a condition on the same key, and what the vendor makes of two of those is
// not documented: it could be a wider audience than either.
func groupsOf(a *intent.Audience) (n int) {
	for _, tags := range [][]string{a.AllOf, a.AnyOf, a.NoneOf} {
		if len(tags) > 0 {
			n++
		}
	}
	return n
}

// moreConditions are those of the rule's own block. What is wrong in them is found by check, and when the push is built.
func moreConditions(c *intent.Content) []getui.Condition {
	x, err := getui.ParseExtras(c.Getui)
	if err != nil {
		return nil
	}
	out, _ := x.Conditions()
	return out
}

// conditions are an audience as the vendor writes it; never none, which would not be an audience.
func (g *getuiAccount) conditions(a *intent.Audience, c *intent.Content) (out []getui.Condition, err error) {
	if a == nil || shape(a) != 1 || groupsOf(a) > 1 || a.Online || a.Package != "" || a.Everyone && !g.allowEveryone {
		return nil, fmt.Errorf("no push to this audience: %+v", a)
	}
	for _, group := range []struct {
		op   string
		tags []string
	}{{"and", a.AllOf}, {"or", a.AnyOf}, {"not", a.NoneOf}} {
		if len(group.tags) > 0 {
			out = append(out, getui.Condition{Key: "custom_tag", Values: once(group.tags), Op: group.op})
		}
	}
	if len(c.Platforms) > 0 {
		out = append(out, getui.Condition{Key: "phone_type", Values: once(c.Platforms), Op: "or"})
	}
	x, err := getui.ParseExtras(c.Getui)
	if err != nil {
		return nil, err
	}
	more, err := x.Conditions()
	return append(out, more...), err
}

// once keeps the first of each value: two holes of a rule may be filled with the same tag, and the vendor takes none twice.
func once(values []string) (out []string) {
	for _, v := range values {
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

// check implements vendor: it builds what would be sent, with something harmless in every hole, and says what the vendor would refuse.
func (g *getuiAccount) check(d rules.Delivery) []rules.Problem {
	route, no := g.route(d.Action, d.Audience, d.Content)
	if no != nil {
		return []rules.Problem{{Path: no.path, AtKey: true, Code: "N407", Message: no.why, Hint: no.can}}
	}
	if id, whole := rules.Literal(d.To); whole && d.To != "" {
		if err := g.by.Valid(id); err != nil {
			return getuiProblems("N412", err, func(string) []string { return []string{"to"} })
		}
	}
	if out := getuiExtras(d.Content); len(out) > 0 {
		return out
	}
	if out := getuiProblems("N412", checkConditions(d), inGetui); len(out) > 0 {
		return out
	}
	c := *d.Content
	fill(&c)
	in := &intent.Intent{ID: "rule", Rule: "rule", Target: "user", Action: d.Action, Content: &c, Audience: tagsFilled(d.Audience)}
	_, _, err := g.body(&dispatch.Call{Endpoint: route.Endpoint, Users: []string{"user"}, Content: &c, Audience: in.Audience, Intents: []*intent.Intent{in}})
	return getuiProblems("N412", err, func(field string) []string { return getuiKey(field, d) })
}

// inGetui is the place of a field of the rule's own block.
func inGetui(field string) []string { return append([]string{"getui"}, strings.Split(field, ".")...) }

// getuiExtras judges the vendor's own block.
func getuiExtras(c *intent.Content) []rules.Problem {
	return getuiProblems("N411", getui.CheckExtras(c.Getui), inGetui)
}

// checkConditions says what is wrong with the conditions of the rule's own block.
func checkConditions(d rules.Delivery) error {
	x, err := getui.ParseExtras(d.Content.Getui)
	if err != nil {
		return err
	}
	_, wrong := x.Conditions()
	if d.Audience != nil {
		return wrong
	}
	for _, m := range []struct {
		key   string
		match *getui.Match
	}{{"region", x.Region}, {"portrait", x.Portrait}} {
		if m.match != nil {
			wrong = errors.Join(wrong, &getui.InvalidError{Field: m.key, Reason: "is of an audience; a push to users has none", ZH: "只用于人群；给用户的推送没有人群"})
		}
	}
	return wrong
}

// getuiProblems are one of each key: the same text goes to the vendor's own channel and to those of the phone makers.
func getuiProblems(code string, err error, at func(field string) []string) (out []rules.Problem) {
	for _, bad := range getui.Problems(err) {
		path := at(bad.Field)
		if len(path) > 0 && slices.ContainsFunc(out, func(p rules.Problem) bool { return slices.Equal(p.Path, path) }) {
			continue
		}
		p := problem(code, path, bad.Field, diag.Text{EN: bad.Reason, ZH: bad.ZH}, bad.Known)
		if slices.Equal(path, []string{"data"}) { // one field of the vendor's has both
			p.Message = diag.Text{EN: "`link` and `data` together: " + bad.Reason, ZH: "`link` 和 `data` 合计：" + bad.ZH}
		}
		out = append(out, p)
	}
	return out
}

// getuiKey finds the key of a rule that a field of a push comes from; none: the block itself.
func getuiKey(field string, d rules.Delivery) []string {
	if path := extrasKey(field, d.Content.Getui); path != nil {
		return append([]string{"getui"}, path...)
	}
	switch last := field[strings.LastIndexByte(field, '.')+1:]; last {
	case "title", "body":
		return []string{last}
	case "payload", "transmission":
		return []string{"data"}
	case "big_image", "url":
		return []string{"image"}
	case "thread_id", "thread-id":
		return []string{"group"}
	case "auto_badge":
		return []string{"badge"}
	case "custom_tag", "values":
		if d.Audience == nil {
			return nil
		}
		for key, tags := range map[string][]string{"all_of": d.Audience.AllOf, "any_of": d.Audience.AnyOf, "none_of": d.Audience.NoneOf} {
			if len(tags) > 0 {
				return []string{"audience", key}
			}
		}
	}
	return nil
}

// extrasKey finds a field of a push in the rule's own block.
func extrasKey(field string, block json.RawMessage) []string {
	var v map[string]any
	if json.Unmarshal(block, &v) != nil {
		return nil
	}
	parts := strings.Split(field, ".")
	for _, nodes := range [][]string{nil, {"notification"}, {"ios"}, {"android"}} {
		at := v
		for _, n := range nodes {
			at, _ = at[n].(map[string]any)
		}
		for i := range parts {
			if _, ok := at[parts[i]]; ok {
				return slices.Concat(nodes, parts[i:])
			}
		}
	}
	return nil
}
