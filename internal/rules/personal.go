package rules

import (
	"slices"
	"strings"
)

// personal gives the personal fields that a text of the content has.
func (c *content) personal(s *scope) (out []string) {
	for _, t := range c.templates() {
		for _, ref := range t.refs() {
			if name := fieldOf(ref); s.hides[name] && !isOpen(ref) && !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	return out
}

// fieldOf gives the field of first.x, latest.x, list.x and before.x.
func fieldOf(ref string) string { return ref[strings.LastIndexByte(ref, '.')+1:] }

// hasOne says of a hole whether it has one of the fields.
func hasOne(fields []string) func(ref string) bool {
	return func(ref string) bool { return !isOpen(ref) && slices.Contains(fields, fieldOf(ref)) }
}

// told appends what the template's personal holes write, of a list also each of its texts: a vendor may quote one of them alone.
func (t *template) told(to []string, personal func(ref string) bool, get lookup) []string {
	if t == nil {
		return to
	}
	for i := range t.parts {
		p := &t.parts[i]
		if p.ref == "" || !personal(p.ref) {
			continue
		}
		whole, ok := get(p.ref)
		if !ok || whole.empty() {
			continue
		}
		written := p.with(whole)
		values := []value{whole}
		for j := range whole.list {
			values = append(values, value{list: whole.list[j : j+1], isList: true})
		}
		for _, v := range values {
			if s := p.with(v); s != "" && strings.Contains(written, s) && !slices.Contains(to, s) {
				to = append(to, s)
			}
		}
	}
	return to
}

// with is what the hole writes of a value; "" when it cannot.
func (p *part) with(raw value) string {
	v, err := p.value(func(string) (value, bool) { return raw, true })
	if err != nil {
		return ""
	}
	return flat(v)
}
