package audit

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// eventID is how the feed writes event ids.
var eventID = regexp.MustCompile(`gh-\d{6}-[0-9a-f]{6}`)

// checkSends compares the executed calls with the intents both ways: a SENT intent is at the vendor exactly once, an
// UNKNOWN one at most once, any other not at all; and nothing else is there.
func (c *checker) checkSends() {
	index := map[string][]*want{}
	for _, w := range c.x.wants {
		if w.action != "tags" && !w.def.merged {
			index[sendKey(w.account, w.target, w.body)] = append(index[sendKey(w.account, w.target, w.body)], w)
		}
	}
	for i := range c.calls {
		one := &c.calls[i]
		p, ok := one.push()
		if !ok || !one.Executed {
			continue
		}
		c.Calls[one.Path]++
		users := p.users
		if users == nil {
			users = []string{"*"}
		}
		for _, u := range users {
			if strings.HasPrefix(p.body, "star-digest ") {
				continue // checkMerges
			}
			ws := index[sendKey(c.in.Apps[one.App], u, p.body)]
			if len(ws) == 0 {
				c.problem("push extra: %s to %s, app %s: %q", one.Path, u, one.App, p.body)
				continue
			}
			w := c.sender(ws)
			c.got[w.id]++
			c.checkShape(w, one, p)
		}
	}
	for id, w := range c.x.wants {
		if w.action == "tags" || w.def.merged {
			continue
		}
		f, n := c.fates[id], c.got[id]
		switch {
		case n > 1:
			c.problem("push twice: %s reached the vendor %d times", id, n)
		case n == 0 && f != nil && f.Fate == "SENT":
			c.problem("push missing: %s is SENT, the vendor has not seen it", id)
		case n == 1 && (f == nil || f.Fate != "SENT" && f.Fate != "UNKNOWN"):
			c.problem("push extra: %s is %s, but reached the vendor", id, f)
		}
	}
}

func sendKey(account, user, body string) string { return account + "\x00" + user + "\x00" + body }

// sender picks, of the twins with one text, the one that is not the duplicate.
func (c *checker) sender(ws []*want) *want {
	for _, w := range ws {
		if f := c.fates[w.id]; f == nil || f.Fate == "SENT" || f.Fate == "UNKNOWN" {
			return w
		}
	}
	return ws[0]
}

// checkShape looks at the rest of a call: endpoint, title, audience.
func (c *checker) checkShape(w *want, one *call, p push) {
	path := "/push/user.json"
	switch {
	case w.def.broadcast():
		path = "/push.json"
	case w.def.message:
		path = "/message/system/publish.json"
		if content := one.text("content"); !strings.Contains(content, w.event) {
			c.problem("message content: %s says %q", w.id, content)
		}
	}
	if one.Path != path {
		c.problem("endpoint: %s went to %s, want %s", w.id, one.Path, path)
	}
	if !w.def.message && p.title != w.def.title {
		c.problem("title: %s has %q, want %q", w.id, p.title, w.def.title)
	}
	if w.def.broadcast() {
		mode := "filter"
		if w.def.everyone {
			mode = "all"
		}
		e := one.Effective
		if e.Mode != mode || !slices.Equal(e.TagAnd, w.def.audience) || len(e.TagOr) > 0 || e.Pkg != nil && *e.Pkg != "" {
			c.problem("audience: %s reached %s %v %v", w.id, e.Mode, e.TagAnd, e.TagOr)
		}
	}
}

// checkMerges looks at the rule with `merge`: a SENT intent stands for itself and for all that coalesced into it, and
// its one call names the first and the latest of them and their number.
func (c *checker) checkMerges() {
	members := map[string][]*want{}
	heads := map[string]*want{} // by account, user and a member's event
	for _, w := range c.x.wants {
		f := c.fates[w.id]
		if w.def == nil || !w.def.merged || f == nil || f.Reason == "duplicate" {
			continue
		}
		head := w
		if f.Fate == "COALESCED" {
			var ok bool
			if head, ok = c.end(f); !ok {
				continue // said already
			}
		}
		members[head.id] = append(members[head.id], w)
		heads[sendKey(w.account, w.target, w.event)] = head
	}
	for i := range c.calls {
		one := &c.calls[i]
		p, ok := one.push()
		if !ok || !one.Executed || !strings.HasPrefix(p.body, "star-digest ") {
			continue
		}
		for _, u := range p.users {
			ids := eventID.FindAllString(p.body, -1)
			if len(ids) != 2 {
				c.problem("merge text: %q to %s", p.body, u)
				continue
			}
			first, latest := heads[sendKey(c.in.Apps[one.App], u, ids[0])], heads[sendKey(c.in.Apps[one.App], u, ids[1])]
			if first == nil || first != latest {
				c.problem("push extra: %q to %s belongs to no merge", p.body, u)
				continue
			}
			c.got[first.id]++
			n := len(members[first.id])
			if want := fmt.Sprintf("star-digest %s %s", ids[0], ids[1]); p.body != want || p.title != strconv.Itoa(n)+" new stars" {
				c.problem("merge text: %q %q to %s, for %d stars", p.title, p.body, u, n)
			}
		}
	}
	for id := range members {
		f, n := c.fates[id], c.got[id]
		switch {
		case n > 1:
			c.problem("push twice: %s reached the vendor %d times", id, n)
		case n == 0 && f != nil && f.Fate == "SENT":
			c.problem("push missing: %s is SENT, the vendor has not seen it", id)
		case n == 1 && (f == nil || f.Fate != "SENT" && f.Fate != "UNKNOWN"):
			c.problem("push extra: %s is %s, but reached the vendor", id, f)
		}
	}
}
