package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/quota"
	"github.com/notifier/notifier/internal/rongcloud"
	"github.com/notifier/notifier/internal/rongpush"
)

// rongAccount is one RongCloud App Key as the dispatcher's Vendor: design.md 4's column for this vendor, and what the neutral
// keys of a rule become there.
type rongAccount struct {
	client        *rongcloud.Client
	sender        string   // fromUserId of messages
	platforms     []string // of audiences
	allowEveryone bool
	broadcast     bool // the account has the broadcast service
	pushPlus      bool // the account has Push Plus
	split         bool // message broadcasts have a budget of their own
}

// ValidUser implements dispatch.Vendor.
func (r *rongAccount) ValidUser(id string) error { return rongpush.ValidUserID(id) }

// ReadTags implements dispatch.Vendor.
func (r *rongAccount) ReadTags(ctx context.Context, id string, users []string) (map[string][]string, dispatch.Outcome) {
	req := rongpush.GetTags{Users: users}
	ans, err := rongpush.Send(ctx, r.client, id, req)
	if err != nil {
		return nil, outcome(nil, err)
	}
	tags, err := req.Decode(ans.Body)
	if err != nil { // the same question would be answered in the same way for ever: it is asked of halves, then given up
		return nil, dispatch.Outcome{Class: dispatch.ClassPermanent, Detail: err.Error()}
	}
	return tags, outcome(ans, nil)
}

// Probe implements dispatch.Vendor by reading the tags of a user that need not exist. A refusal for the frequency of reads, or because the
// account has no tags, comes behind the check of the key (rongcloud.md 9): the vendor answers, and knows us.
func (r *rongAccount) Probe(ctx context.Context, id string) dispatch.Outcome {
	_, err := rongpush.Send(ctx, r.client, id, rongpush.GetTags{Users: []string{"notifier-probe"}})
	o := outcome(nil, err)
	if slices.Contains([]int{1007, 1008, 1009}, o.Code) {
		o.Class = dispatch.ClassOK
	}
	return o
}

// Send implements dispatch.Vendor.
func (r *rongAccount) Send(ctx context.Context, c *dispatch.Call) dispatch.Outcome {
	if m := c.Recall; m != nil {
		o := outcome(rongpush.Send(ctx, r.client, c.ID, rongpush.RecallBroadcast{From: m.Sender, MessageUID: m.MessageUID, SentTime: m.SentAt}))
		o.Wait = 0
		return o
	}
	req, err := r.request(c)
	if err != nil {
		return dispatch.Outcome{Class: dispatch.ClassPermanent, Invalid: true, Detail: err.Error()}
	}
	o := outcome(rongpush.Send(ctx, r.client, c.ID, req))
	if c.Endpoint == rongpush.Push.Path || c.Endpoint == rongpush.BroadcastMessage.Path {
		o.Wait = 0 // a scarce lane whose books are free waits for the hour or the day, which is longer: somebody else took its slots
	}
	if c.Content != nil && c.Content.Message != nil {
		o.Sender = r.from(c.Content.Message)
	}
	return o
}

// body implements vendor.
func (r *rongAccount) body(c *dispatch.Call) ([]byte, string, error) {
	req, err := r.request(c)
	if err != nil {
		return nil, "", err
	}
	return req.Body()
}

// request builds the vendor's request of a call.
func (r *rongAccount) request(c *dispatch.Call) (rongpush.Request, error) {
	switch c.Endpoint {
	case rongpush.TagSet.Path:
		return rongpush.SetTags{User: c.Users[0], Tags: c.Tags}, nil
	case rongpush.TagBatchSet.Path:
		return rongpush.BatchSetTags{Users: c.Users, Tags: c.Tags}, nil
	}
	n, err := r.notification(c.Content)
	if err != nil {
		return nil, err
	}
	if c.Endpoint == rongpush.PushUser.Path {
		return rongpush.PushUsers{Users: c.Users, Notification: n}, nil
	}
	if c.Endpoint == rongpush.Push.Path || c.Endpoint == rongpush.PushCustom.Path {
		return r.toAudience(c, n)
	}
	m, err := r.message(c.Content.Message)
	if err != nil {
		return nil, err
	}
	from := r.from(c.Content.Message)
	if c.Endpoint == rongpush.OnlineMessage.Path {
		return rongpush.OnlineBroadcast{Intent: c.First, From: from, AllowEveryone: r.allowEveryone, Message: m}, nil
	}
	ext, err := pushExt(n)
	if err != nil {
		return nil, err
	}
	switch c.Endpoint {
	case rongpush.SystemPublish.Path:
		return rongpush.SystemMessage{Intent: c.First, From: from, Users: c.Users, Message: m, PushContent: n.Text, PushExt: ext}, nil
	case rongpush.BroadcastMessage.Path:
		return rongpush.MessageBroadcast{Intent: c.First, From: from, AllowEveryone: r.allowEveryone, Message: m, PushContent: n.Text, PushExt: ext}, nil
	}
	return nil, fmt.Errorf("no request for endpoint %s", c.Endpoint)
}

