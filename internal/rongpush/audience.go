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

// Filter is the users that have every tag of AllOf, at least one of AnyOf, and the app package; what is empty does not
// count. A Filter by package alone is as wide as everybody and needs AllowEveryone too.
type Filter struct {
	AllOf   []string
	AnyOf   []string
	Package string
}

func (All) audience()    {}
func (Users) audience()  {}
func (Filter) audience() {}

// audienceWire is the vendor's audience. is_to_all is always written.
type audienceWire struct {
	Tag         []string `json:"tag,omitempty"`
	TagOr       []string `json:"tag_or,omitempty"`
	UserID      []string `json:"userid,omitempty"`
	PackageName string   `json:"packageName,omitempty"`
	IsToAll     bool     `json:"is_to_all"`
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
		if w.Tag, err = tagSet("audience.tag", a.AllOf); err != nil {
			return w, err
		}
		if w.TagOr, err = tagSet("audience.tag_or", a.AnyOf); err != nil {
			return w, err
		}
		w.PackageName = a.Package
		if len(a.AllOf)+len(a.AnyOf) == 0 {
			if a.Package == "" {
				return w, invalid("audience", "an empty filter; everybody is asked for by All")
			}
			wide = true
		}
		if len(a.Package) > maxPackageBytes || !utf8.ValidString(a.Package) || strings.ContainsFunc(a.Package, func(r rune) bool { return r <= ' ' }) {
			return w, invalid("audience.packageName", "%q is no package name", a.Package)
		}
	default:
		return w, invalid("audience", "missing")
	}
	if wide && !allowEveryone {
		return w, everyoneRefused("audience")
	}
	return w, err
}

func everyoneRefused(field string) error {
	return invalid(field, "as wide as everybody; the account must allow it (allow: [everyone])")
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
