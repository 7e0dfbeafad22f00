package ruletest

import "github.com/notifier/notifier/internal/rules"

// Coverage says what the tests prove of the rules: each clause should once be true and once be false. If tests were chosen it speaks of the rules
// that have one among them: of the others nothing was looked at.
type Coverage struct {
	Clauses  int      `json:"clauses"`
	Both     int      `json:"both"` // proved both ways
	Open     []Open   `json:"open"` // clauses that are not
	Untested []string `json:"untested"`
}

// Open is a clause that no test has seen true, or false.
type Open struct {
	Rule   string `json:"rule"`
	Text   string `json:"text"`
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Never  string `json:"never"` // "true" or "false": what no test has seen it say
	Label  string `json:"-"`
}

type covered struct {
	rules []*rules.Rule
	part  bool                      // tests were chosen
	saw   map[*rules.Rule][][2]bool // by clause: false, true
	ran   map[*rules.Rule]bool
}

func newCoverage(rs []*rules.Rule, part bool) *covered {
	c := &covered{rules: rs, part: part, saw: map[*rules.Rule][][2]bool{}, ran: map[*rules.Rule]bool{}}
	for _, r := range rs {
		c.saw[r] = make([][2]bool, len(r.Clauses()))
	}
	return c
}

func (c *covered) add(r *rules.Rule, v *rules.Verdict) {
	c.ran[r] = true
	if v == nil {
		return
	}
	for i, x := range v.Clauses { // in the order of Rule.Clauses; without those of user_when if nobody asked
		if x.Result {
			c.saw[r][i][1] = true
		} else {
			c.saw[r][i][0] = true
		}
	}
}

func (c *covered) result() Coverage {
	out := Coverage{Open: []Open{}, Untested: []string{}}
	for _, r := range c.rules {
		if !c.ran[r] && c.part {
			continue
		}
		if !c.ran[r] {
			out.Untested = append(out.Untested, r.Name)
		}
		for i, x := range r.Clauses() {
			out.Clauses++
			saw := c.saw[r][i]
			if saw[0] && saw[1] {
				out.Both++
				continue
			}
			for v, seen := range saw {
				if !seen {
					out.Open = append(out.Open, Open{Rule: r.Name, Text: x.Text, File: x.File, Line: x.Line, Column: x.Column, Never: []string{"false", "true"}[v], Label: x.Label()})
				}
			}
		}
	}
	return out
}
