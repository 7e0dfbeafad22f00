package tagsync

import "slices"

// Op is a change by one tag, for vendors that give one tag to many users, or take it from them, in a call.
type Op struct {
	Tag    string
	Remove bool
}

// Differences are the ops that bring a user to want. has is what the vendor certainly has, may, if not nil, what it may have beyond
// that: a tag that is not certain is given again, one that may be there is taken.
func Differences(has, may, want []string) (ops []Op) {
	for _, t := range want {
		if !slices.Contains(has, t) {
			ops = append(ops, Op{Tag: t})
		}
	}
	if may == nil {
		may = has
	}
	for _, t := range may {
		if !slices.Contains(want, t) {
			ops = append(ops, Op{Tag: t, Remove: true})
		}
	}
	return ops
}

// Cheapest says whose whole set is to be replaced, in a call for one user, so that all that users wait for takes the fewest calls; what
// the others wait for goes by op, a call each for all users at once. may is who may be replaced; paid are ops whose call is made in any
// case. Of the cheapest mixes it is one with the fewest replacements.
//
// Each (user, op) needs the call of the user or that of the op: a smallest vertex cover of a bipartite graph, which a largest matching
// gives (König).
func Cheapest(waits map[string][]Op, may func(user string) bool, paid func(Op) bool) (replace map[string]bool) {
	free := map[Op]bool{} // made in any case
	for user, ops := range waits {
		stays := !may(user)
		for _, op := range ops {
			if stays || paid(op) {
				free[op] = true
			}
		}
	}
	users := map[Op][]string{}
	for user, ops := range waits {
		for _, op := range ops {
			if !free[op] {
				users[op] = append(users[op], user)
			}
		}
	}
	m := matching{users: users, opOf: map[string]Op{}, userOf: map[Op]string{}}
	for op := range users {
		m.match(op, map[string]bool{})
	}
	// Whoever an op without a partner reaches along alternating paths is in the cover; all else is covered by ops.
	replace = map[string]bool{}
	var reach func(op Op)
	reach = func(op Op) {
		for _, user := range users[op] {
			if !replace[user] {
				replace[user] = true
				reach(m.opOf[user])
			}
		}
	}
	for op := range users {
		if _, ok := m.userOf[op]; !ok {
			reach(op)
		}
	}
	return replace
}

// matching pairs ops with users, as many as there can be.
type matching struct {
	users  map[Op][]string
	opOf   map[string]Op
	userOf map[Op]string
}

// match finds the op a partner; those it asks may have to find another.
func (m *matching) match(op Op, asked map[string]bool) bool {
	for _, user := range m.users[op] {
		if asked[user] {
			continue
		}
		asked[user] = true
		other, taken := m.opOf[user]
		if !taken || m.match(other, asked) {
			m.opOf[user], m.userOf[op] = op, user
			return true
		}
	}
	return false
}
