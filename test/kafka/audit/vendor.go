package audit

import (
	"maps"
	"slices"
	"time"
)

// checkTags compares the vendor's tag sets with what the newest fields give, for every user that either side knows.
func (c *checker) checkTags() {
	for _, account := range Accounts() {
		users := map[string]bool{}
		for _, m := range []map[string][]string{c.in.Tags[account], c.in.Before[account]} {
			for u := range m {
				users[u] = true
			}
		}
		for u := range c.x.tags {
			users[u] = true
		}
		for _, u := range slices.Sorted(maps.Keys(users)) {
			_, known := c.x.tags[u]
			var want []string
			if known && vendorUser(u) {
				want = c.x.tags.tags(account, u)
			}
			before := c.in.Before[account][u]
			if !known || c.in.Keeps[account] {
				want = append(want, before...)
			}
			want = slices.Compact(sorted(want))
			got := sorted(c.in.Tags[account][u])
			if len(want) == 0 && len(before) > 0 && slices.Equal(got, sorted(before)) {
				continue // no rule ever gave this user a tag: whether what others gave is cleared is left open
			}
			if !slices.Equal(want, got) {
				c.problem("tags: %s/%s has %v, want %v", account, u, got, want)
			}
		}
	}
	for i := range c.calls {
		one := &c.calls[i]
		users, _, ok := one.tagged()
		if !ok || !one.Executed {
			continue
		}
		c.Calls[one.Path]++
		for _, u := range users {
			if _, known := c.x.tags[u]; !known {
				c.problem("tags extra: %s set the tags of %s, of whom no event spoke", one.Path, u)
			}
		}
	}
}

func sorted(tags []string) []string {
	out := slices.Clone(tags)
	slices.Sort(out)
	return out
}

// checkQuota asks the sandbox's counts, and counts the scarce calls again.
func (c *checker) checkQuota() {
	if c.in.Overruns > 0 {
		c.problem("overrun: the sandbox counts %d", c.in.Overruns)
	}
	if c.in.Doubles > 0 {
		c.problem("doubles: the sandbox counts %d", c.in.Doubles)
	}
	if c.in.Refused > 0 {
		c.problem("quota: the vendor refused %d calls, our own ledger should have", c.in.Refused)
	}
	at := map[string][]int64{} // app -> times of scarce calls
	for i := range c.calls {
		if one := &c.calls[i]; one.Executed && one.scarce() {
			at[one.App] = append(at[one.App], one.AtMS)
		}
	}
	c.checkSlots()
	for app, ts := range at {
		slices.Sort(ts)
		if len(ts) > 3 {
			c.problem("overrun: app %s made %d scarce calls, 3 a day are allowed", app, len(ts))
		}
		for i := 2; i < len(ts); i++ {
			if d := time.Duration(ts[i]-ts[i-2]) * time.Millisecond; d < time.Hour {
				c.problem("overrun: app %s made 3 scarce calls in %s, 2 an hour are allowed", app, d)
			}
		}
	}
}

// hourly is how many scarce calls an app may make in an hour; a run is shorter than that.
const hourly = 2

// checkSlots asks of each account with a broadcast that waits whether it has used its slots: what else would it wait for? Whatever arrived
// took one, and an UNKNOWN call that never did.
func (c *checker) checkSlots() {
	waits, used := map[string]int{}, map[string]int{}
	for i := range c.calls {
		if one := &c.calls[i]; one.scarce() {
			used[c.in.Apps[one.App]]++
		}
	}
	for id, w := range c.x.wants {
		if w.action != "broadcast" || c.intents[id].ID == "" {
			continue
		}
		switch f := c.fates[id]; {
		case f == nil:
			waits[w.account]++
		case f.Fate == "UNKNOWN" && c.got[id] == 0:
			used[w.account]++
		}
	}
	for account, n := range waits {
		if used[account] < hourly {
			c.problem("slot unused: %d broadcasts of %s wait, and %d of its %d slots are used", n, account, used[account], hourly)
		}
	}
}
