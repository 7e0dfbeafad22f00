package app

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/getui"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/quota"
	"github.com/notifier/notifier/internal/settings"
)

// getuiAccount is one app at Getui as the dispatcher's Vendor: design.md 4's column for this vendor, and what the neutral keys of a rule
// become there.
type getuiAccount struct {
	client        *getui.Client
	appID         string
	by            getui.By // what a user id is there
	allowEveryone bool
	broadcast     bool
	fastTag       bool // the app has the package for pushes to one tag
}

func newGetuiAccount(ac *settings.Account) *getuiAccount {
	return &getuiAccount{appID: ac.AppID, by: getui.By(ac.Identify), allowEveryone: ac.AllowEveryone, broadcast: ac.Broadcast, fastTag: ac.FastTag}
}

// ValidUser implements dispatch.Vendor.
func (g *getuiAccount) ValidUser(id string) error { return g.by.Valid(id) }

// Probe implements dispatch.Vendor by asking for a user that need not exist: a refusal of the user shows that everything else is well.
func (g *getuiAccount) Probe(ctx context.Context, id string) dispatch.Outcome {
	_, err := getui.Send(ctx, g.client, id, getui.GetStatus{CIDs: []string{"notifier-probe"}})
	return probed(getuiOutcome(err, 1))
}

// probed judges the answer to a call about a user that need not exist.
func probed(o dispatch.Outcome) dispatch.Outcome {
	if o.Class == dispatch.ClassPermanent && !o.Invalid {
		o.Class = dispatch.ClassOK
	}
	return o
}

// Send implements dispatch.Vendor.
func (g *getuiAccount) Send(ctx context.Context, c *dispatch.Call) dispatch.Outcome {
	switch {
	case isTags(c):
		return g.sendTags(ctx, c)
	case c.Recall != nil:
		return g.stop(ctx, c)
	}
	switch c.Endpoint {
	case getui.BatchCID.Name, getui.BatchAlias.Name:
		r, err := g.batch(c)
		if err != nil {
			return getuiOutcome(err, c.Try)
		}
		return decoded(ctx, g.client, c, r)
	case getui.ListCID.Name, getui.ListAlias.Name:
		return g.sendList(ctx, c)
	case getui.SingleCID.Name, getui.SingleAlias.Name:
		r, err := g.single(c, c.Intents[0])
		if err != nil {
			return getuiOutcome(err, c.Try)
		}
		return decoded(ctx, g.client, c, r)
	}
	r, err := g.toAudience(c)
	if err != nil {
		return getuiOutcome(err, c.Try)
	}
	ans, err := getui.Send(ctx, g.client, c.ID, r)
	if err != nil {
		return getuiOutcome(err, c.Try)
	}
	task, err := r.Decode(ans)
	if err != nil {
		return getuiOutcome(err, c.Try)
	}
	o := dispatch.Outcome{Class: dispatch.ClassOK, VendorID: task}
	if c.Endpoint != getui.AppFastTag.Name { // whose lane keeps no calls on record
		o.Sender, o.MessageUID = g.appID, task // what a stop names
	}
	return o
}

// stop takes a push to an audience back, as far as it still waits at the vendor.
func (g *getuiAccount) stop(ctx context.Context, c *dispatch.Call) dispatch.Outcome {
	_, err := getui.Send(ctx, g.client, c.ID, getui.StopTask{TaskID: c.Recall.MessageUID})
	return getuiOutcome(err, c.Try)
}

// sendList stores the message and sends it. Nobody gets anything by the first: whatever goes wrong there, nothing was sent.
func (g *getuiAccount) sendList(ctx context.Context, c *dispatch.Call) dispatch.Outcome {
	p, err := g.list(c)
	if err != nil {
		return getuiOutcome(err, c.Try)
	}
	message := getui.StoreMessage{Push: p}
	ans, err := getui.Send(ctx, g.client, c.ID+"m", message)
	task := ""
	if err == nil {
		task, err = message.Decode(ans)
	}
	if err != nil {
		o := getuiOutcome(err, c.Try)
		if o.Class == dispatch.ClassRetrySafe || o.Class == dispatch.ClassUnknown {
			o.Class = dispatch.ClassNotSent
		}
		return o
	}
	return decoded(ctx, g.client, c, getui.List{By: g.by, TaskID: task, Targets: c.Users})
}

