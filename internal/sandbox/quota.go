package sandbox

import "time"

// bucketID names one of the vendor's rate limits (section 6).
type bucketID string

const (
	pushBucket      bucketID = "push"
	broadcastBucket bucketID = "broadcast"
	recallBucket    bucketID = "recall"
	onlineBucket    bucketID = "online"
	tagSetBucket    bucketID = "tag-set"
	tagBatchBucket  bucketID = "tag-batch"
	tagGetBucket    bucketID = "tag-get"
	messageBucket   bucketID = "message"
	userBucket      bucketID = "user"
	plusBucket      bucketID = "plus" // no documented limit
)

// limit is a number of units in a window; window 0 is the natural day.
type limit struct {
	window time.Duration
	most   int
}

var (
	scarce = []limit{{time.Hour, 2}, {0, 3}}
	limits = map[bucketID][]limit{
		pushBucket:      scarce,
		broadcastBucket: scarce,
		recallBucket:    scarce,
		onlineBucket:    {{time.Minute, 60}},
		tagSetBucket:    {{time.Second, 100}},
		tagBatchBucket:  {{time.Second, 10}},
		tagGetBucket:    {{time.Second, 100}},
		messageBucket:   {{time.Second, 100}}, // receivers
		userBucket:      {{time.Second, 100}}, // receivers
	}
)

// effectiveBucket is the bucket after the switches on sharing.
func effectiveBucket(b bucketID, sw Switches) bucketID {
	if b == recallBucket && sw.ShareRecallBucket {
		b = broadcastBucket
	}
	if b == broadcastBucket && sw.ShareBroadcastBucket {
		b = pushBucket
	}
	if b == userBucket && sw.ShareUserBucket {
		b = messageBucket
	}
	return b
}

// charge is units taken from a bucket at a vendor time in milliseconds.
type charge struct {
	at    int64
	units int
}

// keep is how long a bucket with these limits remembers a charge: two windows, or
// 49 hours, more than a day in any zone.
func keep(ls []limit) int64 {
	longest := time.Duration(0)
	for _, l := range ls {
		if l.window == 0 {
			return (49 * time.Hour).Milliseconds()
		}
		longest = max(longest, l.window)
	}
	return 2 * longest.Milliseconds()
}

// maxCharges bounds a bucket that a client hammers. Far fewer fill every limit, so
// what is dropped beyond it, the oldest, decides nothing while time goes forward.
const maxCharges = 10_000

func prune(charges []charge, now, keep int64) []charge {
	for len(charges) > 0 && charges[0].at <= now-keep || len(charges) > maxCharges {
		charges = charges[1:]
	}
	return charges
}

// admits reports whether a bucket has room for units at now.
func admits(charges []charge, ls []limit, now int64, units int, sw Switches, zone *time.Location) bool {
	for _, l := range ls {
		from, to := l.around(now, sw, zone)
		used := 0
		for _, c := range charges {
			if from <= c.at && c.at < to {
				used += c.units
			}
		}
		if used+units > l.most {
			return false
		}
	}
	return true
}

// around is the span [from, to) of charges that a limit counts at now. The window
// of a rolling limit is (now-window, now]: a call exactly one window old is out.
// Charges later than now, left by a clock that was set back, count as well.
func (l limit) around(now int64, sw Switches, zone *time.Location) (from, to int64) {
	here := time.UnixMilli(now).In(zone)
	switch {
	case l.window == 0:
		year, month, day := here.Date()
		return time.Date(year, month, day, 0, 0, 0, 0, zone).UnixMilli(), time.Date(year, month, day+1, 0, 0, 0, 0, zone).UnixMilli()
	case l.window == time.Hour && sw.Hour == "clock":
		from = now - (int64(here.Minute())*minute + int64(here.Second())*second + int64(here.Nanosecond())/1e6)
		return from, from + hour
	default:
		return now - l.window.Milliseconds() + 1, now + l.window.Milliseconds()
	}
}
