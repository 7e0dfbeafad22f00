package sandbox

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// endpoint is one row of the vendor's API (section 4).
type endpoint struct {
	lane       string   // the daemon's word for its quota, for faults by lane
	bucket     bucketID // whose limit counts the call (section 6)
	form       bool     // the one accepted body: form, else JSON
	service    string   // the service switch it needs, or ""
	repeatable bool     // executing it twice does no harm
	receivers  string   // the body field that lists receivers: they are its weight; "" = weight 1
	check      check
	run        func(x *execution)
}

// execution is a checked call while it changes the vendor's state; run fills answer
// and what the journal tells.
type execution struct {
	path  string
	world *world
	app   *app
	body  map[string]any

	answer     reply
	effective  *Effective
	matched    []string
	rendered   map[string]Rendered
	recalls    int64
	deliveries int
}

// endpoints is E1 to E11 by path.
var endpoints = map[string]*endpoint{
	"/user/tag/set.json": { // E1
		lane: "tag", bucket: tagSetBucket, repeatable: true,
		check: object(
			req("userId", userID),
			req("tags", list(0, 20, tag)),
		),
		run: func(x *execution) { x.setTags([]string{stringOf(x.body, "userId")}) },
	},
	"/user/tag/batch/set.json": { // E2
		lane: "tag-batch", bucket: tagBatchBucket, repeatable: true,
		check: object(
			req("userIds", list(1, 1000, userID)),
			req("tags", list(0, 20, tag)),
		),
		run: func(x *execution) { x.setTags(stringsOf(x.body, "userIds")) },
	},
	"/user/tags/get.json": { // E3
		lane: "tag-get", bucket: tagGetBucket, form: true, repeatable: true,
		check: object(req("userIds", list(1, 50, userID))),
		run:   (*execution).getTags,
	},
	"/push.json": { // E4
		lane: "broadcast", bucket: pushBucket, service: "broadcast",
		check: pushJSON,
		run:   (*execution).pushToAudience,
	},
	"/message/broadcast.json": { // E5
		lane: "broadcast", bucket: broadcastBucket, form: true, service: "broadcast",
		check: both(object(
			req("fromUserId", userID),
			req("objectName", objectName),
			req("content", content),
			opt("pushContent", anyText),
			opt("pushData", anyText),
			opt("pushExt", jsonText(pushExt)),
			opt("contentAvailable", digitFlag),
			opt("disableUpdateLastMsg", boolWord),
			opt("msgRandom", formMsgRandom),
		), messageFields),
		run: func(x *execution) { x.broadcast("all") },
	},
	"/message/online/broadcast.json": { // E6
		lane: "online", bucket: onlineBucket, form: true, service: "broadcast",
		check: both(object(
			req("fromUserId", userID),
			req("objectName", objectName),
			req("content", content),
			opt("disableUpdateLastMsg", boolWord),
			opt("msgRandom", formMsgRandom),
		), messageFields),
		run: func(x *execution) { x.broadcast("online") },
	},
	"/push/user.json": { // E7
		lane: "user", bucket: userBucket, receivers: "userIds",
		check: object(
			req("userIds", list(1, 100, userID)),
			req("notification", userNotification),
		),
		run: func(x *execution) {
			x.toUsers(stringsOf(x.body, "userIds"))
			x.answer.ID = x.world.newID()
		},
	},
	"/message/system/publish.json": { // E8
		lane: "user", bucket: messageBucket, form: true, receivers: "toUserId",
		check: both(object(
			req("fromUserId", userID),
			req("toUserId", list(1, 100, userID)),
			req("objectName", objectName),
			req("content", content),
			opt("pushContent", anyText),
			opt("pushData", anyText),
			opt("pushExt", jsonText(pushExt)),
			opt("count", matching(`^[0-9]+$`, "digits")),
			opt("isPersisted", digitFlag),
			opt("isCounted", digitFlag),
			opt("contentAvailable", digitFlag),
			opt("disablePush", boolWord),
			opt("disableUpdateLastMsg", boolWord),
			opt("msgRandom", formMsgRandom),
		), messageFields),
		run: func(x *execution) {
			x.toUsers(stringsOf(x.body, "toUserId"))
			x.answerMessageUIDs()
		},
	},
	"/message/system/publish_template.json": { // E9
		lane: "user", bucket: messageBucket, receivers: "toUserId",
		check: both(object(
			req("fromUserId", userID),
			req("toUserId", list(1, 100, userID)),
			req("objectName", objectName),
			req("content", content),
			req("values", list(0, 0, stringMap)),
			req("pushContent", list(0, 0, anyText)),
			opt("pushData", list(0, 0, anyText)),
			opt("pushExt", list(0, 0, jsonText(pushExt))),
			opt("contentAvailable", flag),
			opt("disablePush", boolean),
			opt("disableUpdateLastMsg", boolean),
			opt("verifyBlacklist", flag),
			opt("msgRandom", integer(1<<63-1)),
		), templateFields),
		run: func(x *execution) {
			x.toUsers(stringsOf(x.body, "toUserId"))
			x.rendered = render(x.body)
			x.answerMessageUIDs()
		},
	},
	"/message/broadcast/recall.json": { // E10
		lane: "recall", bucket: recallBucket, form: true, service: "broadcast",
		check: object(
			req("fromUserId", userID),
			req("messageUID", someText),
			req("sentTime", matching(`^[0-9]{12,13}$`, "a time in milliseconds, 13 digits")), // A-24; 12 before September 2001
			opt("isAdmin", digitFlag),
			opt("isDelete", digitFlag),
			opt("extra", anyText),
			opt("disableUpdateLastMsg", boolWord),
		),
		run: (*execution).recall,
	},
	"/push/custom.json": { // E11
		lane: "push-plus", bucket: plusBucket, service: "push_plus",
		check: both(object(
			opt("platform", platforms),
			req("audience", plusAudience),
			req("notification", notification),
		), target),
		run: (*execution).pushToAudience,
	},
}

