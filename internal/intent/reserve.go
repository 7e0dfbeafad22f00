package intent

// Reserve keeps scarce slots of the day for one rule. It is no part of an intent: it holds while the rule has nothing to send, so
// stage 2 asks the live rule files for it.
type Reserve struct {
	Rule  string
	N     int
	Until int // minutes from midnight in the settings' zone

	Like *Intent // what the rule sends, as far as it decides the lane
}