// toAudience builds what carries an audience in JSON: /push.json, with a message or without, and /push/custom.json.
func (r *rongAccount) toAudience(c *dispatch.Call, n rongpush.Notification) (rongpush.Request, error) {
	to, err := audience(c.Audience)
	if err != nil {
		return nil, err
	}
	platforms := r.platforms
	if len(c.Content.Platforms) > 0 { // the account's may have become fewer since the rule was loaded
		platforms = slices.DeleteFunc(slices.Clone(c.Content.Platforms), func(p string) bool { return !slices.Contains(r.platforms, p) })
	}
	if c.Endpoint == rongpush.PushCustom.Path {
		return rongpush.CustomPush{AllowPushPlus: r.pushPlus, Audience: to, AllowEveryone: r.allowEveryone, Platforms: platforms, Notification: n}, nil
	}
	b := rongpush.Broadcast{Audience: to, AllowEveryone: r.allowEveryone, Platforms: platforms, Notification: n}
	if c.Content.Message != nil {
		m, err := r.message(c.Content.Message)
		if err != nil {
			return nil, err
		}
		b.From, b.Message = r.from(c.Content.Message), &m
	}
	return b, nil
}

func (r *rongAccount) message(m *intent.Message) (rongpush.Message, error) {
	return rongpush.NewMessage(m.Type, m.Content, m.Extra)
}

func (r *rongAccount) from(m *intent.Message) string {
	if m.From != "" {
		return m.From
	}
	return r.sender
}

// pushExt is what of a notification a message endpoint can carry. link and data travel in the message's own content or extra,
// which the rule writes, so the app's extras are left out here.
func pushExt(n rongpush.Notification) (*rongpush.PushExt, error) {
	if n.IOS != nil {
		ios := *n.IOS
		ios.Extras, ios.Badge = nil, nil
		n.IOS = &ios
	}
	if n.Android != nil {
		android := *n.Android
		android.Extras = nil
		n.Android = &android
	}
	if n.HarmonyOS != nil {
		harmony := *n.HarmonyOS
		harmony.Extras = nil
		n.HarmonyOS = &harmony
	}
	return n.PushExt()
}

// notification maps the neutral keys: link and data to the extras of each platform, image to the vendors that show one, group to
// the iOS thread, badge to iOS; the rule's own rongcloud block wins. HarmonyOS has a node only where the account lists it; its node
// has no place for group and badge.
func (r *rongAccount) notification(c *intent.Content) (rongpush.Notification, error) {
	n := rongpush.Notification{Title: c.Title, Text: c.Body}
	extras := maps.Clone(c.Data)
	if c.Link != "" {
		if extras == nil {
			extras = map[string]string{}
		}
		extras["link"] = c.Link
	}
	if extras != nil || c.Badge != nil || c.Group != "" || c.Image != "" {
		n.IOS = &rongpush.IOS{Badge: c.Badge, ThreadID: c.Group, RichMediaURI: c.Image, Extras: extras}
	}
	if extras != nil || c.Image != "" {
		n.Android = &rongpush.Android{Extras: extras}
		if c.Image != "" {
			n.Android.HW = &rongpush.Huawei{Image: c.Image}
			n.Android.Honor = &rongpush.Honor{Image: c.Image}
			n.Android.FCM = &rongpush.FCM{ImageURL: c.Image}
		}
		if slices.Contains(r.platforms, "harmonyos") {
			n.HarmonyOS = &rongpush.HarmonyOS{Extras: extras}
			if c.Image != "" {
				n.HarmonyOS.OHOS = &rongpush.OHOS{Image: c.Image}
			}
		}
	}
	x, err := rongpush.ParseExtras(c.RongCloud)
	if err != nil {
		return n, err
	}
	return x.Apply(n), nil
}

