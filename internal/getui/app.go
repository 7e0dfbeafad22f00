package getui

import (
	"net/http"
	"strings"
)

// The endpoints of pushes to an audience.
var (
	AppAll     = Endpoint{Method: http.MethodPost, Name: "/push/all", Lane: LaneApp, Repeatable: true, Fresh: true}
	AppTag     = Endpoint{Method: http.MethodPost, Name: "/push/tag", Lane: LaneApp, Repeatable: true, Fresh: true}
	AppFastTag = Endpoint{Method: http.MethodPost, Name: "/push/fast_custom_tag", Lane: LaneFastTag, Repeatable: true, Fresh: true}
)

// Everybody is a push to all users of the app.
type Everybody struct {
	AllowEveryone bool // said by the account's settings; without it nothing leaves
	Push
}

func (Everybody) Endpoint() Endpoint { return AppAll }
func (Everybody) Path() string       { return AppAll.Name }

func (r Everybody) Body() ([]byte, error) {
	if !r.AllowEveryone {
		return nil, invalid("audience", "everybody is not allowed for this account", "这个账号不允许发给所有人")
	}
	if err := every(requestID(r.RequestID, false), r.Push.validate()); err != nil {
		return nil, err
	}
	return encode(r.Push.to("all"))
}

// Condition is one line of an audience: conditions are intersected, Op joins the values of one.
type Condition struct {
	Key    string   `json:"key"` // phone_type, region, custom_tag, portrait
	Values []string `json:"values"`
	Op     string   `json:"opt_type"` // or, and, not
}

// Matching is a push to the users who meet all conditions.
type Matching struct {
	Conditions []Condition
	Push
}

func (Matching) Endpoint() Endpoint { return AppTag }
func (Matching) Path() string       { return AppTag.Name }

func (r Matching) Body() ([]byte, error) {
	if err := every(requestID(r.RequestID, false), conditions(r.Conditions), r.Push.validate()); err != nil {
		return nil, err
	}
	return encode(r.Push.to(map[string][]Condition{"tag": r.Conditions}))
}

func conditions(all []Condition) error {
	if len(all) == 0 {
		return invalid("audience.tag", "missing", "缺少")
	}
	if len(all) > MaxConditions {
		return invalid("audience.tag", "%d conditions; at most %d", "%d 个条件；最多 %d 个", len(all), MaxConditions)
	}
	for _, c := range all {
		if c.Key == "" || c.Op == "" {
			return invalid("audience.tag", "a condition has a key and an opt_type", "每个条件都要有 key 和 opt_type")
		}
		if err := every(oneOf("key", c.Key, "phone_type", "region", "custom_tag", "portrait"), oneOf("opt_type", c.Op, "or", "and", "not"),
			list("values", c.Values, MaxValues, func(v string) error { return value(c.Key, v) })); err != nil {
			return err
		}
	}
	return nil
}

func value(key, v string) error {
	switch key {
	case "phone_type":
		if v == "" {
			return invalid("values", "missing", "缺少")
		}
		return oneOf("values", v, "android", "ios")
	case "region":
		if v == "" || strings.Trim(v, "0123456789") != "" {
			return invalid("values", "%q; the vendor's numeric code of the region", "%q；应为个推的数字地区编码", v)
		}
		return text("values", v, 32)
	case "custom_tag":
		return ValidTag(v)
	}
	return needed("values", v, 64)
}

// FastTag is a push to the users with one tag; the vendor sells it apart.
type FastTag struct {
	Tag string
	Push
}

func (FastTag) Endpoint() Endpoint { return AppFastTag }
func (FastTag) Path() string       { return AppFastTag.Name }

func (r FastTag) Body() ([]byte, error) {
	if err := every(requestID(r.RequestID, false), ValidTag(r.Tag), r.Push.validate()); err != nil {
		return nil, err
	}
	return encode(r.Push.to(map[string]string{"fast_custom_tag": r.Tag}))
}