// toUsers is a request whose answer tells users apart.
type toUsers interface {
	getui.Request
	Decode(*getui.Answer) (getui.Results, error)
}

func decoded(ctx context.Context, cl getui.Caller, c *dispatch.Call, r toUsers) dispatch.Outcome {
	ans, err := getui.Send(ctx, cl, c.ID, r)
	if err != nil {
		return getuiOutcome(err, c.Try)
	}
	rs, err := r.Decode(ans)
	if err != nil {
		return getuiOutcome(err, c.Try)
	}
	o := dispatch.Outcome{Class: dispatch.ClassOK, Users: map[string]dispatch.UserOutcome{}}
	for user, res := range rs {
		u := dispatch.UserOutcome{Refused: !res.Result.Accepted(), VendorID: res.Task}
		switch res.Result {
		case getui.Ignored:
			u.Detail = "the vendor dropped it: the user was not active for 90 days, or is blocked there"
		case getui.Absent:
			u.Detail = "the vendor has no such user"
		case getui.Odd:
			u.Detail = fmt.Sprintf("the vendor's word for this user is %.40q", res.Word)
		}
		o.Users[user] = u
	}
	return o
}

// body implements vendor. Of a list push it is the message.
func (g *getuiAccount) body(c *dispatch.Call) ([]byte, string, error) {
	if isTags(c) {
		b, err := g.tagsBody(c)
		return b, "application/json", err
	}
	r, err := g.request(c)
	if err != nil {
		return nil, "", err
	}
	b, err := r.Body()
	return b, "application/json", err
}

func (g *getuiAccount) request(c *dispatch.Call) (getui.Request, error) {
	switch c.Endpoint {
	case getui.BatchCID.Name, getui.BatchAlias.Name:
		return g.batch(c)
	case getui.ListCID.Name, getui.ListAlias.Name:
		p, err := g.list(c)
		return getui.StoreMessage{Push: p}, err
	case getui.SingleCID.Name, getui.SingleAlias.Name:
		return g.single(c, c.Intents[0])
	}
	return g.toAudience(c)
}

func (g *getuiAccount) single(c *dispatch.Call, in *intent.Intent) (getui.Single, error) {
	p, err := g.push(in, c.Began)
	return getui.Single{By: g.by, Target: in.Target, Push: p}, err
}

func (g *getuiAccount) batch(c *dispatch.Call) (getui.Batch, error) {
	b := getui.Batch{By: g.by}
	for _, in := range c.Intents {
		s, err := g.single(c, in)
		if err != nil {
			return b, err
		}
		b.Items = append(b.Items, s)
	}
	return b, nil
}

// list is the message of a call whose users get one content; it is kept for as long as the first of them that expires. Its request id is the
// attempt's: nobody gets anything by it, and with that of a member the vendor would take the member's push, if it goes without a list after all,
// for one that it has had.
func (g *getuiAccount) list(c *dispatch.Call) (getui.Push, error) {
	first := *c.Intents[0]
	for _, in := range c.Intents[1:] {
		if at := in.Policy.Expire; !at.IsZero() && (first.Policy.Expire.IsZero() || at.Before(first.Policy.Expire)) {
			first.Policy.Expire = at
		}
	}
	p, err := g.push(&first, c.Began)
	p.RequestID = getui.IDsOf(g.appID, "list "+c.ID).RequestID
	if s := p.Settings; s != nil && s.TTL != nil && *s.TTL < 0 {
		s.TTL = getui.TTL(leastStored)
	}
	return p, err
}

// leastStored is how long the message of a list push is kept that is for nobody who is away: its task lives as long, and must be there when the
// users are named.
const leastStored = time.Minute

// audienceRequest is a push whose answer is a task.
type audienceRequest interface {
	getui.Request
	Decode(*getui.Answer) (string, error)
}

