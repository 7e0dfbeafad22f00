package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/notifier/notifier/internal/diag"
)

// sinceWhen is parseSince for what is looked up: of a time that is still to come nothing is on record, and no rows would pass for none.
func sinceWhen(s string, now time.Time, zone *time.Location, lang diag.Lang) (time.Time, error) {
	t, err := parseSince(s, now, zone, lang)
	if err == nil && t.After(now) {
		return t, fmt.Errorf(mostly(lang, "%q is in the future (%s): nothing is on record yet; say how long ago it was, like 2h", "%q 是将来的时间（%s），还没有记录；请写多久以前，例如 2h"), s, t.In(zone).Format("2006-01-02 15:04:05 -07:00"))
	}
	return t, err
}

// parseSince reads a time as operators type it: 10m, 2h ago, 2026-11-21 09:00 in the settings' zone, RFC 3339.
func parseSince(s string, now time.Time, zone *time.Location, lang diag.Lang) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	plain := strings.TrimSpace(strings.TrimSuffix(s, "ago"))
	if n, ok := strings.CutSuffix(plain, "d"); ok {
		var days int
		if _, err := fmt.Sscanf(n, "%d", &days); err == nil && fmt.Sprint(days) == n {
			return now.AddDate(0, 0, -days), nil
		}
	}
	if d, err := time.ParseDuration(plain); err == nil {
		return now.Add(-d), nil
	}
	for _, layout := range []string{"2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, s, zone); err == nil {
			return t, nil
		}
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	return time.Time{}, fmt.Errorf(mostly(lang, "%q is no time: 10m, 2h ago, 7d, 2026-11-21 09:00 or 2026-11-21T09:00:00+08:00", "%q 不是时间：请写 10m、2h ago、7d、2026-11-21 09:00 或 2026-11-21T09:00:00+08:00"), s)
}
