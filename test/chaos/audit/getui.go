package audit

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Getui is Input.Vendor of a run whose accounts are at Getui. Its difference: a call whose outcome is not known is made again under the
// same request ids, and the vendor drops what it had. So a call may arrive several times; a push still reaches its device once.
const Getui = "getui"

// What the daemon may do at Getui: tries of a push to users and to an audience, the time they may take, broadcasts in a minute and a day.
const (
	getuiTries     = 3
	getuiAppTries  = 2
	getuiWindow    = 10 * time.Minute
	getuiMinute    = 5
	getuiDay       = 20
	getuiPushToApp = "/push/tag"
	getuiMessage   = "/push/list/message"
	getuiLists     = "/push/list/"
	getuiTags      = "/user/custom_tag/"
)

// getuiSettles: the vendor accepts a change of tags before it is made, so the same tag of a device is not changed back within a minute. A call
// that is late may be executed a second or two after its outcome was given up, from which the minute counts.
const getuiSettles = 57 * time.Second

// The vendor's pages allow 100 changes of tags a minute and its table of codes 5. A run has the 100, the sandbox counts what is beyond the 5.
const (
	getuiTagMinute = 100
	getuiTagLeast  = 5
)

// getuiZone is where the vendor's days begin.
var getuiZone = time.FixedZone("Asia/Shanghai", 8*3600)

// route is the path of a call below its app.
func (c *call) route() string { return strings.TrimPrefix(c.Path, "/v2/"+c.App) }

// atGetui says where the call arrived.
func (c *call) atGetui() bool { return strings.HasPrefix(c.Path, "/v2/") }

// atGetui says where an account is.
func (c *checker) atGetui(account string) bool {
	return c.in.Vendor == Getui || account == GiftCID || account == GiftAlias
}

// asksGetui reports whether a call brings nothing to anybody: tokens, the probe, reads of tags, and the aliases that the test itself binds.
func (c *call) asksGetui() bool {
	return c.route() == "/auth" || c.route() == "/user/alias" || strings.HasPrefix(c.route(), "/user/status/") || c.Method == "GET" && strings.HasPrefix(c.route(), getuiTags)
}

// changesTags reports whether a call changes tags at Getui.
func (c *call) changesTags() bool {
	return c.Method != "GET" && strings.HasPrefix(c.route(), getuiTags)
}

// getuiSends notes what reached whom. What the vendor had already is no send.
func (c *checker) getuiSends(one *call) {
	if one.changesTags() {
		c.Calls[one.Method+" "+getuiTags]++
		return
	}
	c.Calls[one.route()]++
	for _, p := range one.pushes() {
		if !slices.Contains(one.Repeats, p.RequestID) {
			for _, k := range c.toWhom(one, p) {
				c.got[k]++
			}
		}
	}
}

// pushes are what a call to users or an audience holds.
func (c *call) pushes() []getuiPush {
	if c.body.Batch == nil {
		return []getuiPush{c.body.getuiPush}
	}
	return c.body.Batch
}

// toWhom names the sends of a push. A message that is stored for lists goes to nobody yet; a list says which.
func (c *checker) toWhom(one *call, p getuiPush) (out []sendKey) {
	text, users := p.Message.Notification.Body, []string{"*"}
	if one.route() == getuiMessage {
		c.messages[one.task()] = text
		return nil
	}
	if strings.HasPrefix(one.route(), getuiLists) {
		text = c.messages[one.body.TaskID]
	}
	if one.route() != getuiPushToApp {
		var to struct {
			CID   []string `json:"cid"`
			Alias []string `json:"alias"`
		}
		if json.Unmarshal(p.Audience, &to) != nil {
			c.problem("phantom: %s of %s has no audience that can be read", one.id(), one.App)
		}
		users = slices.Concat(to.CID, to.Alias)
	}
	rule, event, _ := strings.Cut(text, " ")
	for _, u := range users {
		out = append(out, sendKey{strings.TrimPrefix(one.App, "app-"), rule, event, u})
	}
	return out
}

