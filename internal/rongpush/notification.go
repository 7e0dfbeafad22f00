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
	return w, n.validate("notification", "alert")
}

// user gives the spelling of /push/user.json.
func (n Notification) user() (*notificationWire, error) {
	w := n.wire()
	w.PushContent = n.Text
	return w, n.validate("notification", "pushContent")
}

func (n Notification) wire() *notificationWire {
	return &notificationWire{Title: n.Title, ForceShowPushContent: n.ForceShowPushContent, IOS: n.IOS, Android: n.Android, HarmonyOS: n.HarmonyOS}
}

func (n Notification) validate(at, textName string) error {
	if n.Text == "" {
		return invalid(at+"."+textName, "missing")
	}
	return first(
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
	if n.Badge != nil && *n.Badge > MaxBadge {
		return invalid(at+".badge", "%d; at most %d", *n.Badge, MaxBadge)
	}
	if len(n.CollapseID) > maxCollapseIDBytes {
		return invalid(at+".apns-collapse-id", "%d bytes; at most %d", len(n.CollapseID), maxCollapseIDBytes)
	}
	return first(
		text(at+".title", n.Title, MaxTitle),
		text(at+".alert", n.Alert, MaxText),
		zeroOne(at+".contentAvailable", n.ContentAvailable),
		text(at+".thread-id", n.ThreadID, maxShortBytes),
		text(at+".apns-collapse-id", n.CollapseID, maxShortBytes),
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
	err := first(text(at+".alert", n.Alert, MaxText), extras(at+".extras", n.Extras))
	if v := n.Honor; v != nil {
		err = first(err, oneOf(at+".honor.importance", v.Importance, importances...), httpsURL(at+".honor.image", v.Image))
	}
	if v := n.HW; v != nil {
		err = first(err, text(at+".hw.channelId", v.ChannelID, maxShortBytes), oneOf(at+".hw.importance", v.Importance, importances...),
			httpsURL(at+".hw.image", v.Image), huaweiCategory(at+".hw.category", v.Category))
	}
	if v := n.MI; v != nil {
		err = first(err, text(at+".mi.channelId", v.ChannelID, maxShortBytes), text(at+".mi.large_icon_uri", v.LargeIconURI, maxShortBytes))
	}
	if v := n.OPPO; v != nil {
		err = first(err, text(at+".oppo.channelId", v.ChannelID, maxShortBytes), text(at+".oppo.category", v.Category, maxShortBytes))
		if l := v.NotifyLevel; l != nil && !slices.Contains([]int{1, 2, 16}, *l) {
			err = first(err, invalid(at+".oppo.notify_level", "%d; want 1, 2 or 16", *l))
		} else if l != nil && v.Category == "" {
			err = first(err, invalid(at+".oppo.notify_level", "has no effect without oppo.category"))
		}
	}
	if v := n.Vivo; v != nil {
		err = first(err, vivo(at+".vivo", v.Classification, v.Category))
	}
	if v := n.FCM; v != nil {
		err = first(err, text(at+".fcm.channelId", v.ChannelID, maxShortBytes), text(at+".fcm.collapse_key", v.CollapseKey, maxShortBytes),
			httpsURL(at+".fcm.imageUrl", v.ImageURL))
	}
	return err
}

func (n *HarmonyOS) validate(at string) error {
	if n == nil {
		return nil
	}
	err := first(text(at+".alert", n.Alert, MaxText), extras(at+".extras", n.Extras))
	if v := n.OHOS; v != nil {
		err = first(err, text(at+".ohos.category", v.Category, maxShortBytes), httpsURL(at+".ohos.image", v.Image))
	}
	return err
}

var (
	importances        = []string{"NORMAL", "LOW"}
	interruptionLevels = []string{"passive", "active", "time-sensitive", "critical"}
	upperCase          = regexp.MustCompile(`^[A-Z_]+$`)
)

func huaweiCategory(field, s string) error {
	if s != "" && !upperCase.MatchString(s) {
		return invalid(field, "%q: want upper-case letters and _", s)
	}
	return text(field, s, maxShortBytes)
}

func vivo(at, classification, category string) error {
	if category != "" && classification == "" {
		return invalid(at+".category", "needs vivo.classification")
	}
	return first(oneOf(at+".classification", classification, "0", "1"), text(at+".category", category, maxShortBytes))
}

// extras checks the app's own data; in the order of the keys, so that the same map gives the same error.
func extras(at string, m map[string]string) error {
	if len(m) > maxExtraEntries {
		return invalid(at, "%d entries; at most %d", len(m), maxExtraEntries)
	}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if err := first(text(at, k, maxShortBytes), text(at+"."+k, m[k], MaxContentBytes)); err != nil {
			return err
		}
	}
	return nil
}
