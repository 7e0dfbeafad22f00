package rongpush

import (
	"maps"
	"regexp"
	"slices"
)

// Notification is what the device shows. Pointers are numbers of which 0 means something: nil is absent.
type Notification struct {
	Title                string // at most 50 characters
	ForceShowPushContent *int   // 1: show the text even if the device hides details
	Text                 string // required; alert of /push.json, pushContent of /push/user.json
	IOS                  *IOS
	Android              *Android
	HarmonyOS            *HarmonyOS
}

// notificationWire is both spellings; exactly one of Alert and PushContent is set.
type notificationWire struct {
	Title                string     `json:"title,omitempty"`
	ForceShowPushContent *int       `json:"forceShowPushContent,omitempty"`
	Alert                string     `json:"alert,omitempty"`
	PushContent          string     `json:"pushContent,omitempty"`
	IOS                  *IOS       `json:"ios,omitempty"`
	Android              *Android   `json:"android,omitempty"`
	HarmonyOS            *HarmonyOS `json:"harmonyOS,omitempty"`
}

// IOS is the ios node (rongcloud.md 5.1).
type IOS struct {
	Title             string            `json:"title,omitempty"` // overrides the root's
	Alert             string            `json:"alert,omitempty"` // overrides the root's text
	ContentAvailable  *int              `json:"contentAvailable,omitempty"`
	Badge             *int              `json:"badge,omitempty"` // nil: unchanged; 0 and below: clear; at most 9999
	ThreadID          string            `json:"thread-id,omitempty"`
	CollapseID        string            `json:"apns-collapse-id,omitempty"`
	Category          string            `json:"category,omitempty"`
	RichMediaURI      string            `json:"richMediaUri,omitempty"`
	InterruptionLevel string            `json:"interruption-level,omitempty"` // passive, active, time-sensitive, critical
	Extras            map[string]string `json:"extras,omitempty"`
}

// Android is the android node with the phone makers' channels under it, lower case.
type Android struct {
	Alert  string            `json:"alert,omitempty"`
	Honor  *Honor            `json:"honor,omitempty"`
	HW     *Huawei           `json:"hw,omitempty"`
	MI     *Xiaomi           `json:"mi,omitempty"`
	OPPO   *OPPO             `json:"oppo,omitempty"`
	Vivo   *Vivo             `json:"vivo,omitempty"`
	FCM    *FCM              `json:"fcm,omitempty"`
	Extras map[string]string `json:"extras,omitempty"`
}

// Honor is android.honor.
type Honor struct {
	Importance string `json:"importance,omitempty"` // NORMAL, LOW
	Image      string `json:"image,omitempty"`      // https, below 512 KB
}

// Huawei is android.hw.
type Huawei struct {
	ChannelID  string `json:"channelId,omitempty"`
	Importance string `json:"importance,omitempty"` // NORMAL, LOW
	Image      string `json:"image,omitempty"`
	Category   string `json:"category,omitempty"` // upper case; needs an entitlement at Huawei
}

// Xiaomi is android.mi.
type Xiaomi struct {
	ChannelID    string `json:"channelId,omitempty"`
	LargeIconURI string `json:"large_icon_uri,omitempty"`
}

// OPPO is android.oppo.
type OPPO struct {
	ChannelID   string `json:"channelId,omitempty"`
	Category    string `json:"category,omitempty"`
	NotifyLevel *int   `json:"notify_level,omitempty"` // 1, 2 or 16; needs Category
}

// Vivo is android.vivo.
type Vivo struct {
	Classification string `json:"classification,omitempty"` // "0" marketing, "1" system
	Category       string `json:"category,omitempty"`       // needs Classification
}

// FCM is android.fcm.
type FCM struct {
	ChannelID   string `json:"channelId,omitempty"`
	CollapseKey string `json:"collapse_key,omitempty"`
	ImageURL    string `json:"imageUrl,omitempty"`
}

// HarmonyOS is the harmonyOS node.
type HarmonyOS struct {
	Alert  string            `json:"alert,omitempty"`
	OHOS   *OHOS             `json:"ohos,omitempty"`
	Extras map[string]string `json:"extras,omitempty"`
}

// OHOS is harmonyOS.ohos.
type OHOS struct {
	Category string `json:"category,omitempty"`
	Image    string `json:"image,omitempty"`
}

// push gives the spelling of /push.json.
func (n Notification) push() (*notificationWire, error) {
	w := n.wire()
	w.Alert = n.Text
	return w, every(n.validate("notification", "alert"))
}

// user gives the spelling of /push/user.json.
func (n Notification) user() (*notificationWire, error) {
	w := n.wire()
	w.PushContent = n.Text
	return w, every(n.validate("notification", "pushContent"))
}

func (n Notification) wire() *notificationWire {
	return &notificationWire{Title: n.Title, ForceShowPushContent: n.ForceShowPushContent, IOS: n.IOS, Android: n.Android, HarmonyOS: n.HarmonyOS}
}