func (g *getuiAccount) toAudience(c *dispatch.Call) (audienceRequest, error) {
	p, err := g.push(c.Intents[0], c.Began)
	if err != nil {
		return nil, err
	}
	x, err := getui.ParseExtras(c.Content.Getui)
	if err != nil {
		return nil, err
	}
	if more, err := x.Conditions(); err != nil || len(more) > 0 && c.Endpoint != getui.AppTag.Name { // it would reach more than the rule says
		return nil, cmp.Or(err, fmt.Errorf("endpoint %s takes no conditions", c.Endpoint))
	}
	switch c.Endpoint {
	case getui.AppAll.Name:
		return getui.Everybody{AllowEveryone: g.allowEveryone, Push: p}, nil
	case getui.AppTag.Name:
		conditions, err := g.conditions(c.Audience, c.Content)
		return getui.Matching{Conditions: conditions, Push: p}, err
	case getui.AppFastTag.Name:
		return getui.FastTag{Tag: cmp.Or(slices.Concat(c.Audience.AllOf, c.Audience.AnyOf)...), Push: p}, nil
	}
	return nil, fmt.Errorf("no request for endpoint %s", c.Endpoint)
}

// maxGroupName is how much of a rule's name reports are summed up by: older clients of the vendor stop there.
const maxGroupName = 40

// push maps the neutral keys: link and data to what the app gets when the notification is tapped, image to the large picture, group to
// the thread, badge to iOS. began is the first try's: a repeat is the same to the byte, or the vendor could take it for another push.
func (g *getuiAccount) push(in *intent.Intent, began time.Time) (getui.Push, error) {
	ids := getui.IDsOf(g.appID, string(in.ID))
	c := in.Content
	title, body := getui.Fit(c.Title, getui.MaxTitle), getui.Fit(c.Body, getui.MaxText)
	click, payload := "startapp", ""
	if data := maps.Clone(c.Data); len(data) > 0 || c.Link != "" {
		if data == nil {
			data = map[string]string{}
		}
		if c.Link != "" {
			data["link"] = c.Link
		}
		b, err := json.Marshal(data)
		if err != nil {
			return getui.Push{}, fmt.Errorf("encode data: %w", err)
		}
		click, payload = "payload", string(b)
	}
	p := getui.Push{
		RequestID: ids.RequestID, GroupName: in.Rule[:min(len(in.Rule), maxGroupName)],
		Message: getui.Message{Notification: &getui.Notification{Title: title, Body: body, BigImage: c.Image, ClickType: click, Payload: payload, NotifyID: &ids.NotifyID, ThreadID: c.Group}},
		Channel: &getui.Channel{
			Android: &getui.Android{Ups: getui.Ups{Notification: &getui.UpsNotification{Title: title, Body: body, ClickType: click, Payload: payload, NotifyID: &ids.NotifyID}}},
			IOS:     &getui.IOS{Type: "notify", Payload: payload, Aps: getui.Aps{Alert: &getui.Alert{Title: title, Body: body}, ContentAvailable: new(0), ThreadID: c.Group}, CollapseID: ids.CollapseID},
		},
	}
	if c.Badge != nil {
		p.Channel.IOS.AutoBadge = strconv.Itoa(*c.Badge)
	}
	if c.Image != "" {
		p.Channel.IOS.Multimedia = []getui.Media{{URL: c.Image, Type: 1}}
	}
	if at := in.Policy.Expire; !at.IsZero() {
		p.Settings = &getui.Settings{TTL: getui.TTL(max(at.Sub(began), time.Second))}
	}
	x, err := getui.ParseExtras(c.Getui)
	if err != nil {
		return p, err
	}
	all, err := json.Marshal(appData{c.Title, c.Body, c.Link, c.Data})
	if err != nil {
		return p, fmt.Errorf("encode data: %w", err)
	}
	return p, x.Apply(&p, began, string(all))
}

// appData is what the app gets of a push that shows nothing by itself.
type appData struct {
	Title string            `json:"title,omitempty"`
	Body  string            `json:"body,omitempty"`
	Link  string            `json:"link,omitempty"`
	Data  map[string]string `json:"data,omitempty"`
}