var (
	formMsgRandom = matching(`^[0-9]{1,19}$`, "1 to 19 digits")

	// The two products behind /push.json; strict wants the notification in the
	// push-only one, and takes it as optional beside a message.
	pushOnly        = object(opt("platform", platforms), req("audience", audience), req("notification", notification))
	pushOnlyLenient = object(opt("platform", platforms), req("audience", audience), opt("notification", notification))
	pushMessage     = object(
		opt("platform", platforms),
		req("fromuserid", userID),
		req("audience", audience),
		req("message", both(object(
			req("content", content),
			req("objectName", objectName),
			opt("disableUpdateLastMsg", boolean),
		), messageFields)),
		opt("notification", notification),
	)
)

// pushJSON tells the two products of E4 apart by the fields that only the message
// variant has, then checks the target.
func pushJSON(lenient bool, at string, v any) *refusal {
	m, _ := v.(map[string]any)
	_, from := m["fromuserid"]
	_, message := m["message"]
	variant := pushOnly
	switch {
	case from || message:
		variant = pushMessage
	case lenient:
		variant = pushOnlyLenient
	}
	return both(variant, target)(lenient, at, v)
}

// templateFields: values, pushContent and pushData stand one to one beside
// toUserId, and what a receiver would get must be a valid message.
func templateFields(_ bool, _ string, v any) *refusal {
	m, _ := v.(map[string]any)
	users := stringsOf(m, "toUserId")
	for _, name := range []string{"values", "pushContent", "pushData"} {
		items, present := m[name].([]any)
		if present && len(items) != len(users) {
			return wrong(name, "has %d items beside %d receivers in toUserId", len(items), len(users))
		}
	}
	name := stringOf(m, "objectName")
	if r := messageType("objectName", name); r != nil {
		return r
	}
	for i := range users {
		at := fmt.Sprintf("content for toUserId[%d]", i)
		if r := messageContent(at, name, fill(m, i, stringOf(m, "content"))); r != nil {
			return r
		}
	}
	return nil
}

