package app

import (
	"slices"
	"strconv"
	"strings"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/getui"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/rongpush"
	"github.com/notifier/notifier/internal/rules"
	"github.com/notifier/notifier/internal/settings"
)

// RuleOptions is what the settings tell the rule loader. Every command that loads rules loads them with this, or with AnyRuleOptions.
func RuleOptions(s *settings.Settings) rules.Options {
	return rules.Options{Zone: s.Zone, Accounts: RuleAccounts(s), MaxBytes: s.Events.MaxBytes, Vendor: RuleVendor(s), Consents: s.Consent != settings.Consent{}}
}

// AnyRuleOptions is for rules without settings at hand: every account is a RongCloud one that may do everything.
func AnyRuleOptions() rules.Options {
	return rules.Options{AnyAccount: true, Vendor: ruleVendor{}}
}

// RuleAccounts is what the settings tell the rule loader of the accounts.
func RuleAccounts(s *settings.Settings) []rules.Account {
	var out []rules.Account
	for _, ac := range s.Accounts {
		maxTag := 0
		if ac.Vendor == "getui" { // it has no messages, which is what is said then, and not that nobody sends them
			ac.Sender, maxTag = ac.AppID, getui.MaxTag
		}
		out = append(out, rules.Account{Name: ac.Name, Vendor: ac.Vendor, MaxTag: maxTag, AllowEveryone: ac.AllowEveryone, ApprovalWaived: ac.ApprovalWaived, Sender: ac.Sender, Slots: ac.Quota.Day})
	}
	return out
}

// RuleVendor answers for the accounts of the settings.
func RuleVendor(s *settings.Settings) rules.Vendor {
	v := ruleVendor{}
	for i := range s.Accounts {
		ac := s.Accounts[i]
		ac.AllowEveryone = true // that it is not is said by the loader, once
		v[ac.Name] = newVendor(&ac)
	}
	return v
}

// newRongAccount is an account without its connections.
func newRongAccount(ac *settings.Account) *rongAccount {
	return &rongAccount{sender: ac.Sender, platforms: ac.Platforms, allowEveryone: ac.AllowEveryone, broadcast: ac.Broadcast, pushPlus: ac.PushPlus, split: !ac.Quota.Shared}
}

// ruleVendor implements rules.Vendor: it builds, for each rule, what would be sent, and says what is wrong with it.
type ruleVendor map[string]vendor

// Check implements rules.Vendor.
func (v ruleVendor) Check(account string, d rules.Delivery) []rules.Problem {
	if r := v[account]; r != nil {
		return r.check(d)
	}
	// Without settings nobody knows of which vendor the account is.
	any := rongAccount{sender: "system", platforms: []string{"ios", "android", "harmonyos"}, allowEveryone: true, broadcast: true, pushPlus: true}
	return append(any.check(d), getuiExtras(d.Content)...)
}

func (r *rongAccount) check(d rules.Delivery) []rules.Problem {
	route, no := r.route(d.Action, d.Audience, d.Content.Message != nil)
	if no != nil {
		return []rules.Problem{{Path: no.path, AtKey: true, Code: "N407", Message: no.why, Hint: no.can}}
	}
	out := carried(d.Content, route.Endpoint)
	out = append(out, r.unlisted(d.Content)...)
	out = append(out, userIDs(d)...)
	if m := d.Content.Message; m != nil {
		out = append(out, message(m)...)
	}
	if route.Endpoint != rongpush.OnlineMessage.Path {
		out = append(out, extras(d.Content, route.Endpoint)...)
	}
	if len(out) > 0 {
		return out
	}
	return r.built(route, d)
}

