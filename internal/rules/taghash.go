package rules

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// TagRules names the tag rules of an account by what decides a user's set, and the files they come in. Rules of other names, in another
// order, with other titles or tests are the same: known users are evaluated again only when their tags may differ.
func (s *Set) TagRules(account string) (tags, set string) {
	if h, ok := s.tagHash[account]; ok {
		return h, s.Hash
	}
	return hashTagRules(nil), s.Hash
}

// hashTagRules is a fingerprint of tag rules as texts.
func hashTagRules(texts []string) string {
	slices.Sort(texts)
	sum := sha256.Sum256([]byte(strings.Join(texts, "\x00")))
	return hex.EncodeToString(sum[:8])
}

// tagText is a tag rule as far as it decides sets: its conditions, its templates, and the types of the fields they touch.
func (s *Set) tagText(r *Rule) string {
	var b strings.Builder
	field := func(name string) {
		if f := s.table[name]; f != nil {
			fmt.Fprintf(&b, " %s:%s", name, f.Type)
		}
	}
	conditions := func(what string, list []*condition) {
		for _, c := range list {
			fmt.Fprintf(&b, "%s %s\n", what, c.source)
			for _, name := range c.touches { // an alias in the source may mean another field tomorrow
				field(name)
			}
		}
	}
	conditions("when", r.when)
	conditions("unless", r.unless)
	for _, t := range r.tags {
		fmt.Fprintf(&b, "tag %s\n", t.t)
		for _, name := range t.fields {
			field(name)
		}
	}
	return b.String()
}
