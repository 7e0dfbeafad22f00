package sandbox

import "strings"

// users are the known devices of a list in the path; all unknown is a mistake.
func (c *getuiCall) users(most int) (known []*getuiUser, refused *getuiRefusal) {
	ids := strings.Split(c.params[0], ",")
	if len(ids) > most {
		return nil, badParameter("cid size over limit")
	}
	for _, cid := range ids {
		if u := c.app.users[cid]; u != nil {
			known = append(known, u)
		}
	}
	if known == nil {
		return nil, badTarget
	}
	c.executed = true
	return known, nil
}

func (c *getuiCall) block() (any, *getuiRefusal)   { return nil, c.blacken(true) }
func (c *getuiCall) unblock() (any, *getuiRefusal) { return nil, c.blacken(false) }

func (c *getuiCall) blacken(black bool) *getuiRefusal {
	users, refused := c.users(200)
	for _, u := range users {
		u.black = black
	}
	return refused
}

func (c *getuiCall) userStatus() (any, *getuiRefusal) {
	users, refused := c.users(1000)
	if refused != nil {
		return nil, refused
	}
	data := map[string]any{}
	for _, u := range users {
		word := "offline"
		if u.online {
			word = "online"
		}
		data[u.cid] = map[string]any{"last_login_time": c.time(u.lastLogin), "status": word}
	}
	return data, nil
}

// setBadge has no effect that could be looked at.
func (c *getuiCall) setBadge() (any, *getuiRefusal) {
	k := &fieldCheck{}
	if text := k.text(c.body, "badge", 0, true); !badges.MatchString(text) {
		k.fail("badge is invalid")
	}
	if k.refused != nil {
		return nil, k.refused
	}
	_, refused := c.users(200)
	return nil, refused
}

func (c *getuiCall) countUsers() (any, *getuiRefusal) {
	k := &fieldCheck{}
	conditions := readConditions(k, c.body)
	if k.refused != nil {
		return nil, k.refused
	}
	c.executed = true
	n := 0
	for _, u := range c.app.users {
		if meets(u, conditions) {
			n++
		}
	}
	return map[string]any{"user_count": n}, nil
}
