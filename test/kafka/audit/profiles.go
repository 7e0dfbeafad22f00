package audit

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// profile is one profile event: the fields it speaks of. A nil value clears the field.
type profile struct {
	user   string
	at     time.Time
	gone   bool
	fields map[string]*string
}

// profileEntry is one catalogue entry for profile events; the paths lead into the payload.
type profileEntry struct {
	topic  string
	is     func(d delivery) bool
	person string // path to the user's object: login, type, site_admin
	also   map[string]string
}

var profileEntries = []profileEntry{
	{topic: "gh.profiles", is: kind("member"), person: "member"},
	{topic: "gh.profiles", person: "membership.user",
		is: func(d delivery) bool {
			return d.kind == "organization" && slices.Contains([]string{"member_added", "member_removed", "renamed"}, action(d))
		},
		also: map[string]string{"org_role": "membership.role", "org_state": "membership.state"}},
	{topic: "gh.senders", is: func(delivery) bool { return true }, person: "sender"},
}

// profileOf reads the event; ok is false when the user is missing (a dead letter).
func (e profileEntry) profileOf(d delivery) (profile, bool) {
	user, ok := str(d.doc, e.person+".login")
	if !ok || strings.TrimSpace(user) == "" {
		return profile{}, false
	}
	p := profile{user: user, at: d.at, fields: map[string]*string{}}
	paths := map[string]string{"account_type": e.person + ".type", "site_admin": e.person + ".site_admin"}
	maps.Copy(paths, e.also)
	for field, path := range paths {
		v, there := look(d.doc, path)
		switch x := v.(type) {
		case string:
			p.fields[field] = &x
		case bool:
			s := strconv.FormatBool(x)
			p.fields[field] = &s
		case nil:
			if there {
				p.fields[field] = nil
			}
		}
	}
	return p, true
}

// table folds profile events into the fields that hold in the end: per field the newest event wins, in whatever
// order they came.
type table map[string]map[string]stamped

type stamped struct {
	value *string
	at    time.Time
}

func (t table) add(p profile) {
	if p.gone { // the feed ends a user on the partition of its only events, so nothing older comes later
		t[p.user] = map[string]stamped{}
		return
	}
	row := t[p.user]
	if row == nil {
		row = map[string]stamped{}
		t[p.user] = row
	}
	for f, v := range p.fields {
		if old, ok := row[f]; !ok || p.at.After(old.at) {
			row[f] = stamped{v, p.at}
		}
	}
}

// tags are the tag rules of an account: ../rules/tags.yaml in Go.
func (t table) tags(account, user string) []string {
	field := func(name string) (string, bool) {
		s, ok := t[user][name]
		if !ok || s.value == nil {
			return "", false
		}
		return *s.value, true
	}
	set := map[string]bool{}
	give := func(prefix, f string) {
		if v, ok := field(f); ok && goodTag(v) {
			set[prefix+v] = true
		}
	}
	admin, _ := field("site_admin")
	role, _ := field("org_role")
	if account == "main" {
		give("type_", "account_type")
		give("role_", "org_role")
		give("member_", "org_state")
		if admin == "true" {
			set["site-admin"] = true
		}
	} else {
		give("gh_", "account_type")
		if role == "admin" {
			set["org-admin"] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// goodTag says whether a value may stand in a tag: Unicode letters, digits, _ and -, not empty.
func goodTag(s string) bool {
	for _, c := range s {
		if !unicode.IsLetter(c) && !unicode.IsDigit(c) && c != '_' && c != '-' {
			return false
		}
	}
	return s != ""
}
