package sandbox

import (
	"regexp"
	"slices"
)

// An alias: letters, digits, underscore, Chinese; at most 39 characters and 10
// devices.
const (
	maxAlias     = 39
	maxAliasCIDs = 10
	maxPairs     = 1000
)

var aliases = regexp.MustCompile(`^[A-Za-z0-9_\p{Han}]+$`)

// aliasPair is one entry of data_list.
type aliasPair struct{ cid, alias string }

func (c *getuiCall) readPairs() ([]aliasPair, *getuiRefusal) {
	k := &fieldCheck{}
	var all []aliasPair
	var cids []string
	for _, x := range k.list(c.body, "data_list", maxPairs, true) {
		m, is := x.(map[string]any)
		if !is {
			k.fail("data_list type error")
		}
		p := aliasPair{k.text(m, "cid", 0, true), k.text(m, "alias", maxAlias, true)}
		if p.alias != "" && !aliases.MatchString(p.alias) {
			k.fail("alias is invalid")
		}
		all, cids = append(all, p), append(cids, p.cid)
	}
	k.unique("cid", cids)
	return all, k.refused
}

// bindAlias binds every pair or none. A device has one alias: a new one replaces it.
func (c *getuiCall) bindAlias() (any, *getuiRefusal) {
	pairs, refused := c.readPairs()
	if refused != nil {
		return nil, refused
	}
	after := map[string]int{} // devices by alias
	for _, p := range pairs {
		u := c.app.users[p.cid]
		if u == nil {
			return nil, badTarget
		}
		if u.alias != p.alias {
			after[p.alias]++
		}
	}
	for alias, more := range after {
		if len(c.app.aliases[alias])+more > maxAliasCIDs {
			return nil, badParameter("alias size over limit")
		}
	}
	for _, p := range pairs {
		if u := c.app.users[p.cid]; u.alias != p.alias {
			c.app.unbind(u)
			u.alias = p.alias
			c.app.aliases[p.alias] = append(c.app.aliases[p.alias], p.cid)
		}
	}
	c.executed = true
	return nil, nil
}

// unbindAlias takes pairs apart; one that is not bound is no mistake.
func (c *getuiCall) unbindAlias() (any, *getuiRefusal) {
	pairs, refused := c.readPairs()
	if refused != nil {
		return nil, refused
	}
	for _, p := range pairs {
		if u := c.app.users[p.cid]; u != nil && u.alias == p.alias {
			c.app.unbind(u)
		}
	}
	c.executed = true
	return nil, nil
}

func (c *getuiCall) unbindAll() (any, *getuiRefusal) {
	for _, cid := range slices.Clone(c.app.aliases[c.params[0]]) {
		c.app.unbind(c.app.users[cid])
	}
	c.executed = true
	return nil, nil
}

func (app *getuiApp) unbind(u *getuiUser) {
	left := slices.DeleteFunc(app.aliases[u.alias], func(cid string) bool { return cid == u.cid })
	if app.aliases[u.alias] = left; len(left) == 0 {
		delete(app.aliases, u.alias)
	}
	u.alias = ""
}

func (c *getuiCall) getAlias() (any, *getuiRefusal) {
	u := c.app.users[c.params[0]]
	if u == nil {
		return nil, badTarget
	}
	c.executed = true
	return map[string]any{"alias": u.alias}, nil
}

func (c *getuiCall) getCIDs() (any, *getuiRefusal) {
	c.executed = true
	return map[string]any{"cid": append([]string{}, c.app.aliases[c.params[0]]...)}, nil
}
