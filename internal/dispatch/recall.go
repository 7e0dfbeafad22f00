package dispatch

import (
	"fmt"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/notifier/notifier/internal/ledger"
)

// LaneRecall takes broadcasts back: at RongCloud those with a message, at Getui what still waits there. It has slots of its own.
const LaneRecall = "recall"

// Recall is what a call of LaneRecall names.
type Recall struct {
	Sender     string
	MessageUID string
	SentAt     time.Time
}

// ours reports whether an attempt's id was given by this partition's ledger.
func (a *actor) ours(attempt string) bool {
	return strings.HasPrefix(attempt, fmt.Sprintf("%s-%d-", a.gen.Incarnation, a.p))
}

// recall starts the call that takes a broadcast back; its outcome is the command's answer, see recalled. It is false when
// nothing leaves: then ans says why. It is never waited for a slot: whoever asked must know now that it does not happen.
func (a *actor) recall(c command, ans *ledger.Answer) (started bool) {
	at := a.kept[c.Target]
	why := a.notRecallable(at, c.Target)
	var l *lane
	if why == "" {
		if ac := a.accounts[at.Account]; ac != nil {
			l = ac.lanes[LaneRecall]
		}
		why = a.noRecallNow(l)
	}
	if why != "" {
		ans.OK, ans.Refused, ans.Text = false, true, why
		return false
	}
	cl := a.start(l, &Call{Endpoint: l.Endpoint, Recall: &Recall{Sender: at.Sender, MessageUID: at.MessageUID, SentAt: at.At}}, nil, nil, nil, 1)
	r := cl.attempt
	r.Recalls, r.Command, r.By, r.Why, r.Rule, r.Title, r.Affected = at.ID, c.ID, c.By, c.Why, at.Rule, at.Title, at.Affected
	a.w.Put(ledger.AttemptKey(r.ID), r)
	a.ordered = append(a.ordered, cl)
	return true
}

// notRecallable says why what an attempt sent cannot be taken back, "" if it can.
func (a *actor) notRecallable(at *ledger.Attempt, id string) string {
	switch {
	case at == nil:
		return "no such attempt on record: broadcasts are kept for 48 h, other calls not at all; only a broadcast can be recalled"
	case at.Recalls != "":
		return "the attempt is a recall itself"
	case at.State == ledger.Started:
		return "the call is in flight: ask again when its outcome is known"
	case at.State == ledger.Again:
		return "its answer never came and it waits to be made again: pause its rule or its lane, or recall what it is made again as"
	case strings.HasPrefix(at.Detail, madeAgainAs):
		return "it was " + at.Detail + "; next: notifier recall " + strings.TrimPrefix(at.Detail, madeAgainAs)
	case at.State == ledger.Unknown || at.State == ledger.Resolved:
		return "the call's answer never came, so the vendor's id of what it sent is not known: recall it in the vendor's console"
	case at.State != ledger.OK:
		return fmt.Sprintf("nothing to recall: the attempt is %s", at.State)
	case at.Sender == "":
		return "it was a push without a message: no recall exists for that"
	case at.MessageUID == "":
		return "the vendor gave no messageUID for this message: recall it in the vendor's console"
	}
	for _, r := range a.kept { // the calls of scarce lanes: few
		if r.Recalls != id {
			continue
		}
		switch {
		case r.State == ledger.Started:
			return "a recall of it is in flight: " + r.ID
		case r.State == ledger.OK:
			return fmt.Sprintf("it is recalled already: %s at %s", r.ID, r.At.Format(time.RFC3339))
		case r.State == ledger.Unknown:
			return fmt.Sprintf("the outcome of a recall of it is unknown (%s), and it is never repeated; next: notifier attempts resolve %s", r.ID, r.ID)
		case r.State == ledger.Resolved && r.Detail != resolvedNotSent:
			return fmt.Sprintf("it is recalled already: %s, as %s says", r.ID, r.By)
		}
	}
	return ""
}

// noRecallNow says which gate holds the lane, "" if a call may start.
func (a *actor) noRecallNow(l *lane) string {
	if l == nil {
		return "the account is not in this instance's settings, or its vendor has no recall"
	}
	now := a.clock.now()
	ok, _ := a.ready(l, now)
	switch free := a.slot(l, 1, now); {
	case ok && !free.After(now):
		return ""
	case a.pausedLane(l):
		return "lane " + l.full() + " is paused; next: pause only what must not be sent (broadcasts), resume the rest, recall again"
	case l.closed != nil && !ok:
		return fmt.Sprintf("lane %s is stopped: %s, tried again at %s: %s", l.full(), l.closed.Reason, l.closed.Retry.Format(time.RFC3339), l.closed.Detail)
	case !a.clock.bounded():
		return "the clocks differ by more than 2 s: no slot can be counted"
	case l.running > 0:
		return "another recall is in flight"
	default:
		return fmt.Sprintf("no slot is free in lane %s before %s", l.full(), free.UTC().Format(time.RFC3339))
	}
}

// recalled answers the command that asked for a recall, and puts the outcome on record beside the fates of what was sent: it was
// sent all the same, so the fate stays.
func (a *actor) recalled(c *call, o Outcome) {
	at := c.attempt
	said := map[ledger.AttemptState]string{
		ledger.OK:      "recalled " + at.Recalls,
		ledger.Refused: "the vendor refused the recall: " + o.Detail,
		ledger.NotSent: "the recall did not leave, nothing is used up: " + o.Detail,
		ledger.Unknown: fmt.Sprintf("the recall's outcome is unknown, it is not repeated: %s; next: notifier attempts resolve %s", o.Detail, at.ID),
	}[at.State]
	a.log.Info("recall", attemptField(at.ID), zap.String("recalls", at.Recalls), zap.String("outcome", string(at.State)), zap.String("by", at.By), zap.String("why", at.Why), detailField(o.Detail))
	a.w.Answer(ledger.AnswerKey(at.Command, a.p), ledger.Answer{V: ledger.Version, ID: at.Command, Partition: a.p, Instance: a.opt.Instance, OK: at.State == ledger.OK,
		Text: said, Attempt: at.ID, Outcome: at.State, At: a.clock.now().UTC()})
	a.saidOfRecall(at, said)
}

// saidOfRecall writes a later word beside the fates of what a recall wanted to take back.
func (a *actor) saidOfRecall(at *ledger.Attempt, said string) {
	lane := at.Lane
	if ac := a.accounts[at.Account]; ac != nil {
		lane = ac.Name + "/" + at.Lane
	}
	for _, f := range at.Affected {
		f.Resolves, f.Kind, f.By, f.Why, f.At = f.Fate, "operator", at.By, at.Why, a.clock.now().UTC()
		f.Lane, f.Endpoint, f.Attempt, f.Code, f.VendorID, f.Detail = lane, at.Endpoint, at.ID, at.Code, "", said
		a.w.Fate(f)
		a.pos.Resolutions++
	}
}
