package sandbox

import (
	"regexp"
	"strconv"
	"strings"
)

// clickTypes are what a tap may do.
var clickTypes = []string{"intent", "url", "payload", "payload_custom", "startapp", "none"}

const (
	maxPayload  = 3072
	maxNotifyID = 1<<31 - 1
)

// readPushMessage is section 7.1.
func readPushMessage(k *fieldCheck, m map[string]any, msg *message) {
	k.integer(m, "network_type", 0, 1, false)
	if text := k.text(m, "duration", 0, false); m["duration"] != nil && !longEnough(text) {
		k.fail("duration is invalid")
	}
	exactlyOne(k, "push_message", m, "notification", "transmission", "revoke")
	out := msg.content
	if n := k.object(m, "notification", false); n != nil {
		out.Kind = "notification"
		readNotification(k, n)
		out.Title, out.Body = stringOf(n, "title"), stringOf(n, "body")
		if id, is := integerOf(n["notify_id"]); is {
			out.NotifyID = &id
		}
	}
	if m["transmission"] != nil {
		out.Kind = "transmission"
		out.Transmission = k.text(m, "transmission", maxPayload, true)
	}
	if r := k.object(m, "revoke", false); r != nil {
		out.Kind = "revoke"
		msg.forced = readRevoke(k, r)
	}
}

// exactlyOne wants one of the kinds of content.
func exactlyOne(k *fieldCheck, in string, m map[string]any, names ...string) {
	n := 0
	for _, name := range names {
		if m[name] != nil {
			n++
		}
	}
	if n != 1 {
		k.fail(in + ": choose one of " + strings.Join(names, " and "))
	}
}

func readRevoke(k *fieldCheck, m map[string]any) (forced bool) {
	k.text(m, "old_task_id", 0, true)
	return k.flag(m, "force")
}

// longEnough reads "startMs-endMs": the two must differ by more than ten minutes.
func longEnough(text string) bool {
	from, to, both := strings.Cut(text, "-")
	start, err := strconv.ParseInt(from, 10, 64)
	end, err2 := strconv.ParseInt(to, 10, 64)
	return both && err == nil && err2 == nil && start >= 0 && end-start > 10*minute
}

// readNotification is section 7.2, lengths in characters.
func readNotification(k *fieldCheck, m map[string]any) {
	k.text(m, "title", 50, true)
	k.text(m, "body", 256, true)
	k.text(m, "big_text", 512, false)
	k.text(m, "big_image", 1024, false)
	if m["big_text"] != nil && m["big_image"] != nil {
		k.fail("big_text and big_image cannot both be set")
	}
	k.text(m, "logo", 64, false)
	k.text(m, "logo_url", 256, false)
	k.text(m, "channel_id", 64, false)
	k.text(m, "channel_name", 64, false)
	k.integer(m, "channel_level", 0, 4, false)
	readClick(k, m, clickTypes...)
	k.integer(m, "notify_id", 0, maxNotifyID, false)
	k.text(m, "ring_name", 0, false)
	k.integer(m, "badge_add_num", 1, 1<<31-1, false)
	k.text(m, "thread_id", 0, false)
	if n := k.integer(m, "redisplay_freq", 0, 3, false); n == 1 {
		k.fail("redisplay_freq is invalid")
	}
	k.integer(m, "redisplay_duration", 0, 24, false)
}

// readClick checks what a tap does: the field of that kind is required.
func readClick(k *fieldCheck, m map[string]any, types ...string) {
	click := k.choice(m, "click_type", true, types...)
	k.text(m, "intent", 4096, click == "intent")
	k.text(m, "url", 1024, click == "url")
	k.text(m, "payload", maxPayload, click == "payload" || click == "payload_custom")
	k.text(m, "want", 4096, click == "want")
}

// readPushChannel is section 7.3.
func readPushChannel(k *fieldCheck, m map[string]any, msg *message) {
	if ups := k.object(k.object(m, "android", false), "ups", false); ups != nil {
		exactlyOne(k, "ups", ups, "notification", "transmission", "revoke")
		if n := k.object(ups, "notification", false); n != nil {
			k.text(n, "title", 50, true)
			k.text(n, "body", 256, true)
			readClick(k, n, clickTypes...)
			k.integer(n, "notify_id", 0, maxNotifyID, false)
		}
		k.text(ups, "transmission", maxPayload, false)
		if r := k.object(ups, "revoke", false); r != nil {
			msg.forced = readRevoke(k, r) || msg.forced
		}
		readOptions(k, ups)
	}
	ios := k.object(m, "ios", false)
	readIOS(k, ios)
	msg.content.CollapseID = stringOf(ios, "apns-collapse-id")
	readHarmony(k, k.object(m, "harmony", false))
}

// showing says whether a push object shows something and whether a later message can
// replace it on every kind of device: by notify_id wherever there is a notification,
// at Apple by apns-collapse-id.
func showing(m map[string]any) (visible, overlay bool) {
	channel := objectOf(m, "push_channel")
	overlay = true
	for _, in := range []map[string]any{objectOf(m, "push_message"), objectOf(objectOf(channel, "android"), "ups"), objectOf(channel, "harmony")} {
		if n := objectOf(in, "notification"); n != nil {
			visible = true
			overlay = overlay && n["notify_id"] != nil
		}
	}
	ios := objectOf(channel, "ios")
	visible = visible || objectOf(ios, "aps")["alert"] != nil
	return visible, overlay && stringOf(ios, "apns-collapse-id") != ""
}

// readOptions wants a map of maker to options.
func readOptions(k *fieldCheck, m map[string]any) {
	options := k.object(m, "options", false)
	for _, maker := range sortedKeys(options) {
		if _, is := options[maker].(map[string]any); !is {
			k.fail("options type error")
		}
	}
}

var badges = regexp.MustCompile(`^[+-]?[0-9]+$`)

func readIOS(k *fieldCheck, m map[string]any) {
	k.choice(m, "type", false, "notify", "voip", "liveactivity")
	aps := k.object(m, "aps", false)
	k.object(aps, "alert", false)
	k.integer(aps, "content-available", 0, 1, false)
	for _, name := range []string{"sound", "category", "thread-id", "event"} {
		k.text(aps, name, 0, false)
	}
	if text := k.text(m, "auto_badge", 0, false); text != "" && !badges.MatchString(text) {
		k.fail("auto_badge is invalid")
	}
	k.text(m, "payload", 0, false)
	if m["multimedia"] != nil {
		for _, x := range k.list(m, "multimedia", 3, false) {
			media, is := x.(map[string]any)
			if !is {
				k.fail("multimedia type error")
			}
			k.text(media, "url", 0, true)
			k.integer(media, "type", 1, 3, true)
			k.flag(media, "only_wifi")
		}
	}
	k.text(m, "apns-collapse-id", 64, false)
}

func readHarmony(k *fieldCheck, m map[string]any) {
	if m == nil {
		return
	}
	exactlyOne(k, "harmony", m, "notification", "transmission", "custom", "revoke")
	if n := k.object(m, "notification", false); n != nil {
		k.text(n, "title", 50, true)
		k.text(n, "body", 256, true)
		k.text(n, "category", 50, false)
		readClick(k, n, "want", "startapp", "payload")
		k.integer(n, "notify_id", 0, maxNotifyID, false)
	}
	k.text(m, "transmission", maxPayload, false)
	if r := k.object(m, "revoke", false); r != nil {
		readRevoke(k, r)
	}
	readOptions(k, m)
}