// task is what the vendor called a message that it stored.
func (c *call) task() string {
	var answer struct {
		Data struct {
			TaskID string `json:"taskid"`
		} `json:"data"`
	}
	_ = json.Unmarshal(c.Answer, &answer) // empty: then a list that names it is a phantom
	return answer.Data.TaskID
}

// unclear reports whether whoever made the call cannot know what the vendor did: something stood between, and it was no answer of the vendor's.
func (c *call) unclear() bool { return c.Fault != "" && c.Fault != "code" }

// checkLists: a list carries no request id, so what went by one is never sent again, by a list or otherwise, unless the vendor has refused it.
func (c *checker) checkLists() {
	listed := map[sendKey]string{}
	for i := range c.calls {
		one := &c.calls[i]
		if !one.atGetui() || !strings.HasPrefix(one.route(), "/push/") || one.route() == getuiMessage {
			continue
		}
		for _, p := range one.pushes() {
			for _, k := range c.toWhom(one, p) {
				if by := listed[k]; by != "" {
					c.problem("list repeated: %s for event %s to %s went by %s, and comes again by %s", k.rule, k.event, k.target, by, one.id())
				}
				if strings.HasPrefix(one.route(), getuiLists) && (one.Executed || one.unclear()) {
					listed[k] = one.id()
				}
			}
		}
	}
}

// checkWindow: a push is UNKNOWN only when it could not be made again any more: after its last try, past its window, when it has expired; or if it
// went by a list, which may not be.
func (c *checker) checkWindow(i id, f *fateRecord) {
	tries := getuiTries
	if f.Action == "broadcast" {
		tries = getuiAppTries
	}
	a := c.l.ever[f.Attempt]
	if a == nil {
		return // said elsewhere
	}
	if strings.HasPrefix(a.Endpoint, getuiLists) {
		c.ListsUnknown++
		return
	}
	if w := c.x.wants[i]; w != nil && !w.expire.IsZero() && !c.l.unknownAt[f.Attempt].Before(w.expire) {
		return
	}
	began := a.Began
	if began.IsZero() {
		began = a.At
	}
	if a.Try < tries && c.l.unknownAt[f.Attempt].Sub(began) < getuiWindow {
		c.problem("UNKNOWN too early: %s is UNKNOWN after try %d of %d (%s)", i, max(a.Try, 1), tries, f.Detail)
	}
}

// checkGetuiQuota: the vendor has no reason to refuse a call for its limits, and the broadcasts are counted again.
func (c *checker) checkGetuiQuota() {
	c.checkChanges()
	at := map[string][]int64{}
	for i := range c.calls {
		one := &c.calls[i]
		limit := one.Code == 10003 || one.Code == 10005 || one.Code >= 30004 && one.Code <= 30015
		if limit && one.Fault == "" {
			c.Refused++
			c.problem("overrun: the vendor refused %s of %s for its limits (%d), our ledger should have", one.id(), one.App, one.Code)
		}
		if one.Executed && one.route() == getuiPushToApp && len(one.Repeats) == 0 {
			at[one.App] = append(at[one.App], one.AtMS)
		}
		if c.in.Vendor == Getui {
			c.Repeats += len(one.Repeats)
		}
	}
	for app, ts := range at {
		slices.Sort(ts)
		if len(ts) > getuiDay {
			c.problem("overrun: %s made %d broadcasts, %d a day are allowed", app, len(ts), getuiDay)
		}
		for i := getuiMinute; i < len(ts); i++ {
			if d := time.Duration(ts[i]-ts[i-getuiMinute]) * time.Millisecond; d < time.Minute {
				c.problem("overrun: %s made %d broadcasts in %s, %d a minute are allowed", app, getuiMinute+1, d, getuiMinute)
			}
		}
	}
}

// getuiIdle: while the day's slots last, a broadcast waits for a minute at most.
func (c *checker) getuiIdle(waiting int, account string) string {
	used := 0
	for _, a := range c.l.ever {
		if a.Lane == "app" && a.Account == "getui:key-"+account && a.State != "not-sent" {
			used++
		}
	}
	if waiting > 0 && used < getuiDay {
		return fmt.Sprintf("%s: %d broadcasts wait, %d of %d slots used", account, waiting, used, getuiDay)
	}
	return ""
}

