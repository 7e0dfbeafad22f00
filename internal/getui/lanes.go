package getui

import (
	_ "embed"
	"encoding/json"
	"sync"
)

// lanes.json is getui.md 9: the vendor's limits and what may be sent again. Where its pages give two numbers both are there.
//
//go:embed lanes.json
var lanesFile []byte

// LaneLimits are what the vendor allows of one endpoint.
type LaneLimits struct {
	Lane, Endpoint string
	Limits         []struct {
		N      int
		Window string // minute, day, "day per cid"
	}
	PerSecond  int    `json:"per_second"` // ours, where the vendor names none
	MaxBatch   int    `json:"max_batch"`
	ResendSafe string `json:"resend_safe"` // after an unclear outcome: yes, once, read_back, no
}

// Per is the smallest number that the vendor names for a window; 0: none.
func (l LaneLimits) Per(window string) (n int) {
	for _, x := range l.Limits {
		if x.Window == window && (n == 0 || x.N < n) {
			n = x.N
		}
	}
	return n
}

var laneTable = sync.OnceValue(func() map[string]LaneLimits {
	var file struct{ Lanes []LaneLimits }
	if err := json.Unmarshal(lanesFile, &file); err != nil {
		panic("getui: lanes.json: " + err.Error())
	}
	out := map[string]LaneLimits{}
	for _, l := range file.Lanes {
		out[l.Endpoint] = l
	}
	return out
})

// Limits are the vendor's of this endpoint; none, where it names none.
func (ep Endpoint) Limits() LaneLimits {
	return laneTable()[ep.Method+" "+ep.Name]
}
