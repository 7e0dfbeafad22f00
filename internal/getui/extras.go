package getui

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Extras are a rule's own `getui` block: what the neutral keys of a rule do not say. They win over those.
type Extras struct {
	Strategy        map[string]int      `json:"strategy"`
	Speed           *int                `json:"speed"` // of pushes to audiences
	FilterNotifyOff *bool               `json:"filter_notify_off"`
	ActiveDays      *int                `json:"active_days"`
	NeedBackup      *bool               `json:"need_backup"`
	Offline         *bool               `json:"offline"`      // false: nothing is kept for who is away
	NetworkType     *int                `json:"network_type"` // 1: shown over Wi-Fi only
	ShowFor         string              `json:"show_for"`     // how long after it leaves a device may show it
	Region          *Match              `json:"region"`       // of audiences, as Portrait: they must meet these too
	Portrait        *Match              `json:"portrait"`
	Transmission    *bool               `json:"transmission"` // the app gets everything as data and nothing is shown
	Notification    *NotificationExtras `json:"notification"`
	Android         *AndroidExtras      `json:"android"`
	IOS             *IOSExtras          `json:"ios"`
}

// Match is a condition on something that the vendor knows of users, in the vendor's own codes.
type Match struct {
	Or  []string `json:"or"`
	And []string `json:"and"`
	Not []string `json:"not"`
}

// Conditions are what an audience must meet beside its tags and platforms. The vendor intersects conditions with different keys, so they
// only ever narrow it.
func (x Extras) Conditions() (out []Condition, err error) {
	var wrong []error
	for _, m := range []struct {
		key string
		*Match
	}{{"region", x.Region}, {"portrait", x.Portrait}} {
		if m.Match == nil {
			continue
		}
		n := len(out)
		for _, c := range []Condition{{m.key, m.Or, "or"}, {m.key, m.And, "and"}, {m.key, m.Not, "not"}} {
			if len(c.Values) == 0 {
				continue
			}
			for _, v := range c.Values {
				if bad, ok := errors.AsType[*InvalidError](value(m.key, v)); ok {
					wrong = append(wrong, &InvalidError{Field: join(m.key, c.Op), Reason: bad.Reason, ZH: bad.ZH})
					break
				}
			}
			out = append(out, c)
		}
		if len(out) != n+1 { // what the vendor makes of two on one key is not documented
			wrong = append(wrong, invalid(m.key, "one of `or`, `and` and `not`, with codes", "`or`、`and`、`not` 只写一种，并写上编码"))
		}
	}
	return out, every(wrong...)
}

// NotificationExtras are of Getui's own channel. Click is for the makers' channels too.
type NotificationExtras struct {
	Click
	BigText           string `json:"big_text"`
	Logo              string `json:"logo"`
	LogoURL           string `json:"logo_url"`
	ChannelID         string `json:"channel_id"`
	ChannelName       string `json:"channel_name"`
	ChannelLevel      *int   `json:"channel_level"`
	RingName          string `json:"ring_name"`
	BadgeAddNum       *int   `json:"badge_add_num"`
	RedisplayFreq     *int   `json:"redisplay_freq"`
	RedisplayDuration *int   `json:"redisplay_duration"`
	SlotType          string `json:"slot_type"`
	Category          string `json:"category"`
}

// Click is what a tap does.
type Click struct {
	ClickType string `json:"click_type"`
	Intent    string `json:"intent"`
	URL       string `json:"url"`
}

// AndroidExtras are of the makers' channels.
type AndroidExtras struct {
	Options map[string]map[string]any `json:"options"`
}

// IOSExtras are of Apple's.
type IOSExtras struct {
	Subtitle         string `json:"subtitle"`
	Sound            string `json:"sound"`
	Category         string `json:"category"`
	ContentAvailable *int   `json:"content-available"`
}

// ParseExtras reads a block; none is an empty one.
func ParseExtras(raw json.RawMessage) (x Extras, err error) {
	if len(raw) == 0 {
		return x, nil
	}
	if err = CheckExtras(raw); err == nil {
		err = json.Unmarshal(raw, &x)
	}
	return x, err
}

// CheckExtras names every key of a block that is none of the vendor's, or whose value is of another kind. What a value may be is asked of
// the push that is made of it.
func CheckExtras(raw json.RawMessage) error {
	if len(raw) == 0 {
		return nil
	}
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return invalid("getui", "is no JSON", "不是 JSON")
	}
	return errors.Join(checkShape("", v, reflect.TypeFor[Extras]())...)
}

// keysOf are the keys of the mappings whose keys are the vendor's words.
var keysOf = map[string][]string{"strategy": channels, "android.options": makers}