// getuiOutcome says in the dispatcher's words what is known of a call that was not accepted. On a repeat of ours it is success that the
// vendor has seen the request before.
func getuiOutcome(err error, try int) dispatch.Outcome {
	if err == nil {
		return dispatch.Outcome{Class: dispatch.ClassOK}
	}
	if bad, ok := errors.AsType[*getui.InvalidError](err); ok {
		return dispatch.Outcome{Class: dispatch.ClassPermanent, Invalid: true, Detail: bad.Error()}
	}
	e, ok := errors.AsType[*getui.Error](err)
	if !ok {
		return dispatch.Outcome{Class: dispatch.ClassPermanent, Invalid: true, Detail: err.Error()}
	}
	o := dispatch.Outcome{Class: dispatch.Class(e.Class), Code: e.Code, Detail: e.Error(), Target: e.Target, Service: e.Service}
	o.Head, o.Foot = e.Own()
	switch {
	case e.Repeated && try > 1:
		return dispatch.Outcome{Class: dispatch.ClassOK, Code: e.Code, Detail: "the vendor had it already"}
	case e.Repeated:
		o.IDTaken, o.Detail, o.Head = true, usedBefore+": "+o.Detail, usedBefore+": "+o.Head
	case e.Class != getui.RetryLater:
	case e.Wait == getui.Moment: // it did nothing and used nothing: as if it had not left
		o.Class = dispatch.ClassNotSent
	case e.Wait == getui.NextDay:
		now := e.Date // its day ends by its clock
		if now.IsZero() {
			now = time.Now()
		}
		o.Wait = untilMidnight(now)
		o.Alone = e.Code == codeListDay
	default:
		o.Wait = max(time.Minute, e.RetryAfter)
		o.Alone = e.Code == codeListMinute
	}
	return o
}

// usedBefore says what it means that the first try of a push is one too many: its id is made of the place of its event, so that place is there
// twice, and this push was not sent.
const usedBefore = "not sent: the vendor has had another push under this request_id; an event topic was made anew and counts from 0, or another installation with topics of these names sends to the same app"

// The limits of list pushes alone: other pushes to users go on.
const (
	codeListDay    = 30008
	codeListMinute = 30015
)

// getuiDay is where the vendor's days begin.
var getuiDay = time.FixedZone("Asia/Shanghai", 8*3600)

// untilMidnight is how long the vendor's day still lasts, and a minute for clocks that differ.
func untilMidnight(now time.Time) time.Duration {
	y, m, d := now.In(getuiDay).Date()
	return time.Date(y, m, d+1, 0, 1, 0, 0, getuiDay).Sub(now)
}

// The lanes of Getui.
const (
	laneGetuiPush    = "push"
	laneGetuiApp     = "app"
	laneGetuiFastTag = "app-fast-tag"
)

// dayOfLists names what list pushes may use of a day (getui.md 9: list_message, list_cid and list_alias together).
const dayOfLists = "list"

// repeatWithin is how long after the first try a push may be made again under its request id: far below what the vendor can be expected to
// remember ids for.
const repeatWithin = 10 * time.Minute

// leastEqual is from how many equal texts on a list push is worth its two calls (getui.md 14.9).
const leastEqual = 10

// mostEqual is how many users a list push names at most, of the vendor's 1000: if its outcome stays unknown the ledger keeps the fates of all
// of them in one record, and 400 times 2 KiB are below a broker's limit of 1 MB.
const mostEqual = 400

// mostDevices is how many an alias has at most.
const mostDevices = 10

// mostByAlias is how many users by alias a change of tags takes: their devices must fit into one call.
const mostByAlias = getui.MaxTagCIDs / mostDevices