// carried names what the endpoint has no place for and that changes who gets what: platforms, and a notification where there is none.
func carried(c *intent.Content, endpoint string) (out []rules.Problem) {
	if len(c.Platforms) > 0 && endpoint != rongpush.Push.Path && endpoint != rongpush.PushCustom.Path {
		out = append(out, rules.Problem{Path: []string{"platforms"}, AtKey: true, Code: "N407",
			Message: diag.Text{EN: "RongCloud keeps to platforms only in a broadcast by " + rongpush.Push.Path, ZH: "融云只有用 " + rongpush.Push.Path + " 的人群推送才能限定平台"},
			Hint:    diag.Text{EN: "remove it: this goes to every platform of the users", ZH: "请删掉：这条会发到用户的所有平台"}})
	}
	if len(c.RongCloud) > 0 && endpoint == rongpush.OnlineMessage.Path {
		out = append(out, rules.Problem{Path: []string{"rongcloud"}, AtKey: true, Code: "N411",
			Message: diag.Text{EN: "a message to those online comes without a notification", ZH: "发给在线用户的消息不带通知"}, Hint: diag.Text{EN: "remove the block", ZH: "请删掉这一段"}})
	}
	return out
}

// userIDs judges the ids that the file itself names.
func userIDs(d rules.Delivery) (out []rules.Problem) {
	check := func(text string, path ...string) {
		id, whole := rules.Literal(text)
		if whole && text != "" {
			out = append(out, problems("N412", rongpush.ValidUserID(id), func(string) []string { return path })...)
		}
	}
	check(d.To, "to")
	if m := d.Content.Message; m != nil {
		check(m.From, "message", "from")
	}
	return out
}

// message judges a message by its type.
func message(m *intent.Message) []rules.Problem {
	open := map[string]bool{}
	fields := map[string]string{}
	for k, text := range m.Content {
		literal, whole := rules.Literal(text)
		fields[k], open[k] = literal, !whole
	}
	extra, whole := rules.Literal(m.Extra)
	if !whole {
		extra, open["extra"] = m.Extra, true
	}
	err := rongpush.CheckMessage(m.Type, fields, extra, func(k string) bool { return open[k] })
	return problems("N410", err, func(field string) []string {
		switch {
		case field == "objectName":
			return []string{"message", "type"}
		case field == "content.extra" && m.Content["extra"] == "":
			return []string{"message", "extra"}
		}
		return append([]string{"message"}, strings.Split(field, ".")...)
	})
}

// unlisted names platforms that the account is not for (A-07: HarmonyOS is never sent unless the settings list it).
func (r *rongAccount) unlisted(c *intent.Content) (out []rules.Problem) {
	for i, p := range c.Platforms {
		if !slices.Contains(r.platforms, p) {
			out = append(out, rules.Problem{Path: []string{"platforms", strconv.Itoa(i)}, Code: "N407",
				Message: diag.Text{EN: "the account does not send to `" + p + "`", ZH: "这个账号不发往 `" + p + "`"},
				Hint:    diag.Text{EN: "write " + strings.Join(r.platforms, ", ") + ", or list it under `platforms` of the account in notifier.yaml", ZH: "可以写 " + strings.Join(r.platforms, "、") + "；要发往它，请先在 notifier.yaml 该账号的 `platforms` 中列出"}})
		}
	}
	return out
}

// extras judges the vendor's own block. What carries a message in a form has pushExt in place of a notification, with fewer fields.
func extras(c *intent.Content, endpoint string) []rules.Problem {
	asPushExt := c.Message != nil && endpoint != rongpush.Push.Path && endpoint != rongpush.PushCustom.Path
	return problems("N411", rongpush.CheckExtras(c.RongCloud, asPushExt), func(field string) []string { return strings.Split(field, ".") })
}

// built makes the request that the rule would send, with something harmless in every hole, and says what the vendor would refuse of it.
func (r *rongAccount) built(route dispatch.Route, d rules.Delivery) []rules.Problem {
	c := *d.Content
	fill(&c)
	if c.Message != nil { // judged by its type already
		from := "system"
		if c.Message.From == "" && r.sender != "" {
			from = r.sender
		}
		c.Message = &intent.Message{From: from, Type: "hole:message"}
	}
	call := &dispatch.Call{Endpoint: route.Endpoint, Users: []string{"user"}, Content: &c, Audience: tagsFilled(d.Audience)}
	req, err := r.request(call)
	if err == nil {
		_, _, err = req.Body()
	}
	var out []rules.Problem
	for _, p := range problems("N412", err, func(field string) []string { return neutral(field, d.Content) }) {
		if len(p.Path) == 0 || !slices.ContainsFunc(out, func(o rules.Problem) bool { return slices.Equal(o.Path, p.Path) }) { // a text goes to each platform
			out = append(out, p)
		}
	}
	return out
}