// checkShape compares a value with the type it is to become.
func checkShape(path string, v any, t reflect.Type) (out []error) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	wants := map[reflect.Kind][2]string{reflect.String: {"want a text", "应为文字"}, reflect.Int: {"want a whole number", "应为整数"}, reflect.Bool: {"want true or false", "应为 true 或 false"},
		reflect.Slice: {"want a list", "应为列表"},
		reflect.Map:   {"want a mapping", "应为一组配置项"}, reflect.Struct: {"want a mapping", "应为一组配置项"}}[t.Kind()]
	wrong := []error{&InvalidError{Field: path, Reason: wants[0], ZH: wants[1]}}
	switch t.Kind() {
	case reflect.String:
		if _, ok := v.(string); !ok {
			return wrong
		}
	case reflect.Bool:
		if _, ok := v.(bool); !ok {
			return wrong
		}
	case reflect.Int:
		if n, ok := v.(float64); !ok || n != float64(int32(n)) {
			return wrong
		}
	case reflect.Slice:
		l, ok := v.([]any)
		if !ok {
			return wrong
		}
		for _, e := range l {
			out = append(out, checkShape(path, e, t.Elem())...)
		}
	case reflect.Map:
		m, ok := v.(map[string]any)
		if !ok {
			return wrong
		}
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if known := keysOf[path]; known != nil && !slices.Contains(known, k) {
				out = append(out, unknown(join(path, k), known))
				continue
			}
			out = append(out, checkShape(join(path, k), m[k], t.Elem())...)
		}
	case reflect.Struct:
		m, ok := v.(map[string]any)
		if !ok {
			return wrong
		}
		fields := fieldsOf(t)
		for _, k := range slices.Sorted(maps.Keys(m)) {
			f, ok := fields[k]
			if !ok {
				out = append(out, unknown(join(path, k), slices.Sorted(maps.Keys(fields))))
				continue
			}
			out = append(out, checkShape(join(path, k), m[k], f)...)
		}
	}
	return out // an interface takes anything
}

func fieldsOf(t reflect.Type) map[string]reflect.Type {
	out := map[string]reflect.Type{}
	for f := range t.Fields() {
		if f.Anonymous {
			maps.Copy(out, fieldsOf(f.Type))
			continue
		}
		out[f.Tag.Get("json")] = f.Type
	}
	return out
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return fmt.Sprintf("%s.%s", path, key)
}

// lasting is time.ParseDuration that also knows whole days, as all durations of rule files do.
func lasting(s string) (time.Duration, error) {
	if n, whole := strings.CutSuffix(s, "d"); whole {
		days, err := strconv.ParseUint(n, 10, 16)
		return time.Duration(days) * 24 * time.Hour, err
	}
	return time.ParseDuration(s)
}

// Apply writes the extras over a push with a notification, which leaves at a time. data is what the app gets instead of it with
// Transmission.
func (x Extras) Apply(p *Push, at time.Time, data string) error {
	x.settings(p)
	if x.NetworkType != nil {
		p.Message.NetworkType = *x.NetworkType
	}
	if x.ShowFor != "" {
		d, err := lasting(x.ShowFor)
		if err != nil {
			return invalid("show_for", "%q; like 30m, 2h or 1d", "%q；应类似 30m、2h 或 1d", x.ShowFor)
		}
		if d <= minWindow {
			return invalid("show_for", "%s; more than %s", "%s；要大于 %s", d, minWindow)
		}
		if at.IsZero() { // it is looked at, and does not leave
			at = time.UnixMilli(0)
		}
		p.Message.Duration = Window(at, at.Add(d))
	}
	if x.Transmission != nil && *x.Transmission {
		p.Message.Notification, p.Message.Transmission = nil, data
		p.Channel.Android = &Android{Ups{Transmission: data}}
		p.Channel.IOS = &IOS{Type: "notify", Payload: data, Aps: Aps{ContentAvailable: new(1)}, CollapseID: p.Channel.IOS.CollapseID}
		return nil
	}
	n, u, i := p.Message.Notification, p.Channel.Android.Ups.Notification, p.Channel.IOS
	if e := x.Notification; e != nil {
		if e.ClickType != "" {
			n.ClickType, u.ClickType = e.ClickType, e.ClickType
		}
		n.Intent, n.URL, u.Intent, u.URL = e.Intent, e.URL, e.Intent, e.URL
		if e.BigText != "" {
			n.BigText, n.BigImage = e.BigText, ""
		}
		n.Logo, n.LogoURL, n.ChannelID, n.ChannelName, n.ChannelLevel = e.Logo, e.LogoURL, e.ChannelID, e.ChannelName, e.ChannelLevel
		n.RingName, n.BadgeAddNum, n.RedisplayFreq, n.RedisplayDuration = e.RingName, e.BadgeAddNum, e.RedisplayFreq, e.RedisplayDuration
		n.SlotType, n.Category = e.SlotType, e.Category
	}
	if x.Android != nil {
		p.Channel.Android.Ups.Options = x.Android.Options
	}
	if e := x.IOS; e != nil {
		i.Aps.Alert.Subtitle, i.Aps.Sound, i.Aps.Category = e.Subtitle, e.Sound, e.Category
		if e.ContentAvailable != nil {
			i.Aps.ContentAvailable = e.ContentAvailable
		}
	}
	return nil
}

func (x Extras) settings(p *Push) {
	if x.Strategy == nil && x.Speed == nil && x.FilterNotifyOff == nil && x.ActiveDays == nil && x.NeedBackup == nil && x.Offline == nil {
		return
	}
	if p.Settings == nil {
		p.Settings = &Settings{}
	}
	p.Settings.Strategy, p.Settings.ActiveDays, p.Settings.NeedBackup = x.Strategy, x.ActiveDays, x.NeedBackup
	if x.Offline != nil && !*x.Offline {
		p.Settings.TTL = new(int64(-1))
	}
	if x.Speed != nil {
		p.Settings.Speed = *x.Speed
	}
	p.Settings.FilterNotifyOff = x.FilterNotifyOff != nil && *x.FilterNotifyOff
}
