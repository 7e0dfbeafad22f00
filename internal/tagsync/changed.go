package tagsync

import "slices"

// Changed books a call that gave the user a tag, or took it. sure is false where it may not have been executed, and cannot be any more.
func (u *User) Changed(op Op, sure bool) {
	may := u.may()
	switch {
	case op.Remove:
		u.Acked = without(u.Acked, op.Tag)
		if sure {
			may = without(may, op.Tag)
		}
	default:
		may = with(may, op.Tag)
		if sure {
			u.Acked = with(u.Acked, op.Tag)
		}
	}
	u.settle(may)
}

// Replaced books a call that gave the user a set instead of all tags before.
func (u *User) Replaced(set []string, sure bool) {
	if sure {
		u.Acked = set
		u.settle(set)
		return
	}
	may := u.may()
	for _, t := range set {
		may = with(may, t)
	}
	for _, t := range u.Acked {
		if !slices.Contains(set, t) {
			u.Acked = without(u.Acked, t)
		}
	}
	u.settle(may)
}

// may is all that the vendor may have.
func (u *User) may() []string {
	if u.Had != nil {
		return u.Had
	}
	return u.Acked
}

// settle keeps what the vendor may have only where it differs from what it certainly has.
func (u *User) settle(may []string) {
	if u.Acked == nil {
		u.Acked = []string{}
	}
	if u.Had = may; slices.Equal(may, u.Acked) {
		u.Had = nil
	}
}

// with and without change a sorted set.
func with(set []string, tag string) []string {
	i, found := slices.BinarySearch(set, tag)
	if found {
		return set
	}
	return slices.Insert(slices.Clone(set), i, tag)
}

func without(set []string, tag string) []string {
	return slices.DeleteFunc(slices.Clone(set), func(t string) bool { return t == tag })
}
