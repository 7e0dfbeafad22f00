package sandbox

import (
	"encoding/json"
	"slices"
	"strings"
)

// Effective is whom a send reaches after the vendor's precedence rules (E4): an
// audience with is_to_all reaches everybody whatever stands beside it, and named
// users beat every other criterion.
type Effective struct {
	Mode      string            `json:"mode"`      // all, users, filter, online
	Platforms []string          `json:"platforms"` // all and filter; nil when the endpoint has none
	Users     []string          `json:"users"`     // users
	TagAnd    []string          `json:"tag_and"`   // filter: every one is set
	TagOr     []string          `json:"tag_or"`    // filter: at least one is set
	TagItems  []json.RawMessage `json:"tag_items"` // filter of /push/custom.json, as sent
	Package   string            `json:"package"`   // filter; empty = any
}

// MarshalJSON writes the parts that the mode has, as the vendor cases show them.
func (e Effective) MarshalJSON() ([]byte, error) {
	out := map[string]any{"mode": e.Mode}
	switch e.Mode {
	case "users":
		out["users"] = e.Users
	case "filter":
		out["tag_and"], out["tag_or"], out["package"] = e.TagAnd, e.TagOr, nil
		if e.Package != "" {
			out["package"] = e.Package
		}
		if e.TagItems != nil {
			out["tag_items"] = e.TagItems
		}
		fallthrough
	default:
		if e.Platforms != nil {
			out["platforms"] = e.Platforms
		}
	}
	return json.Marshal(out)
}

var (
	audienceFields = []field{
		opt("tag", list(0, 20, tag)),
		opt("tag_or", list(0, 20, tag)),
		opt("userid", list(0, 1000, userID)),
		opt("packageName", anyText),
		opt("is_to_all", boolean),
	}
	tagItem = object(
		req("tags", list(1, 0, tag)),
		opt("isNot", boolean),
		opt("tagsOperator", oneOf(`"AND"`, `"OR"`)),
		opt("itemsOperator", oneOf(`"AND"`, `"OR"`)),
	)
	audience     = object(audienceFields...)
	plusAudience = object(append(audienceFields[:len(audienceFields):len(audienceFields)], opt("tagItems", list(0, 0, tagItem)))...)
)

// resolve applies the precedence of E4 to a checked body. The second result is
// false when the audience has no criterion at all.
func resolve(body map[string]any) (Effective, bool) {
	a := objectOf(body, "audience")
	on := stringsOf(body, "platform")
	for i := range on {
		on[i] = strings.ToLower(on[i])
	}
	if boolOf(a, "is_to_all") {
		return Effective{Mode: "all", Platforms: on}, true
	}
	if users := stringsOf(a, "userid"); len(users) > 0 {
		return Effective{Mode: "users", Users: users}, true
	}
	e := Effective{
		Mode: "filter", Platforms: on,
		TagAnd: stringsOf(a, "tag"), TagOr: stringsOf(a, "tag_or"), Package: stringOf(a, "packageName"),
	}
	items, _ := a["tagItems"].([]any)
	for _, item := range items {
		if raw, err := json.Marshal(item); err == nil {
			e.TagItems = append(e.TagItems, raw)
		}
	}
	return e, len(e.TagAnd)+len(e.TagOr)+len(e.TagItems) > 0 || e.Package != ""
}

// target is the cross-field rule of an audience: some criterion, and platforms
// unless users are named.
func target(_ bool, at string, v any) *refusal {
	m, _ := v.(map[string]any)
	e, ok := resolve(m)
	if !ok {
		return wrong(join(at, "audience"), "has no criterion: is_to_all, userid, tag, tag_or or packageName")
	}
	if e.Mode != "users" && len(e.Platforms) == 0 {
		return wrong(join(at, "platform"), "is required")
	}
	return nil
}

// matchedMost bounds the users that a journal entry names.
const matchedMost = 1000

// matched lists the users in the tag store whom the tags of an audience pick, in
// order; nil when it names no tags. Package and platform are properties of devices,
// which the sandbox does not have.
func matched(store map[string][]string, audience map[string]any) []string {
	and, or := stringsOf(audience, "tag"), stringsOf(audience, "tag_or")
	items, _ := audience["tagItems"].([]any)
	if len(and)+len(or)+len(items) == 0 {
		return nil
	}
	out := []string{}
	for user, tags := range store {
		if allOf(tags, and) && (len(or) == 0 || anyOf(tags, or)) && (len(items) == 0 || itemsPick(tags, items)) {
			out = append(out, user)
		}
	}
	slices.Sort(out)
	return out[:min(len(out), matchedMost)]
}

// itemsPick evaluates tagItems from left to right, without precedence of AND over
// OR: itemsOperator joins an item to the result of those before it, so the first
// item's says nothing. Both operators are OR unless given, as in the vendor's SDK.
func itemsPick(tags []string, items []any) bool {
	picked := false
	for i, v := range items {
		item, _ := v.(map[string]any)
		hit := anyOf(tags, stringsOf(item, "tags"))
		if stringOf(item, "tagsOperator") == "AND" {
			hit = allOf(tags, stringsOf(item, "tags"))
		}
		hit = hit != boolOf(item, "isNot")
		switch {
		case i == 0:
			picked = hit
		case stringOf(item, "itemsOperator") == "AND":
			picked = picked && hit
		default:
			picked = picked || hit
		}
	}
	return picked
}

func allOf(tags, want []string) bool {
	return !slices.ContainsFunc(want, func(t string) bool { return !slices.Contains(tags, t) })
}

func anyOf(tags, want []string) bool {
	return slices.ContainsFunc(want, func(t string) bool { return slices.Contains(tags, t) })
}
