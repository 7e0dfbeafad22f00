package report

import (
	"fmt"
	"slices"
)

// Result is one figure with the goals it is held against. Its JSON is a line of results.json.
type Result struct {
	Name      string   `json:"name"`
	What      string   `json:"what"`           // in words
	Unit      string   `json:"unit"`           // x for a ratio, else ms, MB, bytes, s
	Ratio     float64  `json:"ratio"`          // the median over the rounds; of the value itself where the unit is not x
	Low       float64  `json:"low"`            // the least round
	High      float64  `json:"high"`           // the greatest round
	Rounds    int      `json:"rounds"`         //
	Placement string   `json:"placement"`      // pinned: ..., shared: ..., in process
	First     *float64 `json:"first"`          // should hold from the first version; null: no goal is set
	Goal      *float64 `json:"goal"`           // a prototype has shown it
	Moonshot  *float64 `json:"moonshot"`       // no evidence yet, or only in part
	Met       string   `json:"met"`            // the highest of none, first, goal, moonshot; "" without goals
	Less      bool     `json:"less_is_better"` // the goals are upper bounds
	Detail    string   `json:"detail"`         // the sides of the ratio, what was checked
}

// Goals are first, goal and moonshot; 0 is none, but with Zero goal and moonshot are 0: a count of what should not happen at all.
type Goals struct {
	First, Goal, Moonshot float64
	Zero, Less            bool
}

// New makes the Result of a figure that was taken once a round.
func New(name, what, unit, placement string, rounds []float64, g Goals, detail string) (Result, error) {
	if len(rounds) == 0 {
		return Result{}, fmt.Errorf("%s: no rounds", name)
	}
	r := Result{Name: name, What: what, Unit: unit, Placement: placement, Rounds: len(rounds), Less: g.Less, Detail: detail,
		Ratio: Median(rounds), Low: slices.Min(rounds), High: slices.Max(rounds), First: known(g.First), Goal: known(g.Goal), Moonshot: known(g.Moonshot)}
	if g.Zero {
		r.Goal, r.Moonshot = new(float64), new(float64)
	}
	r.Met = r.met()
	return r, nil
}

func known(v float64) *float64 {
	if v == 0 {
		return nil
	}
	return &v
}

// met judges the median, as it is: rounding up to a goal would not be meeting it.
func (r Result) met() string {
	met, any := "none", false
	for _, g := range []struct {
		name string
		at   *float64
	}{{"first", r.First}, {"goal", r.Goal}, {"moonshot", r.Moonshot}} {
		if g.at == nil {
			continue
		}
		any = true
		if r.Less && r.Ratio <= *g.at || !r.Less && r.Ratio >= *g.at {
			met = g.name
		}
	}
	if !any {
		return ""
	}
	return met
}
