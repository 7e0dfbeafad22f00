package dispatch

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
)

// A rule may name several accounts, to be tried in order: the next only after *not sent*. An account's owner gives it up for an intent
// that certainly was not sent (it waits in the queue of its lane: a call with it was never made, or never left, or was refused) while
//
//   - the lane is closed (credentials, service, breaker) and the time for its next trial has not come, or
//   - the last maxNotSent calls of the lane did not leave, and the pause after the last of them is not over.
//
// Then the intent ends as COALESCED into one of the next account, which is written to the intents topic in the same transaction: one
// fate each, and the next account's owner takes it in like any other, whoever and wherever it is. What is in flight or ambiguous is
// never handed over (AT-MOST-ONCE): it is in no queue. When a trial is due one intent stays to make it, so the first account is used
// again once it works. The last account of the list is waited for, as if it were the only one.

// handedOver begins the detail of the fate of an intent that the next account has now.
const handedOver = "handed over to account "

// maxNotSent is how many calls in a row may fail to leave before the next account is tried: the client has tried both hosts each time,
// and the pauses between them are a quarter, a half and one second.
const maxNotSent = 3

// maxHandOver bounds the intents that a turn hands over, and so the size of its transaction.
const maxHandOver = 2000

// spareItem remembers a queued item that may go to another account.
func (l *lane) spareItem(it *item) {
	if len(it.intent().Next) == 0 || it.spare {
		return
	}
	it.spare = true
	l.spare = append(l.spare, it)
	if len(l.spare) > 2*(l.queue.n+len(l.casts))+1024 { // most have left
		l.spare = slices.DeleteFunc(l.spare, func(it *item) bool {
			it.spare = it.state == queued
			return !it.spare
		})
	}
}

// countNotSent counts the calls in a row that did not leave; those that were in flight together count once.
func (l *lane) countNotSent(at *ledger.Attempt, class Class) {
	switch {
	case class != ClassNotSent:
		l.notSent = 0
	case l.news(at.At):
		l.notSent++
	}
}

// givenUp says why a lane's intents go to the next account now; "" when they do not.
func (l *lane) givenUp(now time.Time) string {
	switch {
	case l.closed != nil && now.Before(l.closed.Retry):
		return "lane " + l.full() + " is stopped: " + l.closed.Reason
	case l.closed == nil && l.notSent >= maxNotSent && l.notBefore.After(now):
		return fmt.Sprintf("%d calls of lane %s in a row did not leave", l.notSent, l.full())
	}
	return ""
}

// handOver gives the queued intents of a lane that is given up to their next accounts.
func (a *actor) handOver(l *lane, now time.Time) {
	if len(l.spare) == 0 {
		return
	}
	why := l.givenUp(now)
	if why == "" {
		return
	}
	moved, seen := 0, 0
	for _, it := range l.spare {
		if moved == maxHandOver {
			a.wakeAt(now)
			break
		}
		seen++
		it.spare = false
		if it.state != queued || it.group == nil && !slices.Contains(l.casts, it) { // it left, is paused, or is a half of a refused call
			continue
		}
		if a.pass(it, why) {
			moved++
		}
	}
	l.spare = slices.Delete(l.spare, 0, seen)
	if moved > 0 {
		a.log.Warn("intents go to the next account of their rule", laneField(l.full()), reasonField(why), zap.Int("intents", moved))
	}
}

// pass makes of an item an intent of the next account that the settings have; false: there is none, and it waits where it is.
func (a *actor) pass(it *item, why string) bool {
	in := it.p().Intent
	for i, name := range in.Next {
		at := slices.IndexFunc(a.opt.Accounts, func(ac *Account) bool { return ac.Name == name })
		if at < 0 {
			continue
		}
		next := handed(it.p(), a.opt.Accounts[at], in.Next[i+1:])
		b, err := next.Encode()
		if err != nil || len(b) > intent.MaxBytes { // it is smaller than what it was made of
			a.log.Error("an intent cannot be handed over and waits", intentField(in.ID), zap.Error(err), zap.Int("bytes", len(b)))
			return false
		}
		a.w.Intent(next.Key, b)
		a.fate(it, ledger.Coalesced, ledger.ReasonNone, func(f *ledger.Fate) {
			f.Into, f.Detail = next.ID, handedOver+name+": "+why
		})
		return true
	}
	return false
}

// handed is an intent as the next account gets it: what has been asked once is not asked again. Its texts are fixed, it is merged,
// approved, and the time of day it waited for has come.
func handed(p *ledger.Pending, to *Account, rest []string) *intent.Intent {
	next := HandedTo(p.Intent, to.Name, to.Key, rest)
	next.Made = p.Text()
	return next
}

// HandedTo is an intent whose texts are fixed as the next account gets it, with the accounts that are left after that one.
func HandedTo(in *intent.Intent, account, key string, rest []string) *intent.Intent {
	next := *in
	next.ID = handedID(in, account)
	next.Account, next.Key, next.Next = account, key, rest
	next.Merge, next.Policy.Approval, next.Policy.SendAt = nil, nil, nil
	return &next
}

// HandedOver reports whether a fate says that the next account has the intent now.
func HandedOver(f *ledger.Fate) bool {
	return f.Fate == ledger.Coalesced && strings.HasPrefix(f.Detail, handedOver)
}

// handedID names the account beside the rule, as the ids of profile intents do: no other intent can have it.
func handedID(in *intent.Intent, account string) intent.ID {
	return intent.MakeID(in.Position(), in.Rule+"@"+account, in.Target) + tailOf(in)
}

// tailOf is what stands in an intent's id behind what the id is made of: #2 of the second event of one record, ~ and a mark of a topic that
// was made again. What is made of the intent ends with it as well.
func tailOf(in *intent.Intent) (tail intent.ID) {
	for _, rule := range []string{in.Rule, in.Rule + "@" + in.Account} {
		if rest, ok := strings.CutPrefix(string(in.ID), string(intent.MakeID(in.Position(), rule, in.Target))); ok {
			tail = intent.ID(rest)
		}
	}
	return tail
}