// getuiLanes is the lane table of Getui: its numbers are the vendor's (getui.Endpoint.Limits), or the account's own. Pushes to users share one
// lane, whose rate is the requests a second of single pushes; a batch and a list push count for as many of them as are made in the time of one.
// A list push cannot be repeated, so only marketing goes by it. By alias there is no batch: its answer does not tell who was not reached.
//
// All changes of tags share one lane: the vendor's pages and its code table give different numbers a minute, and do not say whether
// replacements count; so all count, under the smaller number. Replacing is for users by cid, who are one device each.
func getuiLanes(ac *settings.Account) map[string]dispatch.Policy {
	byCID := ac.Identify == string(getui.ByCID)
	single, list := getui.SingleAlias, getui.ListAlias
	if byCID {
		single, list = getui.SingleCID, getui.ListCID
	}
	day := func(own int, ep getui.Endpoint) quota.Limit {
		return quota.Limit{N: cmp.Or(own, ep.Limits().Per("day")), Day: true, Zone: getuiDay}
	}
	minute := func(own int, ep getui.Endpoint) quota.Limit {
		return quota.Limit{N: cmp.Or(own, ep.Limits().Per("minute")), Window: time.Minute}
	}
	rate := cmp.Or(ac.Quota.Pushes, single.Limits().PerSecond)
	forms := []dispatch.Form{{Endpoint: list.Name, Least: leastEqual, Most: min(mostEqual, list.Limits().MaxBatch), Class: "marketing",
		Weight: max(1, rate/list.Limits().PerSecond), Day: day(ac.Quota.Lists, list), DayName: dayOfLists, Tries: tries(list)}}
	if batch := getui.BatchCID; byCID {
		forms = append(forms, dispatch.Form{Endpoint: batch.Name, Least: 2, Most: batch.Limits().MaxBatch, Mixed: true, Weight: max(1, rate/batch.Limits().PerSecond), Tries: tries(batch)})
	}
	forms = append(forms, dispatch.Form{Endpoint: single.Name, Least: 1, Most: 1, Tries: tries(single)})
	tags := dispatch.Policy{
		Limits:   []quota.Limit{minute(ac.Quota.TagMinute, getui.TagAdd), day(ac.Quota.TagDay, getui.TagAdd)},
		Endpoint: tagAdd, Remove: tagRemove, MaxBatch: mostByAlias, Parallel: 1, Repeatable: true, Late: late,
	}
	// The reads of a day, spread over it; that is far below those of a minute. An alias has up to 10 devices, each read by itself.
	const often = 10 * time.Minute
	reads := dispatch.Policy{Rate: getui.TagGet.Limits().Per("day") * int(often/time.Minute) / (24 * 60), Window: often, MaxBatch: 1, Parallel: 2, Repeatable: true, Late: late}
	if byCID {
		tags.MaxBatch, tags.Replace, tags.PerUser = getui.TagAdd.Limits().MaxBatch, tagSet, quota.Limit{N: getui.TagSet.Limits().Per("day per cid"), Day: true, Zone: getuiDay}
	} else {
		reads.Rate /= mostDevices
	}
	return map[string]dispatch.Policy{
		dispatch.LaneTag: tags, dispatch.LaneTagGet: reads,
		laneGetuiPush: {Rate: rate, MaxBatch: 1, Forms: forms, Parallel: 16, Within: repeatWithin, Late: late},
		laneGetuiApp: {Limits: []quota.Limit{minute(ac.Quota.Minute, getui.AppAll), day(ac.Quota.Day, getui.AppAll)}, MaxBatch: 1, Parallel: 1, Tries: tries(getui.AppAll),
			Within: repeatWithin, Late: lateScarce, Audiences: true},
		// Stops have no limit in the vendor's pages. With one they are kept on record, as other vendors' recalls are.
		dispatch.LaneRecall: {Limits: []quota.Limit{{N: 60 * getui.TaskStop.Limits().PerSecond, Window: time.Minute}}, MaxBatch: 1, Parallel: 1, Late: late, Endpoint: getui.TaskStop.Name},
		// The package's own limits are not published: a call a second is far above a rule's need.
		laneGetuiFastTag: {Rate: getui.AppFastTag.Limits().PerSecond, MaxBatch: 1, Parallel: 1, Tries: tries(getui.AppFastTag), Within: repeatWithin, Late: late, Audiences: true},
	}
}

// tries is how often a push is made in all while its outcome is unclear.
func tries(ep getui.Endpoint) int {
	return map[string]int{"yes": 3, "once": 2}[ep.Limits().ResendSafe]
}
