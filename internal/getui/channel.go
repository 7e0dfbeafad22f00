package getui

import "encoding/json"

// Channel is the content for the phone makers' channels (push_channel): what reaches a user whose app does not run.
type Channel struct {
	Android *Android `json:"android,omitempty"`
	IOS     *IOS     `json:"ios,omitempty"`
	Harmony *Harmony `json:"harmony,omitempty"`
}

// Android is the makers' channels.
type Android struct {
	Ups Ups `json:"ups"`
}

// Ups is one content for all makers: exactly one of Notification, Transmission and Revoke.
type Ups struct {
	Notification *UpsNotification          `json:"notification,omitempty"`
	Transmission string                    `json:"transmission,omitempty"`
	Revoke       *UpsRevoke                `json:"revoke,omitempty"`
	Options      map[string]map[string]any `json:"options,omitempty"` // maker -> path -> value: {"XM":{"/extra.channel_id":"order"}}
}

type UpsNotification struct {
	Title     string `json:"title"`
	Body      string `json:"body"`
	ClickType string `json:"click_type"`
	Intent    string `json:"intent,omitempty"`
	URL       string `json:"url,omitempty"`
	Payload   string `json:"payload,omitempty"`
	NotifyID  *int   `json:"notify_id,omitempty"`
}

type UpsRevoke struct {
	OldTaskID string `json:"old_task_id"`
}

// IOS is Apple's channel.
type IOS struct {
	Type       string  `json:"type,omitempty"` // "": notify
	Payload    string  `json:"payload,omitempty"`
	Aps        Aps     `json:"aps"`
	AutoBadge  string  `json:"auto_badge,omitempty"` // "+1", "-1", "5"
	Multimedia []Media `json:"multimedia,omitempty"`
	CollapseID string  `json:"apns-collapse-id,omitempty"`
	LaID       string  `json:"laId,omitempty"`
}

// Aps is what Apple reads.
type Aps struct {
	Alert            *Alert          `json:"alert,omitempty"`
	ContentAvailable *int            `json:"content-available,omitempty"`
	Sound            string          `json:"sound,omitempty"`
	Category         string          `json:"category,omitempty"`
	ThreadID         string          `json:"thread-id,omitempty"`
	Timestamp        *int64          `json:"timestamp,omitempty"`
	Event            string          `json:"event,omitempty"`
	DismissalDate    *int64          `json:"dismissal-date,omitempty"`
	ContentState     json.RawMessage `json:"content-state,omitempty"`
}

// Alert is the text that Apple shows.
type Alert struct {
	Title    string `json:"title,omitempty"`
	Body     string `json:"body,omitempty"`
	Subtitle string `json:"subtitle,omitempty"`
}

// Media is a picture, sound or film beside an alert.
type Media struct {
	URL      string `json:"url"`
	Type     int    `json:"type"` // 1 picture, 2 audio, 3 video
	OnlyWifi bool   `json:"only_wifi,omitempty"`
}

// Harmony is HarmonyOS NEXT: exactly one of Notification, Transmission, Custom and Revoke.
type Harmony struct {
	Notification *HarmonyNotification      `json:"notification,omitempty"`
	Transmission string                    `json:"transmission,omitempty"`
	Custom       string                    `json:"custom,omitempty"`
	Revoke       *UpsRevoke                `json:"revoke,omitempty"`
	Options      map[string]map[string]any `json:"options,omitempty"`
}

type HarmonyNotification struct {
	Title     string `json:"title"`
	Body      string `json:"body"`
	Category  string `json:"category,omitempty"`
	ClickType string `json:"click_type"`
	Want      string `json:"want,omitempty"`
	Payload   string `json:"payload,omitempty"`
	NotifyID  *int   `json:"notify_id,omitempty"`
}

func (c *Channel) validate() error {
	if c == nil {
		return nil
	}
	return every(c.Android.validate(), c.IOS.validate(), c.Harmony.validate())
}

func count(has ...bool) (n int) {
	for _, h := range has {
		if h {
			n++
		}
	}
	return n
}

