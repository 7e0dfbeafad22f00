package sandbox

import (
	"fmt"
	"time"
	_ "time/tzdata" // day_zone must resolve on machines without zone files
)

// Setup is what a reset may choose: how strict the vendor is, what the account
// bought, and how it reads what its documentation leaves open.
type Setup struct {
	Lenient  bool
	Services Services
	Switches Switches
	Knobs    Knobs // Getui
}

// Services are the paid products of an app; a closed one answers 430/1009. A reset
// sets those of every app, [Server.SetServices] those of one.
type Services struct {
	Broadcast bool `json:"broadcast"` // E4, E5, E6, E10
	PushPlus  bool `json:"push_plus"` // E11
}

// Switches select one reading of each ambiguity of the contract (section 13).
type Switches struct {
	CountRejected        bool   `json:"count_rejected"`         // refused calls use quota too
	Hour                 string `json:"hour"`                   // rolling or clock
	DayZone              string `json:"day_zone"`               // IANA name; where the natural day turns
	ShareBroadcastBucket bool   `json:"share_broadcast_bucket"` // E5 draws on E4's quota
	ShareRecallBucket    bool   `json:"share_recall_bucket"`    // E10 draws on E5's quota
	ShareUserBucket      bool   `json:"share_user_bucket"`      // E7 draws on the budget of E8 and E9
	MsgRandom            bool   `json:"msg_random"`             // a repeated msgRandom within 60 s is refused
	SkewMS               int64  `json:"skew_ms"`                // most milliseconds a Timestamp may be off, in strict mode
	NonceReplay          bool   `json:"nonce_replay"`           // a nonce may be used once per app
}

// DefaultSwitches are the strict readings that the client must survive.
func DefaultSwitches() Switches {
	return Switches{CountRejected: true, Hour: "rolling", DayZone: "Asia/Shanghai", ShareBroadcastBucket: true, SkewMS: 300_000}
}

// DefaultServices has everything switched on.
func DefaultServices() Services { return Services{Broadcast: true, PushPlus: true} }

// zone checks the switches and returns the location of the natural day.
func (sw Switches) zone() (*time.Location, error) {
	if sw.Hour != "rolling" && sw.Hour != "clock" {
		return nil, fmt.Errorf("option hour is %q; it must be rolling or clock", sw.Hour)
	}
	if sw.SkewMS <= 0 {
		return nil, fmt.Errorf("option skew_ms is %d; it must be above 0", sw.SkewMS)
	}
	loc, err := time.LoadLocation(sw.DayZone)
	if err != nil || sw.DayZone == "" {
		return nil, fmt.Errorf("option day_zone is %q; it must be an IANA zone such as Asia/Shanghai", sw.DayZone)
	}
	return loc, nil
}
