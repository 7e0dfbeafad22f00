package getui

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Documented limits of one call (getui.md 3 to 9). Texts are counted in characters; the vendor does not say which, so those of 3072 are
// held in bytes too.
const (
	MaxBatch      = 200  // messages of a batch
	MaxList       = 1000 // targets of a list push
	MaxAliasPairs = 1000
	MaxTagCIDs    = 1000
	MaxTags       = 100 // of one user
	MaxTagsLength = 512 // of all tags of one user, joined
	MaxBlack      = 200
	MaxStatus     = 1000
	MaxBadge      = 200
	MaxReport     = 200
	MaxConditions = 10
	MaxValues     = 100
	MaxTitle      = 50
	MaxText       = 256
	MaxBigText    = 512
	MaxURL        = 1024
	MaxIntent     = 2048 // 4096 in newer pages
	MaxPayload    = 3072
	MaxGroup      = 100
	MaxAlias      = 39
	MaxTag        = 31 // the code table says "below 32"
	MaxCollapse   = 64
	MaxMultimedia = 3
	MaxNotifyID   = 1<<31 - 1
	maxID         = 64 // of a cid or a taskid
)

// MaxTTL is the longest time that the vendor keeps a message for a user who is away.
const MaxTTL = 72 * time.Hour

// InvalidError says which field of a request breaks the contract.
type InvalidError struct {
	Field, Reason string
	ZH            string   // the reason in Chinese: the same to readers of rule files
	Known         []string // what could stand in the place of an unknown key
}

func (e *InvalidError) Error() string { return "getui: " + e.Field + ": " + e.Reason }

// invalid says it in both languages, from the same arguments.
func invalid(field, en, zh string, args ...any) error {
	return &InvalidError{Field: field, Reason: fmt.Sprintf(en, args...), ZH: fmt.Sprintf(zh, args...)}
}

// unknown refuses a key that is none of those that there are.
func unknown(field string, known []string) error {
	all := strings.Join(known, ", ")
	return &InvalidError{Field: field, Reason: "unknown key; there are " + all, ZH: "没有这一项；可用：" + all, Known: known}
}

// Problems are the findings in an error of this package.
func Problems(err error) []*InvalidError {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		var out []*InvalidError
		for _, e := range many.Unwrap() {
			out = append(out, Problems(e)...)
		}
		return out
	}
	if bad, ok := errors.AsType[*InvalidError](err); ok {
		return []*InvalidError{bad}
	}
	return nil
}

// every is all that is wrong; nil when nothing is.
func every(errs ...error) error { return errors.Join(errs...) }

// text bounds a text in characters; empty is fine.
func text(field, s string, most int) error {
	if !utf8.ValidString(s) {
		return invalid(field, "is not UTF-8", "不是 UTF-8")
	}
	if n := utf8.RuneCountInString(s); n > most {
		return invalid(field, "%d characters; at most %d", "%d 个字符；最多 %d 个", n, most)
	}
	return nil
}

func needed(field, s string, most int) error {
	if s == "" {
		return invalid(field, "missing", "缺少")
	}
	return text(field, s, most)
}

// payload is a text for the app, bounded in characters and in bytes.
func payload(field, s string) error {
	if len(s) > MaxPayload {
		return invalid(field, "%d bytes; at most %d", "%d 字节；最多 %d 字节", len(s), MaxPayload)
	}
	return text(field, s, MaxPayload)
}

func address(field, s string, most int) error {
	if s == "" {
		return nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" || u.Host == "" && u.Opaque == "" && u.Path == "" {
		return invalid(field, "is no address", "不是网址")
	}
	return text(field, s, most)
}

func between(field string, n *int, least, most int) error {
	if n != nil && (*n < least || *n > most) {
		return invalid(field, "%d; from %d to %d", "%d；应在 %d 到 %d 之间", *n, least, most)
	}
	return nil
}

func oneOf(field, s string, words ...string) error {
	if s == "" || slices.Contains(words, s) {
		return nil
	}
	return invalid(field, "%q; one of %s", "%q；可用：%s", s, strings.Join(words, ", "))
}

var requestIDs = regexp.MustCompile(`^[A-Za-z0-9_-]{10,32}$`)

func requestID(s string, optional bool) error {
	if s == "" && optional || requestIDs.MatchString(s) {
		return nil
	}
	return invalid("request_id", "%q; 10 to 32 of A-Z a-z 0-9 _ -", "%q；应为 10 到 32 个 A-Z a-z 0-9 _ -", s)
}

var groups = regexp.MustCompile(`^[A-Za-z0-9_-]{0,100}$`)

func groupName(s string) error {
	if len(s) > MaxGroup {
		return invalid("group_name", "%d characters; at most %d", "%d 个字符；最多 %d 个", len(s), MaxGroup)
	}
	if !groups.MatchString(s) {
		return invalid("group_name", "%q; only A-Z a-z 0-9 _ -", "%q；只能用 A-Z a-z 0-9 _ -", s)
	}
	return nil
}

// ValidCID reports why the vendor would refuse a client id.
func ValidCID(s string) error { return identifier("cid", s) }

func identifier(field, s string) error {
	switch {
	case s == "":
		return invalid(field, "missing", "缺少")
	case len(s) > maxID:
		return invalid(field, "%d characters; at most %d", "%d 个字符；最多 %d 个", len(s), maxID)
	case strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(",/?#%", r) }):
		return invalid(field, "%q; visible ASCII without , / ? # %%", "%q；只能用可见的 ASCII 字符，不含 , / ? # %%", s)
	}
	return nil
}

// ValidAlias reports why the vendor would refuse an alias: letters, digits, underscore and Han characters, at most 39.
func ValidAlias(s string) error {
	if err := needed("alias", s, MaxAlias); err != nil {
		return err
	}
	if strings.ContainsFunc(s, func(r rune) bool { return !word(r) }) {
		return invalid("alias", "%q; letters, digits, _ and Chinese characters", "%q；只能用字母、数字、_ 和汉字", s)
	}
	return nil
}

func word(r rune) bool {
	return r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || unicode.Is(unicode.Han, r)
}

// ValidTag reports why the vendor would refuse a tag.
func ValidTag(s string) error {
	if err := needed("custom_tag", s, MaxTag); err != nil {
		return err
	}
	if strings.ContainsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
		return invalid("custom_tag", "%q; no blanks", "%q；不能有空格", s)
	}
	return nil
}

// list holds 1 to most ids, each valid, none twice.
func list(field string, ids []string, most int, valid func(string) error) error {
	if len(ids) == 0 {
		return invalid(field, "missing", "缺少")
	}
	if len(ids) > most {
		return invalid(field, "%d; at most %d", "%d；最多 %d", len(ids), most)
	}
	seen := make(map[string]bool, len(ids))
	for _, id := range ids {
		if err := valid(id); err != nil {
			return err
		}
		if seen[id] {
			return invalid(field, "%q is there twice", "%q 出现了两次", id)
		}
		seen[id] = true
	}
	return nil
}

// Fit cuts a text to most characters, the last one an ellipsis.
func Fit(s string, most int) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most-1]) + "…"
}
