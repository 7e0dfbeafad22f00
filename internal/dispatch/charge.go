package dispatch

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/quota"
)

// toldWithin is how exact the time is at which somebody says that others used quota: people tell minutes.
const toldWithin = time.Minute

// charge books slots that somebody else used with our App Key, as an operator tells them. It adds up: each command is a use of its own.
func (a *actor) charge(c command, ans *ledger.Answer) {
	refuse := func(format string, args ...any) {
		ans.OK, ans.Refused, ans.Text = false, true, fmt.Sprintf(format, args...)
	}
	key := c.Args[ledger.ArgAccount]
	ac := a.accounts[key]
	if ac == nil {
		refuse("the settings of this instance have no such account")
		return
	}
	l := ac.lanes[strings.TrimPrefix(c.Target, key+"/")]
	n, err := strconv.Atoi(c.Args[ledger.ArgCount])
	at, terr := time.Parse(time.RFC3339Nano, c.Args[ledger.ArgAt])
	now := a.clock.now()
	switch {
	case l == nil || !l.scarce():
		refuse("the lane has no slots to charge: it is limited by the second")
	case err != nil || n < 1 || n > ledger.MaxCharge:
		refuse("%q is no number of slots from 1 to %d", c.Args[ledger.ArgCount], ledger.MaxCharge)
	case terr != nil || at.After(now.Add(maxSkew)):
		refuse("%s is in the future: nobody has used anything yet", c.Args[ledger.ArgAt])
	case now.Sub(at) > keepScarce:
		refuse("it is more than %s ago: it counts in no window any more", intent.Span(keepScarce))
	default:
		until := at.Add(toldWithin)
		if until.After(now) {
			until = now
		}
		x := a.external(l, at, n, "told by "+c.By+": "+c.Why)
		x.Until, x.By, x.Why = until.UTC(), c.By, c.Why
		a.w.Put(ledger.AttemptKey(x.ID), x)
		ans.Attempt, ans.Text = x.ID, fmt.Sprintf("%s of %s %s charged as used by somebody else", many(n, "slot", "slots"), l.full(), map[bool]string{true: "is", false: "are"}[n == 1])
		for _, u := range a.used(l, now) {
			ans.Text += fmt.Sprintf(", %s: %d/%d", limitText(u.Limit), u.Used, u.Limit.N)
		}
	}
}

// limitText is a limit for people; its String is a label.
func limitText(l quota.Limit) string {
	if l.Day {
		return l.String()
	}
	return CapText(intent.Cap{N: l.N, In: l.Window})
}
