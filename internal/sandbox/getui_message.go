package sandbox

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"regexp"
)

// message is a push object that its checks accepted (section 4.1).
type message struct {
	requestID string
	group     string
	ttl       int64
	schedule  int64 // 0 = now
	scheduled bool
	content   *Content
	visible   bool // shows a notification
	overlay   bool // a later message can replace it on every kind of device
	forced    bool // revoke.force
	hash      uint64
}

var (
	requestIDs = regexp.MustCompile(`^[A-Za-z0-9_-]{10,32}$`)
	groupNames = regexp.MustCompile(`^[A-Za-z0-9_-]*$`)
)

const defaultTTL = 2 * hour

// readMessage checks a push object in the order of section 4.1; audience checks that
// field and may be nil, where the call has none.
func (c *getuiCall) readMessage(k *fieldCheck, m map[string]any, needsID bool, audience func(m map[string]any)) *message {
	msg := &message{hash: hashOf(m), content: &Content{}}
	msg.requestID = k.text(m, "request_id", 0, needsID)
	if msg.requestID != "" && !requestIDs.MatchString(msg.requestID) {
		k.fail("request_id is invalid")
	}
	k.text(m, "task_name", 0, false)
	msg.group = k.text(m, "group_name", 100, false)
	if !groupNames.MatchString(msg.group) {
		k.fail("group_name is invalid")
	}
	readSettings(k, k.object(m, "settings", false), msg)
	if audience != nil {
		audience(m)
	}
	readPushMessage(k, k.object(m, "push_message", true), msg)
	readPushChannel(k, k.object(m, "push_channel", false), msg)
	msg.visible, msg.overlay = showing(m)
	msg.content.Hash = fmt.Sprintf("%016x", hashOf([]any{m["push_message"], m["push_channel"]}))
	if k.refused == nil {
		c.observe(msg)
	}
	return msg
}

// observe counts what no client of ours may send.
func (c *getuiCall) observe(msg *message) {
	if msg.forced {
		c.stats.ForcedRevokes++
	}
	if msg.scheduled {
		c.stats.ScheduledCalls++
	}
	if msg.visible && !msg.overlay {
		c.stats.WithoutOverlay++
	}
}

// hashOf is of the value's JSON with sorted keys.
func hashOf(v any) uint64 {
	text, err := json.Marshal(v)
	if err != nil {
		return 0
	}
	h := fnv.New64a()
	h.Write(text)
	return h.Sum64()
}

// strategyKeys are the channels that a strategy may name.
var strategyKeys = []string{"default", "ios", "hw", "xm", "mz", "op", "vv", "st", "hx", "hwq", "ho", "hoshw"}

// readSettings is section 5. Whether schedule_time is bought, and which call takes
// it, is asked later.
func readSettings(k *fieldCheck, m map[string]any, msg *message) {
	msg.ttl = defaultTTL
	if m["ttl"] != nil {
		msg.ttl = k.integer(m, "ttl", -1, 259_200_000, false)
	}
	strategy := k.object(m, "strategy", false)
	for _, channel := range strategyKeys {
		if n, is := integerOf(strategy[channel]); strategy[channel] != nil && (!is || n < 1 || n > 4) {
			k.fail("strategy is invalid")
		}
	}
	k.integer(m, "speed", 0, 1<<31-1, false)
	if msg.scheduled = m["schedule_time"] != nil; msg.scheduled {
		msg.schedule = k.integer(m, "schedule_time", 0, 1<<62, false)
	}
	k.text(m, "custom_callback", 0, false)
	k.flag(m, "filter_notify_off")
	k.integer(m, "active_days", 3, 15, false)
	k.flag(m, "need_backup")
	k.integer(m, "activate_filter_day", 0, 1<<31-1, false)
	if n := k.integer(m, "activate_filter_type", -1, 1, false); n == 0 && m["activate_filter_type"] != nil {
		k.fail("activate_filter_type is invalid")
	}
	if n := k.integer(m, "lst", 1, 1<<62, false); m["lst"] != nil && n >= msg.ttl {
		k.fail("lst is invalid")
	}
	k.flag(m, "active_push")
	if m["active_push_platform"] != nil {
		for _, v := range k.list(m, "active_push_platform", 3, true) {
			if n, is := integerOf(v); !is || n < 1 || n > 3 {
				k.fail("active_push_platform is invalid")
			}
		}
	}
}
