package audit

import (
	"encoding/json"
	"slices"
	"strings"
)

// writtenTags is what the vendor last executed for a user.
type writtenTags struct {
	set    string
	killed bool // by a call that was open when its process was killed, or by one that only said the same since
}

// countRepeats counts tag calls that told the vendor nothing new: each user in them had just this set already. That is what a call costs that
// is made again, however many users are in it; users who join a call that is needed anyhow cost none. A repeat is a kill's when the last
// call that changed one of its users was open as its process was killed.
func (c *checker) countRepeats() {
	last := map[string]writtenTags{}
	for i := range c.calls {
		one := &c.calls[i]
		if !one.Executed || one.Path != "/user/tag/set.json" && one.Path != "/user/tag/batch/set.json" {
			continue
		}
		users := one.body.UserIDs
		if one.body.UserID != "" {
			users = []string{one.body.UserID}
		}
		var tags []string
		_ = json.Unmarshal(one.body.Tags, &tags) // the vendor has executed it
		set := strings.Join(slices.Sorted(slices.Values(tags)), "\x00")
		needless, killed := true, false
		for _, u := range users {
			was, ok := last[one.App+"\x00"+u]
			if ok && was.set == set {
				killed = killed || was.killed
			} else {
				needless = false
			}
		}
		for _, u := range users {
			was, ok := last[one.App+"\x00"+u]
			same := ok && was.set == set
			last[one.App+"\x00"+u] = writtenTags{set, c.l.orphans[one.id()] || same && was.killed}
		}
		if needless {
			c.Needless++
			if killed {
				c.Repeats++
			}
		}
	}
}
