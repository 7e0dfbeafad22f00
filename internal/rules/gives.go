package rules

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