func (n Notification) validate(at, textName string) error {
	if n.Text == "" {
		return refuse(at+"."+textName, "missing", "缺少")
	}
	return every(
		text(at+".title", n.Title, MaxTitle),
		text(at+"."+textName, n.Text, MaxText),
		zeroOne(at+".forceShowPushContent", n.ForceShowPushContent),
		n.IOS.validate(at+".ios"),
		n.Android.validate(at+".android"),
		n.HarmonyOS.validate(at+".harmonyOS"),
	)
}

func (n *IOS) validate(at string) error {
	if n == nil {
		return nil
	}
	return every(
		text(at+".title", n.Title, MaxTitle),
		text(at+".alert", n.Alert, MaxText),
		zeroOne(at+".contentAvailable", n.ContentAvailable),
		badge(at+".badge", n.Badge),
		text(at+".thread-id", n.ThreadID, maxShortBytes),
		collapseID(at+".apns-collapse-id", n.CollapseID),
		text(at+".category", n.Category, maxShortBytes),
		text(at+".richMediaUri", n.RichMediaURI, maxShortBytes),
		oneOf(at+".interruption-level", n.InterruptionLevel, interruptionLevels...),
		extras(at+".extras", n.Extras),
	)
}

func (n *Android) validate(at string) error {
	if n == nil {
		return nil
	}
	err := every(text(at+".alert", n.Alert, MaxText), extras(at+".extras", n.Extras))
	if v := n.Honor; v != nil {
		err = every(err, oneOf(at+".honor.importance", v.Importance, importances...), httpsURL(at+".honor.image", v.Image))
	}
	if v := n.HW; v != nil {
		err = every(err, text(at+".hw.channelId", v.ChannelID, maxShortBytes), oneOf(at+".hw.importance", v.Importance, importances...),
			httpsURL(at+".hw.image", v.Image), huaweiCategory(at+".hw.category", v.Category))
	}
	if v := n.MI; v != nil {
		err = every(err, text(at+".mi.channelId", v.ChannelID, maxShortBytes), text(at+".mi.large_icon_uri", v.LargeIconURI, maxShortBytes))
	}
	if v := n.OPPO; v != nil {
		err = every(err, text(at+".oppo.channelId", v.ChannelID, maxShortBytes), text(at+".oppo.category", v.Category, maxShortBytes),
			notifyLevel(at+".oppo.notify_level", v.NotifyLevel, v.Category))
	}
	if v := n.Vivo; v != nil {
		err = every(err, vivo(at+".vivo", v.Classification, v.Category))
	}
	if v := n.FCM; v != nil {
		err = every(err, text(at+".fcm.channelId", v.ChannelID, maxShortBytes), text(at+".fcm.collapse_key", v.CollapseKey, maxShortBytes),
			httpsURL(at+".fcm.imageUrl", v.ImageURL))
	}
	return err
}

func (n *HarmonyOS) validate(at string) error {
	if n == nil {
		return nil
	}
	err := every(text(at+".alert", n.Alert, MaxText), extras(at+".extras", n.Extras))
	if v := n.OHOS; v != nil {
		err = every(err, text(at+".ohos.category", v.Category, maxShortBytes), httpsURL(at+".ohos.image", v.Image))
	}
	return err
}

var (
	importances        = []string{"NORMAL", "LOW"}
	interruptionLevels = []string{"passive", "active", "time-sensitive", "critical"}
	upperCase          = regexp.MustCompile(`^[A-Z_]+$`)
)

func badge(field string, n *int) error {
	if n != nil && *n > MaxBadge {
		return refuse(field, "%d; at most %d", "%d 太大，最多 %d", *n, MaxBadge)
	}
	return nil
}

func collapseID(field, s string) error {
	if len(s) > maxCollapseIDBytes {
		return refuse(field, "%d bytes; at most %d", "长 %d 字节，最多 %d", len(s), maxCollapseIDBytes)
	}
	return text(field, s, maxShortBytes)
}

func huaweiCategory(field, s string) error {
	if s != "" && !upperCase.MatchString(s) {
		return refuse(field, "%q: want upper-case letters and _", "%q：只能用大写字母和 _", s)
	}
	return text(field, s, maxShortBytes)
}

func notifyLevel(field string, level *int, category string) error {
	switch {
	case level == nil:
		return nil
	case !slices.Contains([]int{1, 2, 16}, *level):
		return refuse(field, "%d; want 1, 2 or 16", "%d：只能是 1、2 或 16", *level)
	case category == "":
		return refuse(field, "has no effect without oppo.category", "没有 oppo.category 时不起作用")
	}
	return nil
}

func vivo(at, classification, category string) error {
	if category != "" && classification == "" {
		return refuse(at+".category", "needs vivo.classification", "还要写 vivo.classification")
	}
	return every(oneOf(at+".classification", classification, "0", "1"), text(at+".category", category, maxShortBytes))
}

// extras checks the app's own data; in the order of the keys, so that the same map gives the same error.
func extras(at string, m map[string]string) error {
	if len(m) > maxExtraEntries {
		return refuse(at, "%d entries; at most %d", "有 %d 项，最多 %d", len(m), maxExtraEntries)
	}
	var err error
	for _, k := range slices.Sorted(maps.Keys(m)) {
		err = every(err, text(at, k, maxShortBytes), text(at+"."+k, m[k], MaxContentBytes))
	}
	return err
}