// checkChanges: changes of tags keep to the day's number, also where it is ours, and none takes back what another gave a moment before.
func (c *checker) checkChanges() {
	type change struct {
		method string
		at     int64
	}
	last, changes, minutes := map[string]change{}, map[string]int{}, map[string]int{}
	executed := slices.DeleteFunc(slices.Clone(c.calls), func(one call) bool { return !one.Executed || !one.changesTags() })
	slices.SortStableFunc(executed, func(a, b call) int { return int(a.AtMS - b.AtMS) }) // a late call stands where it arrived
	for i := range executed {
		one := &executed[i]
		day := time.UnixMilli(one.AtMS).In(getuiZone).Format(time.DateOnly)
		account := strings.TrimPrefix(one.App, "app-")
		changes[account+" "+day]++
		if n := c.in.TagDay[account]; n > 0 && changes[account+" "+day] == n+1 {
			c.problem("overrun: %s changed tags more than %d times on %s", one.App, n, day)
		}
		minute := fmt.Sprint(account, one.AtMS/60_000)
		if minutes[minute]++; minutes[minute] == getuiTagMinute+1 {
			c.problem("overrun: %s changed tags more than %d times in a minute", one.App, getuiTagMinute)
		}
		for _, cid := range one.body.CIDs {
			key := one.Path + " " + cid
			if was, gap := last[key], time.Duration(one.AtMS-last[key].at)*time.Millisecond; was.method != "" && was.method != one.Method && gap < getuiSettles {
				c.problem("changed back: %s %s of %s comes %s after its opposite", one.Method, one.Path, cid, gap)
			}
			last[key] = change{one.Method, one.AtMS}
		}
	}
}

// bought counts the changes of tags that only the larger number allows: the sandbox's overruns that are none.
func (c *checker) bought() (n int) {
	if c.in.Vendor != Getui {
		return 0
	}
	minutes := map[string]int{}
	for i := range c.calls {
		if one := &c.calls[i]; one.Executed && one.changesTags() && one.Method != "POST" {
			if minutes[fmt.Sprint(one.App, one.AtMS/60_000)]++; minutes[fmt.Sprint(one.App, one.AtMS/60_000)] > getuiTagLeast {
				n++
			}
		}
	}
	return n
}

// waitsForTheDay reports whether a profile intent may be without a fate: the changes of tags that its account has a day are used up.
func (c *checker) waitsForTheDay(w *want) bool {
	most := c.in.TagDay[w.account]
	if w.action != "tags" || most == 0 {
		return false
	}
	y, m, d := c.l.end.In(getuiZone).Date()
	used := 0
	for _, a := range c.l.attempts {
		if a.Lane == "tag" && a.Account == "getui:key-"+w.account && a.State != "not-sent" && !a.At.Before(time.Date(y, m, d, 0, 0, 0, 0, getuiZone)) {
			used += a.Weight
		}
	}
	return used >= most
}

// undone are the users of an account whose tags wait for the next day, with the event that asks.
func (c *checker) undone(account string) map[string]*want {
	out := map[string]*want{}
	for i, w := range c.x.wants {
		if w.action == "tags" && w.account == account && c.fates[i] == nil {
			out[w.target] = w
		}
	}
	return out
}

// checkTold: of what the day's quota leaves undone the program says what it is, and that it goes after midnight.
func (c *checker) checkTold() {
	for account, told := range c.in.Told {
		var events []string
		for _, w := range c.undone(account) {
			events = append(events, w.event)
		}
		slices.Sort(events)
		slices.Sort(told.Events)
		if told.Waiting != len(events) || !slices.Equal(told.Events, events) {
			c.problem("not told: tags of %s wait for %v, the program says %d: %v", account, events, told.Waiting, told.Events)
		}
		y, m, d := c.l.end.In(getuiZone).Date()
		midnight := time.Date(y, m, d+1, 0, 0, 0, 0, getuiZone)
		if len(events) > 0 && (told.Until.Before(midnight) || told.Until.After(midnight.Add(5*time.Minute))) {
			c.problem("not told: tags of %s wait until midnight in Shanghai, the program says %s", account, told.Until)
		}
	}
}
