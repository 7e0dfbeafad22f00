package getui

import (
	"errors"
	"maps"
	"slices"
	"time"
)

// Settings is how the vendor delivers. There is no schedule_time: notifier holds by itself, and the vendor sells it apart.
type Settings struct {
	TTL             *int64         `json:"ttl,omitempty"`      // ms; -1: nothing is kept for who is away; nil: the vendor's 2 h
	Strategy        map[string]int `json:"strategy,omitempty"` // channel -> 1 to 4; nil: the vendor's {"default":1}
	Speed           int            `json:"speed,omitempty"`    // messages a second, to-app pushes only; 0: unlimited
	CustomCallback  string         `json:"custom_callback,omitempty"`
	FilterNotifyOff bool           `json:"filter_notify_off,omitempty"` // leave out who switched notifications off
	ActiveDays      *int           `json:"active_days,omitempty"`
	NeedBackup      *bool          `json:"need_backup,omitempty"`
}

// channels of a strategy.
var channels = []string{"default", "ios", "hw", "xm", "mz", "op", "vv", "st", "hx", "hwq", "ho", "hoshw"}

// makers are the phone makers whose channels have options of their own. The vendor's list is open: these are its examples, and whoever else
// has a channel in a strategy.
var makers = []string{"HW", "XM", "OP", "VV", "MZ", "HO", "ST", "HX", "HWQ", "HOSHW"}

// TTL is a time as Settings hold it, at most MaxTTL.
func TTL(d time.Duration) *int64 {
	ms := min(d, MaxTTL).Milliseconds()
	return &ms
}

func (s *Settings) validate() error {
	if s == nil {
		return nil
	}
	if s.TTL != nil && (*s.TTL < -1 || *s.TTL > MaxTTL.Milliseconds()) {
		return invalid("ttl", "%d ms; from -1 to %d", "%d 毫秒；应在 -1 到 %d 之间", *s.TTL, MaxTTL.Milliseconds())
	}
	var wrong []error
	for _, k := range slices.Sorted(maps.Keys(s.Strategy)) {
		if !slices.Contains(channels, k) {
			wrong = append(wrong, unknown("strategy."+k, channels))
		} else if v := s.Strategy[k]; v < 1 || v > 4 {
			wrong = append(wrong, invalid("strategy."+k, "%d; from 1 to 4", "%d；应在 1 到 4 之间", v))
		}
	}
	if s.Speed < 0 {
		wrong = append(wrong, invalid("speed", "%d; 0 or more", "%d；不能小于 0", s.Speed))
	}
	return every(errors.Join(wrong...), text("custom_callback", s.CustomCallback, MaxPayload), between("active_days", s.ActiveDays, 3, 15))
}
