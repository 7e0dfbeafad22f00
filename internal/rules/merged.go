package rules

import (
	"cmp"
	"errors"
	"strconv"
	"strings"

	"github.com/notifier/notifier/internal/intent"
)

// RenderMerged writes the texts of a merge that closes. It needs nothing but what the intent carries, so a held merge
// reads as the revision that made it meant it.
//
// c holds templates, items the Vars of the kept triggers, oldest first (at most 20), count all triggers. ${first.x},
// ${latest.x} and ${list.x} speak of the items; a bare ${x} is the one of the trigger that m.Keep names, which is the
// same for all where x is part of the merge's key. m.One replaces title and body when count is 1.
func RenderMerged(c *intent.Content, m *intent.Merge, items []map[string]any, count int) (*intent.Content, error) {
	if c == nil || m == nil || len(items) == 0 {
		return nil, errors.New("render merge: there is nothing to render")
	}
	get := merged(items, count, m.Keep)
	raw := *c
	if m.One != nil && count == 1 {
		raw.Title, raw.Body = cmp.Or(m.One.Title, c.Title), cmp.Or(m.One.Body, c.Body)
	}
	var personal []string
	out, err := eachText(&raw, func(src string) (string, error) {
		t, terr := parseTemplate(src)
		if terr != nil {
			return "", terr
		}
		personal = t.told(personal, hasOne(c.Personal), get)
		if c.Open { // what the profile table and the clock fill is filled next
			return t.partial(get)
		}
		return t.render(get)
	})
	if err != nil {
		return nil, err
	}
	out.Personal = personal
	return out, nil
}

// merged is the items as templates ask them.
func merged(items []map[string]any, count int, keep intent.Keep) lookup {
	own := items[len(items)-1]
	if keep == intent.KeepFirst {
		own = items[0]
	}
	return func(ref string) (value, bool) {
		if ref == "count" {
			return value{text: strconv.Itoa(count)}, true
		}
		prefix, name, dotted := strings.Cut(ref, ".")
		switch {
		case dotted && prefix == "first":
			return fromVar(items[0][name])
		case dotted && prefix == "latest":
			return fromVar(items[len(items)-1][name])
		case dotted && prefix == "list":
			all := value{isList: true}
			for _, it := range items {
				if v, ok := fromVar(it[name]); ok {
					if v.isList {
						all.list = append(all.list, v.list...)
					} else {
						all.list = append(all.list, v.text)
					}
				}
			}
			return all, len(all.list) > 0
		}
		return fromVar(own[ref])
	}
}

// fromVar reads a value of Merge.Vars, also after a way through JSON.
func fromVar(x any) (value, bool) {
	switch x := x.(type) {
	case string:
		return value{text: x}, true
	case []string:
		return value{list: x, isList: true}, true
	case []any:
		v := value{isList: true, list: make([]string, 0, len(x))}
		for _, it := range x {
			s, ok := it.(string)
			if !ok {
				return value{}, false
			}
			v.list = append(v.list, s)
		}
		return v, true
	}
	return value{}, false
}
