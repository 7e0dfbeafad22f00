package rongpush

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Audience is whom a Broadcast reaches: All, Users or Filter, never a mixture.
type Audience interface{ audience() }

// All is every user of the App Key. It needs the request's AllowEveryone.
type All struct{}

// Users are up to 1000 user ids.
type Users []string

// Filter is the users that have every tag of AllOf, at least one of AnyOf, none of NoneOf, and the app package; what is
// empty does not count. A Filter without AllOf and AnyOf is as wide as everybody and needs AllowEveryone too. NoneOf is
// for CustomPush only: /push.json cannot leave users out.
type Filter struct {
	AllOf   []string
	AnyOf   []string
	NoneOf  []string
	Package string
}

func (All) audience()    {}
func (Users) audience()  {}
func (Filter) audience() {}

// audienceWire is the vendor's audience. is_to_all is always written.
type audienceWire struct {
	Tag         []string  `json:"tag,omitempty"`
	TagOr       []string  `json:"tag_or,omitempty"`
	TagItems    []tagItem `json:"tagItems,omitempty"`
	UserID      []string  `json:"userid,omitempty"`
	PackageName string    `json:"packageName,omitempty"`
	IsToAll     bool      `json:"is_to_all"`
}

// tagItem is one condition of /push/custom.json. Everything is written: the vendor's examples contradict its comments
// about what an absent field means.
type tagItem struct {
	Tags          []string `json:"tags"`
	IsNot         bool     `json:"isNot"`
	TagsOperator  string   `json:"tagsOperator"`  // within the item
	ItemsOperator string   `json:"itemsOperator"` // to the items before
}

func newAudience(a Audience, allowEveryone bool) (audienceWire, error) {
	var w audienceWire
	var err error
	wide := false
	switch a := a.(type) {
	case All:
		w.IsToAll, wide = true, true
	case Users:
		w.UserID, err = userList("audience.userid", a, MaxBroadcastUsers)
	case Filter:
		w, wide, err = a.wire()
	default:
		return w, invalid("audience", "missing")
	}
	if err == nil && wide && !allowEveryone {
		return w, everyoneRefused("audience")
	}
	return w, err
}

func (f Filter) wire() (w audienceWire, wide bool, err error) {
	all, e1 := tagSet("audience.tag", f.AllOf)
	some, e2 := tagSet("audience.tag_or", f.AnyOf)
	none, e3 := tagSet("audience.tagItems", f.NoneOf)
	if err := every(e1, e2, e3); err != nil {
		return w, false, err
	}
	if len(all)+len(some)+len(none) == 0 && f.Package == "" {
		return w, false, invalid("audience", "an empty filter; everybody is asked for by All")
	}
	if len(f.Package) > maxPackageBytes || !utf8.ValidString(f.Package) || strings.ContainsFunc(f.Package, func(r rune) bool { return r <= ' ' }) {
		return w, false, refuse("audience.packageName", "%q is no package name", "%q 不是应用包名", f.Package)
	}
	w.PackageName = f.Package
	if len(none) > 0 {
		w.TagItems = tagItems(all, some, none)
	} else {
		w.Tag, w.TagOr = all, some
	}
	return w, len(all)+len(some) == 0, nil
}

// tagItems says `all and any and none` so that every reading of the vendor's words means the same: all items are joined
// by AND, so their order has no meaning, and what is left out stands alone in its item, so that "not" has one tag only.
func tagItems(all, some, none []string) (items []tagItem) {
	add := func(tags []string, not bool, op string) {
		if len(tags) > 0 {
			items = append(items, tagItem{Tags: tags, IsNot: not, TagsOperator: op, ItemsOperator: "AND"})
		}
	}
	add(all, false, "AND")
	add(some, false, "OR")
	for _, t := range none {
		add([]string{t}, true, "AND")
	}
	return items
}

func everyoneRefused(field string) error {
	return refuse(field, "as wide as everybody; the account must allow it (allow: [everyone])", "等于发给所有人，账号要先允许（allow: [everyone]）")
}

// platformList checks and sorts the platforms into the order of Platforms.
func platformList(given []string, required bool) ([]string, error) {
	if required && len(given) == 0 {
		return nil, invalid("platform", "missing; want some of %s", strings.Join(Platforms, ", "))
	}
	for _, p := range given {
		if !slices.Contains(Platforms, p) {
			return nil, invalid("platform", "%q; want some of %s", p, strings.Join(Platforms, ", "))
		}
	}
	var out []string
	for _, p := range Platforms {
		if slices.Contains(given, p) {
			out = append(out, p)
		}
	}
	return out, nil
}

func sorted(tags []string) []string {
	out := append([]string{}, tags...)
	slices.Sort(out)
	return out
}
