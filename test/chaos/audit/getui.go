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
)

// route is the path of a call below its app.
func (c *call) route() string { return strings.TrimPrefix(c.Path, "/v2/"+c.App) }

// asksGetui reports whether a call sends nothing to anybody: tokens, and the probe.
func (c *call) asksGetui() bool {
	return c.route() == "/auth" || strings.HasPrefix(c.route(), "/user/status/")
}

// getuiSends notes what reached whom. What the vendor had already is no send.
func (c *checker) getuiSends(one *call) {
	c.Calls[one.route()]++
	account := strings.TrimPrefix(one.App, "app-")
	pushes := one.body.Batch
	if pushes == nil {
		pushes = []getuiPush{one.body.getuiPush}
	}
	for _, p := range pushes {
		if slices.Contains(one.Repeats, p.RequestID) {
			continue
		}
		users := []string{"*"}
		if one.route() != getuiPushToApp {
			var to struct {
				CID []string `json:"cid"`
			}
			if json.Unmarshal(p.Audience, &to) != nil {
				c.problem("phantom: %s of %s has no audience that can be read", one.id(), one.App)
			}
			users = to.CID
		}
		rule, event, _ := strings.Cut(p.Message.Notification.Body, " ")
		for _, u := range users {
			c.got[sendKey{account, rule, event, u}]++
		}
	}
}

// checkWindow: a push is UNKNOWN only when it could not be made again any more.
func (c *checker) checkWindow(i id, f *fateRecord) {
	tries := getuiTries
	if f.Action == "broadcast" {
		tries = getuiAppTries
	}
	a := c.l.ever[f.Attempt]
	if a == nil {
		return // said elsewhere
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
		c.Repeats += len(one.Repeats)
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
