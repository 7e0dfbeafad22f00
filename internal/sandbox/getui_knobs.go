package sandbox

import (
	"fmt"
	"slices"
)

// Knobs select one reading of each thing that Getui does not document, and what the
// account has bought (getui.md 13.5). A limit is a number of calls, messages or
// targets that is allowed, so 0 allows none, except where 0 switches it off.
type Knobs struct {
	AuthSkewMS        int64  `json:"auth_skew_ms"`        // most milliseconds that the timestamp of /auth may be off
	TokenTTLMS        int64  `json:"token_ttl_ms"`        // life of a token
	SingleActiveToken bool   `json:"single_active_token"` // a new token ends the older ones of its app
	AuthBadSignCode   int    `json:"auth_bad_sign_code"`  // 20001 or 10001
	DupMode           string `json:"dup_mode"`            // answer to a repeated request_id: replay, drop_new_task, reject, leak
	DupWindowMS       int64  `json:"dup_window_ms"`       // how long a request_id is remembered
	BatchBadTarget    string `json:"batch_bad_target"`    // an unknown target in a batch: omit, status, reject_all
	AliasListInner    string `json:"alias_list_inner"`    // key of a list's answer by alias without detail: cid, alias
	NumericTimes      bool   `json:"numeric_times"`       // times in answers are numbers, not strings
	ScheduleEnabled   bool   `json:"schedule_enabled"`    // schedule_time is bought
	FastTagEnabled    bool   `json:"fast_tag_enabled"`    // /push/fast_custom_tag is bought
	AppDayLimit       int    `json:"app_day_limit"`       // /push/all and /push/tag together
	AppMinuteLimit    int    `json:"app_minute_limit"`    // the same
	ListDayLimit      int    `json:"list_day_limit"`      // messages and targets of the list calls together
	AuthMinuteLimit   int    `json:"auth_minute_limit"`   // attempts
	TagMinuteLimit    int    `json:"tag_minute_limit"`    // adding and removing one tag together
	TagDayLimit       int    `json:"tag_day_limit"`       // all tag changes together
	SingleMinuteLimit int    `json:"single_minute_limit"` // messages of the single and batch calls together; 0 = off
	PushDayLimit      int    `json:"push_day_limit"`      // the same; 0 = off
	ListMax           int    `json:"list_max"`            // targets in a list call
	BatchMax          int    `json:"batch_max"`           // messages in a batch call
	AppBlack          bool   `json:"app_black"`           // every app is black-listed
}

// DefaultKnobs are the readings of the vendor's cases.
func DefaultKnobs() Knobs {
	return Knobs{
		AuthSkewMS: 600_000, TokenTTLMS: 86_400_000, AuthBadSignCode: 20001,
		DupMode: "replay", DupWindowMS: 86_400_000, BatchBadTarget: "omit", AliasListInner: "cid",
		AppDayLimit: 20, AppMinuteLimit: 5, ListDayLimit: 2_000_000, AuthMinuteLimit: 100,
		TagMinuteLimit: 5, TagDayLimit: 10_000, ListMax: 1000, BatchMax: 200,
	}
}

func (k Knobs) check() error {
	for _, c := range []struct {
		name, value string
		allowed     []string
	}{
		{"dup_mode", k.DupMode, []string{"replay", "drop_new_task", "reject", "leak"}},
		{"batch_bad_target", k.BatchBadTarget, []string{"omit", "status", "reject_all"}},
		{"alias_list_inner", k.AliasListInner, []string{"cid", "alias"}},
		{"auth_bad_sign_code", fmt.Sprint(k.AuthBadSignCode), []string{"20001", "10001"}},
	} {
		if !slices.Contains(c.allowed, c.value) {
			return fmt.Errorf("knob %s is %s; it must be one of %v", c.name, c.value, c.allowed)
		}
	}
	for name, n := range map[string]int64{
		"auth_skew_ms": k.AuthSkewMS, "token_ttl_ms": k.TokenTTLMS, "dup_window_ms": k.DupWindowMS,
		"app_day_limit": int64(k.AppDayLimit), "app_minute_limit": int64(k.AppMinuteLimit), "list_day_limit": int64(k.ListDayLimit),
		"auth_minute_limit": int64(k.AuthMinuteLimit), "tag_minute_limit": int64(k.TagMinuteLimit), "tag_day_limit": int64(k.TagDayLimit),
		"single_minute_limit": int64(k.SingleMinuteLimit), "push_day_limit": int64(k.PushDayLimit),
		"list_max": int64(k.ListMax), "batch_max": int64(k.BatchMax),
	} {
		if n < 0 {
			return fmt.Errorf("knob %s is %d; it must not be negative", name, n)
		}
	}
	return nil
}