func (a *Android) validate() error {
	if a == nil {
		return nil
	}
	u := &a.Ups
	if n := count(u.Notification != nil, u.Transmission != "", u.Revoke != nil); n != 1 {
		return invalid("android.ups", "%d of notification, transmission and revoke; exactly one", "notification、transmission、revoke 有 %d 个；只能有一个", n)
	}
	if u.Revoke != nil {
		return identifier("android.ups.revoke.old_task_id", u.Revoke.OldTaskID)
	}
	if n := u.Notification; n != nil {
		if n.NotifyID == nil {
			return invalid("android.ups.notify_id", "missing; it makes a repeat replace the first notification", "缺少；有了它，重发的通知会覆盖前一条")
		}
		return every(needed("android.ups.title", n.Title, MaxTitle), needed("android.ups.body", n.Body, MaxText),
			clicks(n.ClickType, n.Intent, n.URL, n.Payload, "intent", "url", "payload", "payload_custom", "startapp", "none"),
			between("android.ups.notify_id", n.NotifyID, 0, MaxNotifyID))
	}
	return payload("android.ups.transmission", u.Transmission)
}

func (i *IOS) validate() error {
	if i == nil {
		return nil
	}
	if i.CollapseID == "" {
		return invalid("apns-collapse-id", "missing; it makes a repeat replace the first notification", "缺少；有了它，重发的通知会覆盖前一条")
	}
	if len(i.Multimedia) > MaxMultimedia {
		return invalid("multimedia", "%d; at most %d", "%d；最多 %d", len(i.Multimedia), MaxMultimedia)
	}
	for _, m := range i.Multimedia {
		if m.URL == "" {
			return invalid("multimedia.url", "missing", "缺少")
		}
		if err := every(address("multimedia.url", m.URL, MaxURL), between("multimedia.type", &m.Type, 1, 3)); err != nil {
			return err
		}
	}
	err := every(oneOf("ios.type", i.Type, "notify", "voip", "liveactivity"), payload("ios.payload", i.Payload), badge(i.AutoBadge),
		text("apns-collapse-id", i.CollapseID, MaxCollapse), between("content-available", i.Aps.ContentAvailable, 0, 1),
		text("ios.sound", i.Aps.Sound, 64), text("ios.category", i.Aps.Category, 64), text("ios.thread-id", i.Aps.ThreadID, MaxText))
	if a := i.Aps.Alert; a != nil {
		err = every(err, text("alert.title", a.Title, MaxTitle), text("alert.body", a.Body, MaxText), text("alert.subtitle", a.Subtitle, MaxText))
	}
	return err
}

// badge is a number, or a difference with its sign.
func badge(s string) error {
	digits := s
	if s != "" && (s[0] == '+' || s[0] == '-') {
		digits = s[1:]
	}
	bad := s != "" && digits == "" || len(digits) > 9
	for _, r := range digits {
		bad = bad || r < '0' || r > '9'
	}
	if bad {
		return invalid("auto_badge", "%q; like 5, +1 or -1", "%q；应类似 5、+1 或 -1", s)
	}
	return nil
}

func (h *Harmony) validate() error {
	if h == nil {
		return nil
	}
	if n := count(h.Notification != nil, h.Transmission != "", h.Custom != "", h.Revoke != nil); n != 1 {
		return invalid("harmony", "%d of notification, transmission, custom and revoke; exactly one", "notification、transmission、custom、revoke 有 %d 个；只能有一个", n)
	}
	if h.Revoke != nil {
		return identifier("harmony.revoke.old_task_id", h.Revoke.OldTaskID)
	}
	if n := h.Notification; n != nil {
		if n.NotifyID == nil {
			return invalid("harmony.notify_id", "missing; it makes a repeat replace the first notification", "缺少；有了它，重发的通知会覆盖前一条")
		}
		if n.ClickType == "want" && n.Want == "" {
			return invalid("harmony.want", "missing; click_type want needs it", "缺少；click_type 为 want 时必须有")
		}
		return every(needed("harmony.title", n.Title, MaxTitle), needed("harmony.body", n.Body, MaxText), text("harmony.category", n.Category, 50),
			text("harmony.want", n.Want, MaxIntent), clicks(n.ClickType, "", "", n.Payload, "want", "startapp", "payload"),
			between("harmony.notify_id", n.NotifyID, 0, MaxNotifyID))
	}
	return every(payload("harmony.transmission", h.Transmission), payload("harmony.custom", h.Custom))
}
