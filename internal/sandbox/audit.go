package sandbox

// audit recounts what was executed against the documented limits, apart from the
// code that refuses calls and whatever the switches say: a rolling hour, the
// natural day in China (UTC+8, no summer time), /push.json and
// /message/broadcast.json as one bucket. So a hole in the refusal logic, or a
// switch that opens one, shows as overruns.
type audit struct {
	executed map[auditKey][]charge
	overruns int
}

type auditKey struct{ app, bucket string }

const (
	second   = int64(1000)
	minute   = 60 * second
	hour     = 60 * minute
	chinaDay = 24 * hour
)

// auditLimits: the most units whose arrival lies in (t-span, t], per bucket.
var auditLimits = map[string]struct {
	span int64
	most int
	day  int // most in one day in China, 0 = no such limit
}{
	"push+broadcast": {hour, 2, 3},
	"recall":         {hour, 2, 3},
	"online":         {minute, 60, 0},
	"tag-set":        {second, 100, 0},
	"tag-batch":      {second, 10, 0},
	"tag-get":        {second, 100, 0},
	"message":        {second, 100, 0},
	"user":           {second, 100, 0},
}

// add records an executed call and counts it as an overrun if it stands beyond a
// limit.
func (a *audit) add(app string, b bucketID, at int64, units int) {
	key := auditKey{app, string(b)}
	if b == pushBucket || b == broadcastBucket {
		key.bucket = "push+broadcast"
	}
	documented, limited := auditLimits[key.bucket]
	if !limited {
		return
	}
	keep := 2 * documented.span
	if documented.day > 0 {
		keep = 2 * chinaDay
	}
	all := append(prune(a.executed[key], at, keep), charge{at, units})
	a.executed[key] = all

	inSpan, inDay := 0, 0
	for _, c := range all {
		if c.at > at-documented.span && c.at <= at {
			inSpan += c.units
		}
		if (c.at+8*hour)/chinaDay == (at+8*hour)/chinaDay {
			inDay += c.units
		}
	}
	if inSpan > documented.most || documented.day > 0 && inDay > documented.day {
		a.overruns++
	}
}
