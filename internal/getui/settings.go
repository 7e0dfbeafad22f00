package getui

import (
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
		return invalid("ttl", "%d ms; from -1 to %d", *s.TTL, MaxTTL.Milliseconds())
	}
	for _, k := range slices.Sorted(maps.Keys(s.Strategy)) {
		if err := oneOf("strategy", k, channels...); err != nil {
			return err
		}
		if v := s.Strategy[k]; k == "" || v < 1 || v > 4 {
			return invalid("strategy."+k, "%d; from 1 to 4", v)
		}
	}
	if s.Speed < 0 {
		return invalid("speed", "%d; 0 or more", s.Speed)
	}
	return first(text("custom_callback", s.CustomCallback, MaxPayload), between("active_days", s.ActiveDays, 3, 15))
}
