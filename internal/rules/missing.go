package rules

// Missing counts how often a condition of the rule was not met because a field it needs was missing or of another type: the
// metric notifier_rule_missing_field_total.
func (r *Rule) Missing() (n int64) {
	for _, c := range r.when {
		n += c.missing.Load()
	}
	for _, c := range r.unless {
		n += c.missing.Load()
	}
	for _, g := range r.groups {
		n += g.missed.Load()
	}
	return n + r.left.Load()
}
