package rongpush

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// The vendor's limits (rongcloud.md 4 and 5), and ours where the vendor's are vague (rongcloud.md 13).
const (
	MaxTags              = 20   // tags of a user, and of each group of an audience
	MaxTagBytes          = 40   // 13 Han characters
	MaxUserIDBytes       = 64   //
	MaxBatchUsers        = 1000 // /user/tag/batch/set.json
	MaxGetUsers          = 50   // /user/tags/get.json
	MaxPushUsers         = 100  // /push/user.json
	MaxSystemUsers       = 100  // /message/system/publish.json
	MaxBroadcastUsers    = 1000 // audience.userid of /push.json
	MaxTitle             = 50   // characters, counted as UTF-16 units: stricter than code points
	MaxText              = 1000 // UTF-16 units of alert and pushContent, by policy
	MaxObjectName        = 32   // characters of a message type
	MaxContentBytes      = 32 << 10
	MaxBodyBytes         = 100_000 // one old page says "under 100 k"
	MaxBadge             = 9999
	maxPackageBytes      = 255 // no limit is documented; an Android package or iOS bundle id is shorter
	maxCollapseIDBytes   = 64  // APNs' own limit
	maxPushDataUnits     = MaxContentBytes
	maxExtraEntries      = 64
	maxShortBytes        = 1024 // ids, URLs and other short texts of vendor nodes
	jsonType, formType   = "application/json", "application/x-www-form-urlencoded"
	ios, android, harmon = "ios", "android", "harmonyos"
)

// Platforms are the wire literals of /push.json. No vendor sample shows HarmonyOS's: it is sent only if given.
var Platforms = []string{ios, android, harmon}

// InvalidError is a request refused locally: the vendor would refuse it, or do what nobody meant.
type InvalidError struct {
	Field  string // as the vendor spells it, with its path: "notification.ios.badge"
	Reason string
	ZH     string   // the reason in Chinese, where a rule file can be at fault; "" elsewhere
	Known  []string // what could stand in the place of an unknown key
}

func (e *InvalidError) Error() string { return "invalid request: " + e.Field + ": " + e.Reason }

// Class is "invalid": no class of a call, for no call was made.
func (e *InvalidError) Class() string { return "invalid" }

func invalid(field, format string, args ...any) error {
	return &InvalidError{Field: field, Reason: fmt.Sprintf(format, args...)}
}

// refuse is invalid for what a rule file can get wrong: it says it in both languages, from the same arguments.
func refuse(field, en, zh string, args ...any) error {
	return &InvalidError{Field: field, Reason: fmt.Sprintf(en, args...), ZH: fmt.Sprintf(zh, args...)}
}

// unknownKey refuses a key that is none of those that there are.
func unknownKey(field string, known []string) error {
	all := strings.Join(known, ", ")
	return &InvalidError{Field: field, Reason: "unknown key; there are " + all, ZH: "没有这一项；可用：" + all, Known: known}
}

// Problems takes an error of this package apart: every *InvalidError in it.
func Problems(err error) (out []*InvalidError) {
	switch e := err.(type) {
	case *InvalidError:
		return []*InvalidError{e}
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			out = append(out, Problems(inner)...)
		}
	}
	return out
}

// ValidUserID says whether s can be a user id: 1 to 64 bytes of A-Z a-z 0-9 + = - _.
func ValidUserID(s string) error { return validUserID("user id", s) }

func validUserID(field, s string) error {
	if s == "" || len(s) > MaxUserIDBytes {
		return refuse(field, "%d bytes; want 1 to %d", "长 %d 字节，应为 1 到 %d", len(s), MaxUserIDBytes)
	}
	if strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("+=-_", r))
	}) {
		return refuse(field, "%q: want only A-Z a-z 0-9 + = - _", "%q：只能用 A-Z a-z 0-9 + = - _", s)
	}
	return nil
}

// ValidTag says whether s can be a tag: 1 to 40 bytes of Unicode letters, digits, _ and -. The vendor says only "no
// special characters"; this is the set that every reading allows (A-10).
func ValidTag(s string) error { return validTag("tag", s) }

func validTag(field, s string) error {
	if s == "" || len(s) > MaxTagBytes {
		return refuse(field, "%[1]q has %[2]d bytes; want 1 to %[3]d (13 Han characters)", "%[1]q 长 %[2]d 字节，应为 1 到 %[3]d（13 个汉字）", s, len(s), MaxTagBytes)
	}
	if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsNumber(r) && r != '_' && r != '-'
	}) {
		return refuse(field, "%q: want only letters, digits, _ and -", "%q：只能用文字、数字、_ 和 -", s)
	}
	return nil
}

// tagSet checks, sorts and dedupes. It is never nil, since null is not [] at the vendor.
func tagSet(field string, tags []string) ([]string, error) {
	out := append([]string{}, tags...)
	slices.Sort(out)
	out = slices.Compact(out)
	for _, t := range out {
		if err := validTag(field, t); err != nil {
			return nil, err
		}
	}
	if len(out) > MaxTags {
		return nil, refuse(field, "%d tags; at most %d", "有 %d 个标签，最多 %d 个", len(out), MaxTags)
	}
	return out, nil
}

// unique keeps the first of each id: one twice in a call would be notified twice.
func unique(ids []string) []string {
	seen := make(map[string]bool, len(ids))
	out := make([]string, 0, len(ids))
	for _, id := range ids {
		if !seen[id] {
			seen[id] = true
			out = append(out, id)
		}
	}
	return out
}

// userList checks 1 to most ids and drops repeated ones, keeping the order.
func userList(field string, ids []string, most int) ([]string, error) {
	out := unique(ids)
	if len(out) == 0 || len(out) > most {
		return nil, invalid(field, "%d users; want 1 to %d", len(out), most)
	}
	for _, id := range out {
		if err := validUserID(field, id); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// units is the length in UTF-16 units, the strictest reading of "characters".
func units(s string) int {
	n := 0
	for _, r := range s {
		n += max(utf16.RuneLen(r), 1)
	}
	return n
}

// text checks a user-visible text; "" is absent.
func text(field, s string, most int) error {
	if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
		return refuse(field, "not valid UTF-8 text", "不是有效的 UTF-8 文字")
	}
	if n := units(s); n > most {
		return refuse(field, "%d characters (UTF-16 units); at most %d", "%d 个字（按 UTF-16 计），最多 %d", n, most)
	}
	return nil
}

// oneOf checks a closed list; "" is absent.
func oneOf(field, s string, values ...string) error {
	if s == "" || slices.Contains(values, s) {
		return nil
	}
	return refuse(field, "%q; want one of %s", "不能写 %q，可选：%s", s, strings.Join(values, ", "))
}

// httpsURL checks an image address; "" is absent.
func httpsURL(field, s string) error {
	if s != "" && !strings.HasPrefix(s, "https://") {
		return refuse(field, "%q: want an https:// address", "%q：应为 https:// 地址", s)
	}
	return text(field, s, maxShortBytes)
}

// zeroOne checks a 0/1 number; nil is absent.
func zeroOne(field string, n *int) error {
	if n != nil && *n != 0 && *n != 1 {
		return refuse(field, "%d; want 0 or 1", "%d：只能是 0 或 1", *n)
	}
	return nil
}

// first gives the first of all mistakes: a request is refused for one.
func first(errs ...error) error {
	for _, err := range errs {
		if bad := Problems(err); len(bad) > 0 {
			return bad[0]
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// every keeps all mistakes, for whoever mends a rule file.
func every(errs ...error) error { return errors.Join(errs...) }
