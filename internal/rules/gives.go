package rules

import "github.com/notifier/notifier/internal/intent"

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