// outcome says in the dispatcher's words what is known of a call.
func outcome(ans *rongcloud.Answer, err error) dispatch.Outcome {
	if err == nil {
		o := dispatch.Outcome{Class: dispatch.ClassOK, Code: 200}
		if ans != nil {
			rc := rongpush.ParseReceipt(ans.Body)
			o.MessageUID = rc.MessageUID
			if o.VendorID = rc.ID; o.VendorID == "" {
				o.VendorID = rc.MessageUID
			}
		}
		return o
	}
	if inv, ok := errors.AsType[*rongpush.InvalidError](err); ok {
		return dispatch.Outcome{Class: dispatch.ClassPermanent, Invalid: true, Detail: inv.Error()}
	}
	if re, ok := errors.AsType[*rongcloud.Error](err); ok {
		head, foot := re.Own()
		return dispatch.Outcome{Class: dispatch.Class(re.Class), Code: re.Code, Detail: re.Error(), Head: head, Foot: foot, Service: re.Code == 1007 || re.Code == 1009 || re.Code == 404, Wait: re.RetryAfter}
	}
	return dispatch.Outcome{Class: dispatch.ClassUnknown, Detail: err.Error()}
}

// rongQuota is an account's broadcast quota.
type rongQuota struct {
	Hour, Day int
	Rolling   bool // the day as a rolling 24 h: stricter
	Zones     []*time.Location
	Split     bool // /message/broadcast.json has a budget of its own
}

// rongLanes is the lane table of RongCloud (rongcloud.md 6).
func rongLanes(q rongQuota, late time.Duration) map[string]dispatch.Policy {
	scarce := func(hour, day int) []quota.Limit {
		limits := []quota.Limit{{N: hour, Window: time.Hour}}
		if q.Rolling {
			return append(limits, quota.Limit{N: day, Window: 24 * time.Hour})
		}
		for _, z := range q.Zones {
			limits = append(limits, quota.Limit{N: day, Day: true, Zone: z})
		}
		return limits
	}
	lanes := map[string]dispatch.Policy{ // of the hundred reads a second five are left for probes and `doctor`, which no window of ours counts
		dispatch.LaneTag:      {Rate: 100, Stated: true, MaxBatch: 1, Parallel: 32, Repeatable: true, Late: late, Endpoint: rongpush.TagSet.Path},
		dispatch.LaneTagBatch: {Rate: 10, Stated: true, MaxBatch: rongpush.MaxBatchUsers, Parallel: 4, Repeatable: true, Late: late, Endpoint: rongpush.TagBatchSet.Path},
		dispatch.LaneTagGet:   {Rate: 95, Stated: true, MaxBatch: rongpush.MaxGetUsers, Parallel: 4, Repeatable: true, Late: late},
		"user":                {Rate: 100, Stated: true, MaxBatch: rongpush.MaxPushUsers, Parallel: 16, Late: late},
		laneBroadcast:         {Limits: scarce(q.Hour, q.Day), MaxBatch: 1, Parallel: 1, Late: lateScarce, Audiences: true, Also: []dispatch.Counted{{Lane: laneBroadcastMessage}}},
		dispatch.LaneRecall:   {Limits: scarce(2, 3), MaxBatch: 1, Parallel: 1, Late: lateScarce, Endpoint: rongpush.BroadcastRecall.Path}, // its own line in the vendor's table
		// Push Plus has no documented limit: a call a second is far below its product's purpose and far above a rule's need.
		"push-plus": {Rate: 1, MaxBatch: 1, Parallel: 1, Late: late, Audiences: true},
		"online":    {Rate: 60, Stated: true, Window: 62 * time.Second, MaxBatch: 1, Parallel: 1, Late: late, Audiences: true},
	}
	if q.Split { // what a message used while the budget was one counts in its own, and stays counted in the other
		b := lanes[laneBroadcast]
		b.Also = []dispatch.Counted{{Lane: laneBroadcast, Endpoint: rongpush.BroadcastMessage.Path}}
		lanes[laneBroadcastMessage] = b
		b.Also = nil
		lanes[laneBroadcast] = b
	}
	return lanes
}

// The lanes of broadcasts: one, or with quota.broadcast.shared: false a second for /message/broadcast.json.
const (
	laneBroadcast        = "broadcast"
	laneBroadcastMessage = "broadcast-message"
)

// How long an ambiguous call may still arrive (design.md 3.5).
const (
	late       = 60 * time.Second
	lateScarce = 5 * time.Minute
)
