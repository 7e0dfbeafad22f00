package dispatch

import (
	"time"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
)

// A form may have a limit of its own, in users a day. It is counted in one record and not by attempts, of which there may be 200,000 a day. So
// that a call is certainly of one day the form rests around the day's end, for as long as a call may be on its way. While it rests, and when its
// day is used up, users go by the lane's other forms. So they do while the clocks differ too much for that, as scarce lanes are closed then.

var eachDay = intent.Cap{Each: "day"}

// dayID names a form's count in the ledger; no rule is called "".
func (f Form) dayID(key string) string { return key + "//" + f.DayName }

func (f Form) day(l *lane) counted {
	return counted{Cap: intent.Cap{N: f.Day.N, Each: eachDay.Each}, id: f.dayID(l.ac.Key), zone: f.Day.Zone}
}

// DayUsed tells how much of a form's day is used, in users and calls. A ledger that is nil has counted nothing.
func (f Form) DayUsed(st *ledger.State, key string, now time.Time) int {
	if st == nil || f.Day.N == 0 {
		return 0
	}
	return f.dayUsed(st.Sends, key, now)
}

func (f Form) dayUsed(sends map[string]*ledger.Sends, key string, now time.Time) int {
	return sentSince(sends[f.dayID(key)], capStart(eachDay, now, f.Day.Zone))
}

// most is how many of n users a call of a form may take now; the call itself counts as one more.
func (a *actor) most(l *lane, f Form, n int, now time.Time) int {
	n = min(n, f.Most)
	if f.Day.N == 0 {
		return n
	}
	span, guard := SpanAndGuard(l.ac.Timeout, l.Policy)
	if begin, end := capStart(eachDay, now, f.Day.Zone), capEnd(eachDay, now, f.Day.Zone); now.Before(begin.Add(guard)) || now.Add(span+guard).After(end) || !a.clock.bounded() {
		return 0
	}
	return min(n, a.room(f.day(l), now)-1)
}

func (a *actor) takeDay(l *lane, f Form, users int, now time.Time) {
	if f.Day.N > 0 {
		a.count(f.day(l), now, users+1)
	}
}

// giveBackDay takes the users of a call back that certainly was not made. The call stays counted: its message may have been stored.
func (a *actor) giveBackDay(c *call) {
	for _, f := range c.lane.Forms {
		if f.Endpoint == c.attempt.Endpoint && f.Day.N > 0 {
			a.uncount(f.day(c.lane), c.attempt.At, len(c.items))
		}
	}
}

// assumeDay lets forms rest for the day, whoever owns the partition: after a loss of the ledger nobody knows what was used, and the vendor may say
// that all of it is.
func (a *actor) assumeDay(l *lane, at time.Time) {
	for _, f := range l.Forms {
		if f.Day.N == 0 {
			continue
		}
		if left := a.room(f.day(l), at); left > 0 {
			a.count(f.day(l), at, left)
		}
	}
}

// dayGauges tells the days of a lane's forms.
func (a *actor) dayGauges(l *lane, now time.Time) {
	for _, f := range l.Forms {
		if f.Day.N > 0 {
			a.opt.Metrics.quotaUsed.WithLabelValues(l.ac.Name+"/"+f.DayName, f.Day.String(), "own").Set(float64(f.dayUsed(a.sends, l.ac.Key, now)))
		}
	}
}
