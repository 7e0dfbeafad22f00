package intent

import "time"

// Reserve keeps scarce slots of the day for one rule. It is no part of an intent: it holds while the rule has nothing to send, so
// stage 2 asks the live rule files for it.
type Reserve struct {
	Rule  string
	N     int
	Until int // minutes from midnight in the settings' zone

	From, To time.Time // the rule's life, in which alone it may need them; zero: no bound

	Like *Intent // what the rule sends, as far as it decides the lane
}

// Holds reports whether the rule may need its slots at a time.
func (r *Reserve) Holds(now time.Time) bool {
	return !now.Before(r.From) && (r.To.IsZero() || now.Before(r.To))
}
