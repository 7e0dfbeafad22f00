package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/notifier/notifier/internal/intent"
)

// Gives reports whether a tag could come from one of the account's tag rules, live or off. What none of them could give is
// somebody else's (settings: tags.foreign).
func (s *Set) Gives(account, tag string) bool {
	for _, r := range s.tagRules[account] {
		for _, t := range r.tags {
			if t.pattern.MatchString(tag) {
				return true
			}
		}
	}
	return false
}

// Given says of a tag where it comes from.
type Given struct {
	Tag      string
	Rule     *Rule
	Template string
	Kept     bool // the user has it, and nobody can say whether the rule gives it: a field that it asks is unknown
}

// Givers gives the tags of Tags with their rules and templates, in the order of the files; two rules may give one tag.
func (s *Set) Givers(account string, row func(field string) (v intent.Value, known bool), current []string) (out []Given) {
	src := tableSource{after: row, table: s.table, zone: s.opt.Zone}
	unknown := unknownIn(row)
	for _, r := range s.tagRules[account] {
		if r.Mode == Off {
			continue
		}
		v := r.tagVerdict(src, unknown)
		for _, t := range r.tags {
			g := Given{Rule: r, Template: t.t.String(), Kept: v == unsure || v == yes && unknown(t.fields)}
			switch {
			case g.Kept:
				for _, tag := range current {
					if t.pattern.MatchString(tag) {
						g.Tag = tag
						out = append(out, g)
					}
				}
			case v == yes:
				if tag, err := renderTag(t.t, texts(src)); err == nil && validTag(tag) {
					g.Tag = tag
					out = append(out, g)
				}
			}
		}
	}
	return out
}

// LeftOut is a template of a tag rule that matches and gives no tag all the same.
type LeftOut struct {
	Rule     *Rule
	Template string
	Why      string // in English; FaultZH has it in Chinese
	Seen     string // the values of its fields
}

// LeftOut says which templates of the tag rules that match a row give no tag, in the order of the files. What is unknown gives none
// either, but a tag that the user has of it stays: that one is among Givers.
func (s *Set) LeftOut(account string, row func(field string) (v intent.Value, known bool), current []string) (out []LeftOut) {
	src := tableSource{after: row, table: s.table, zone: s.opt.Zone}
	unknown := unknownIn(row)
	wanted := s.Tags(account, row, current)
	for _, r := range s.tagRules[account] {
		if r.Mode == Off || r.tagVerdict(src, unknown) != yes {
			continue
		}
		for _, t := range r.tags {
			l := LeftOut{Rule: r, Template: t.t.String()}
			if i := slices.IndexFunc(t.fields, func(f string) bool { _, known := row(f); return !known }); i >= 0 {
				if !slices.ContainsFunc(current, t.pattern.MatchString) {
					l.Why = fmt.Sprintf("field %s is unknown", t.fields[i])
					out = append(out, l)
				}
				continue
			}
			tag, err := renderTag(t.t, texts(src))
			switch {
			case err != nil:
				l.Why = err.Error()
			case !slices.Contains(wanted, tag):
				l.Why = fmt.Sprintf("the user has %d tags without it, the most there may be", maxTags)
			default:
				continue
			}
			var seen []string
			for _, f := range t.fields {
				if v, ok := texts(src)(f); ok {
					seen = append(seen, fmt.Sprintf("%s = %q", f, flat(v)))
				}
			}
			l.Seen = strings.Join(seen, ", ")
			out = append(out, l)
		}
	}
	return out
}
