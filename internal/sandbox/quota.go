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

func prune(charges []charge, now, keep int64) []charge {
	for len(charges) > 0 && charges[0].at <= now-keep {
		charges = charges[1:]
	}
	return charges
}

// admits reports whether a bucket has room for units at now. The window of a
// rolling limit is (now-window, now]: a call exactly one window old is out.
// Charges later than now, left by a clock that was set back, count as well.
func admits(charges []charge, ls []limit, now int64, units int, sw Switches, zone *time.Location) bool {
	for _, l := range ls {
		used := 0
		for _, c := range charges {
			if inWindow(c.at, now, l, sw, zone) {
				used += c.units
			}
		}
		if used+units > l.most {
			return false
		}
	}
	return true
}

func inWindow(at, now int64, l limit, sw Switches, zone *time.Location) bool {
	if l.window > 0 && !(l.window == time.Hour && sw.Hour == "clock") {
		distance := now - at
		return max(distance, -distance) < l.window.Milliseconds()
	}
	there, here := time.UnixMilli(at).In(zone), time.UnixMilli(now).In(zone)
	sameDay := there.Year() == here.Year() && there.YearDay() == here.YearDay()
	return sameDay && (l.window == 0 || there.Hour() == here.Hour())
}