// fill puts something harmless into the holes of a content.
func fill(c *intent.Content) {
	_, whole := rules.Literal(c.Image)
	for _, p := range []*string{&c.Title, &c.Body, &c.Link, &c.Image, &c.Group} {
		*p = filled(*p)
	}
	if !whole {
		c.Image = "https://in.a.hole"
	}
	data := map[string]string{}
	for k, v := range c.Data {
		data[k] = filled(v)
	}
	c.Data = data
}

// filled is a text with its holes empty, or a letter where nothing else is left.
func filled(text string) string {
	s, whole := rules.Literal(text)
	if s == "" && !whole {
		return "x"
	}
	return s
}

// tagsFilled is an audience with tags that differ where their texts do.
func tagsFilled(a *intent.Audience) *intent.Audience {
	if a == nil {
		return nil
	}
	out := *a
	for _, group := range []*[]string{&out.AllOf, &out.AnyOf, &out.NoneOf} {
		*group = slices.Clone(*group)
		for i, t := range *group {
			if s, whole := rules.Literal(t); whole {
				(*group)[i] = s
			} else {
				(*group)[i] = "hole" + strconv.Itoa(i)
			}
		}
	}
	return &out
}

// neutral finds the key of a rule that a field of a request comes from; none: the block itself.
func neutral(field string, c *intent.Content) []string {
	for suffix, path := range map[string][]string{
		"notification.title": {"title"}, "pushExt.title": {"title"}, "notification.alert": {"body"}, "notification.pushContent": {"body"}, "pushContent": {"body"},
		"audience.tag": {"audience", "all_of"}, "audience.tag_or": {"audience", "any_of"}, "audience.tagItems": {"audience", "none_of"}, "audience.packageName": {"audience", "package"},
		"thread-id": {"group"}, "image": {"image"}, "imageUrl": {"image"}, "richMediaUri": {"image"}, "extras.link": {"link"}, "platform": {"platforms"},
	} {
		if field == suffix || strings.HasSuffix(field, "."+suffix) {
			return path
		}
	}
	if _, key, ok := strings.Cut(field, ".extras."); ok && c.Data[key] != "" {
		return []string{"data", key}
	}
	if strings.HasSuffix(field, ".extras") {
		return []string{"data"}
	}
	return nil
}

// problems are a vendor error's, each at the place that its field comes from.
func problems(code string, err error, at func(field string) []string) (out []rules.Problem) {
	for _, bad := range rongpush.Problems(err) {
		out = append(out, problem(code, at(bad.Field), bad.Field, diag.Text{EN: bad.Reason, ZH: bad.ZH}, bad.Known))
	}
	return out
}

// problem is what is wrong with a field of a request, named as the rule has it where that is not the vendor's own block.
func problem(code string, path []string, field string, why diag.Text, known []string) rules.Problem {
	last := field[strings.LastIndexByte(field, '.')+1:]
	name := last
	if own := ruleKey(path); own != "" {
		name = own
	}
	p := rules.Problem{Path: path, Code: code, AtKey: strings.HasPrefix(why.EN, "unknown") || strings.HasPrefix(why.EN, "cannot travel"), Message: diag.Text{EN: "`" + name + "`: " + why.EN}}
	if why.ZH != "" {
		p.Message.ZH = "`" + name + "`：" + why.ZH
	}
	p.Hint, _ = diag.DidYouMean(last, known)
	return p
}

// ruleKey is the key of a rule that a path leads to; "" in the vendors' own blocks and in a message, whose words are the vendor's.
func ruleKey(path []string) string {
	if len(path) == 0 || slices.Contains([]string{"rongcloud", "getui", "message"}, path[0]) {
		return ""
	}
	return strings.Join(path, ".")
}
