package getui

import (
	"errors"
	"regexp"
	"strconv"
	"time"
)

// Message is the content for Getui's own channel (push_message): exactly one of Notification, Transmission and Revoke.
type Message struct {
	NetworkType  int           `json:"network_type,omitempty"` // 0: any; 1: Wi-Fi only
	Duration     string        `json:"duration,omitempty"`     // Window
	Notification *Notification `json:"notification,omitempty"`
	Transmission string        `json:"transmission,omitempty"` // for the app, shows nothing by itself
	Revoke       *Revoke       `json:"revoke,omitempty"`
}

// Revoke takes a notification of an earlier task back from devices. Force would remove all of the app's notifications when the task is
// not found; it exists to be refused.
type Revoke struct {
	OldTaskID string `json:"old_task_id"`
	Force     bool   `json:"force"`
}

// Notification is what Android and Harmony show when Getui's channel delivers it.
type Notification struct {
	Title             string `json:"title"`
	Body              string `json:"body"`
	BigText           string `json:"big_text,omitempty"`
	BigImage          string `json:"big_image,omitempty"`
	Logo              string `json:"logo,omitempty"`
	LogoURL           string `json:"logo_url,omitempty"`
	ChannelID         string `json:"channel_id,omitempty"`
	ChannelName       string `json:"channel_name,omitempty"`
	ChannelLevel      *int   `json:"channel_level,omitempty"`
	ClickType         string `json:"click_type"`
	Intent            string `json:"intent,omitempty"`
	URL               string `json:"url,omitempty"`
	Payload           string `json:"payload,omitempty"`
	NotifyID          *int   `json:"notify_id,omitempty"`
	RingName          string `json:"ring_name,omitempty"`
	BadgeAddNum       *int   `json:"badge_add_num,omitempty"`
	ThreadID          string `json:"thread_id,omitempty"`
	RedisplayFreq     *int   `json:"redisplay_freq,omitempty"`
	RedisplayDuration *int   `json:"redisplay_duration,omitempty"`
	Want              string `json:"want,omitempty"`
	SlotType          string `json:"slot_type,omitempty"`
	Category          string `json:"category,omitempty"`
}

// minWindow is how far the ends of Window must be apart, and more.
const minWindow = 10 * time.Minute

// Window is the time in which a notification is shown, as Message.Duration holds it.
func Window(from, to time.Time) string {
	return strconv.FormatInt(from.UnixMilli(), 10) + "-" + strconv.FormatInt(to.UnixMilli(), 10)
}

var windows = regexp.MustCompile(`^([0-9]{1,15})-([0-9]{1,15})$`)

func (m *Message) validate() error {
	kinds := 0
	for _, has := range []bool{m.Notification != nil, m.Transmission != "", m.Revoke != nil} {
		if has {
			kinds++
		}
	}
	if kinds != 1 {
		return invalid("push_message", "%d of notification, transmission and revoke; exactly one", "notification、transmission、revoke 有 %d 个；只能有一个", kinds)
	}
	if m.NetworkType != 0 && m.NetworkType != 1 {
		return invalid("network_type", "%d; 0 or 1", "%d；应为 0 或 1", m.NetworkType)
	}
	if m.Duration != "" {
		w := windows.FindStringSubmatch(m.Duration)
		if w == nil {
			return invalid("duration", "%q; like 1700000000000-1700000700000", "%q；应类似 1700000000000-1700000700000", m.Duration)
		}
		from, _ := strconv.ParseInt(w[1], 10, 64)
		to, _ := strconv.ParseInt(w[2], 10, 64)
		if to-from <= minWindow.Milliseconds() {
			return invalid("duration", "%q; the ends more than %s apart", "%q；两端相差要大于 %s", m.Duration, minWindow)
		}
	}
	return every(m.Notification.validate(), payload("transmission", m.Transmission), m.Revoke.validate())
}

func (r *Revoke) validate() error {
	switch {
	case r == nil:
		return nil
	case r.Force:
		return invalid("revoke.force", "it would remove every notification of the app when the task is not found", "找不到任务时，它会清除应用的全部通知")
	}
	return identifier("revoke.old_task_id", r.OldTaskID)
}

func (n *Notification) validate() error {
	if n == nil {
		return nil
	}
	if n.NotifyID == nil {
		return invalid("notify_id", "missing; it makes a repeat replace the first notification", "缺少；有了它，重发的通知会覆盖前一条")
	}
	var wrong []error
	if n.BigText != "" && n.BigImage != "" {
		wrong = append(wrong, invalid("big_text", "excludes big_image", "不能与 big_image 同时使用"))
	}
	if n.RedisplayFreq != nil && *n.RedisplayFreq != 0 && (*n.RedisplayFreq < 2 || *n.RedisplayFreq > 3) {
		wrong = append(wrong, invalid("redisplay_freq", "%d; 0, 2 or 3", "%d；应为 0、2 或 3", *n.RedisplayFreq))
	}
	return every(errors.Join(wrong...),
		needed("title", n.Title, MaxTitle), needed("body", n.Body, MaxText), text("big_text", n.BigText, MaxBigText),
		address("big_image", n.BigImage, MaxURL), text("logo", n.Logo, 64), address("logo_url", n.LogoURL, 256),
		text("channel_id", n.ChannelID, 64), text("channel_name", n.ChannelName, 64), between("channel_level", n.ChannelLevel, 0, 4),
		clicks(n.ClickType, n.Intent, n.URL, n.Payload, "intent", "url", "payload", "payload_custom", "startapp", "none"),
		between("notify_id", n.NotifyID, 0, MaxNotifyID), text("ring_name", n.RingName, 64), between("badge_add_num", n.BadgeAddNum, 1, MaxNotifyID),
		text("thread_id", n.ThreadID, MaxText), between("redisplay_duration", n.RedisplayDuration, 0, 24),
		text("want", n.Want, MaxIntent), text("slot_type", n.SlotType, 64), text("category", n.Category, 64))
}

// clicks judges what a tap does: each kind needs its own field.
func clicks(kind, intent, url, data string, kinds ...string) error {
	if kind == "" {
		return invalid("click_type", "missing", "缺少")
	}
	if err := every(oneOf("click_type", kind, kinds...), text("intent", intent, MaxIntent), address("url", url, MaxURL), payload("payload", data)); err != nil {
		return err
	}
	need := map[string]string{"intent": intent, "url": url, "payload": data, "payload_custom": data}
	if v, ok := need[kind]; ok && v == "" {
		field := kind
		if kind == "payload_custom" {
			field = "payload"
		}
		return invalid(field, "missing; click_type %s needs it", "缺少；click_type 为 %s 时必须有", kind)
	}
	return nil
}