// fill replaces the placeholders of receiver i, braces included in the keys, in
// plain text: nothing is escaped. Keys go in order, so the result is one.
func fill(m map[string]any, i int, text string) string {
	values, _ := m["values"].([]any)
	if i >= len(values) {
		return text
	}
	of, _ := values[i].(map[string]any)
	for _, key := range sortedKeys(of) {
		if key != "" {
			text = strings.ReplaceAll(text, key, stringOf(of, key))
		}
	}
	return text
}

// Rendered is what one receiver of a template gets.
type Rendered struct {
	Content string `json:"content"` // the "content" of the message if it has one, else the whole JSON text
	Push    string `json:"push"`
}

func render(body map[string]any) map[string]Rendered {
	out := map[string]Rendered{}
	push := stringsOf(body, "pushContent")
	for i, user := range stringsOf(body, "toUserId") {
		r := Rendered{Content: fill(body, i, stringOf(body, "content")), Push: fill(body, i, push[i])}
		var message struct{ Content *string }
		if json.Unmarshal([]byte(r.Content), &message) == nil && message.Content != nil {
			r.Content = *message.Content
		}
		out[user] = r
	}
	return out
}

// setTags replaces the whole set of each user; an empty one is remembered as such.
func (x *execution) setTags(users []string) {
	tags := []string{}
	for _, t := range stringsOf(x.body, "tags") {
		if !slices.Contains(tags, t) {
			tags = append(tags, t)
		}
	}
	for _, u := range users {
		x.app.tags[u] = tags
	}
}

func (x *execution) getTags() {
	x.answer.Result = map[string][]string{}
	for _, u := range stringsOf(x.body, "userIds") {
		x.answer.Result[u] = append([]string{}, x.app.tags[u]...)
	}
}

func (x *execution) pushToAudience() {
	e, _ := resolve(x.body)
	x.effective, x.deliveries = &e, max(1, len(e.Users))
	x.answer.ID = x.world.newID()
	if e.Mode == "filter" {
		x.matched = matched(x.app.tags, objectOf(x.body, "audience"))
	}
	if _, message := x.body["message"]; message {
		x.answer.MessageUID = x.newMessageUID(true)
	}
}

func (x *execution) broadcast(mode string) {
	x.effective, x.deliveries = &Effective{Mode: mode}, 1
	x.answer.MessageUID = x.newMessageUID(mode == "all") // an online broadcast cannot be recalled (E6)
}

// newMessageUID remembers what was sent under the id, for E10.
func (x *execution) newMessageUID(recallable bool) string {
	id := x.world.newID()
	x.app.sent.put(id, sent{x.world.journal.last + 1, x.path, *x.effective, recallable})
	return id
}

// recall takes back the audience that the message had, so the journal shows it and
// the entry of the message. A messageUID from elsewhere is accepted without effect:
// the console and other programs send as well.
func (x *execution) recall() {
	if m, known := x.app.sent.get(stringOf(x.body, "messageUID")); known {
		x.effective, x.recalls = &m.effective, m.seq
	}
}

func (x *execution) toUsers(users []string) {
	x.effective, x.deliveries = &Effective{Mode: "users", Users: users}, len(users)
}

func (x *execution) answerMessageUIDs() {
	for _, u := range x.effective.Users {
		x.answer.MessageUIDs = append(x.answer.MessageUIDs, messageUID{u, x.newMessageUID(false)})
	}
}

// knownLanes are the lanes that a fault of the vendor, "" = either, may name.
func knownLanes(vendor string) []string {
	lanes := map[string]bool{}
	if vendor != vendorGetui {
		for _, e := range endpoints {
			lanes[e.lane] = true
		}
	}
	if vendor != vendorRongCloud {
		for _, r := range getuiRoutes {
			lanes[r.lane] = true
		}
	}
	return slices.Sorted(maps.Keys(lanes))
}
