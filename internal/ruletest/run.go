package ruletest

import (
	"encoding/json"
	"fmt"
	"regexp"
	"time"

	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/rules"
)

// Options say what to test, and with what around it.
type Options struct {
	Set        *rules.Set       // is changed: it must not be used for anything else
	Stage      dispatch.Options // stage 2, but for its Rules
	Identities map[string]string
	Request    func(dispatch.Departure) (json.RawMessage, error) // the body of a call at the vendor
	Run        *regexp.Regexp                                    // tests whose RULE/NAME it finds; nil: all
	Snapshots  *Snapshots
}

// Result is what came of one test.
type Result struct {
	Rule, Name, File string
	Line             int
	OK               bool
	Diffs            []Diff         // what was expected and what came instead
	Verdict          *rules.Verdict // of the last event; nil: the event was not asked about
	Requests         []Request      // that left
}

// Diff is one thing that is not as expected.
type Diff struct {
	Expected string `json:"expected"`
	Got      string `json:"got"`
	Lines    string `json:"lines,omitempty"` // of what has many: those that differ, with - and +, and one around them
}

// Request is a call that left.
type Request struct {
	At       time.Time       `json:"at"`
	Account  string          `json:"account"`
	Lane     string          `json:"lane"`
	Endpoint string          `json:"endpoint"`
	Slots    int             `json:"slots"`
	Body     json.RawMessage `json:"body"`
}

// Report is a whole run.
type Report struct {
	Results  []Result
	Coverage Coverage
}

// Failed counts the tests that failed.
func (r *Report) Failed() (n int) {
	for i := range r.Results {
		if !r.Results[i].OK {
			n++
		}
	}
	return n
}

// Run runs the tests of all rules, in the order of the files.
func Run(o Options) *Report {
	rep := &Report{}
	cover := newCoverage(o.Set.Rules, o.Run != nil)
	for _, r := range o.Set.Rules {
		own := r.Mode
		for _, t := range r.Tests {
			if o.Run != nil && !o.Run.MatchString(r.Name+"/"+t.Name) {
				continue
			}
			mode := rules.Live
			if t.Expect.Reason == "shadow" || t.Expect.Reason == "canary" {
				mode = own
			}
			res := o.one(r, t, mode)
			cover.add(r, res.Verdict)
			rep.Results = append(rep.Results, res)
		}
	}
	rep.Coverage = cover.result()
	return rep
}

// one runs one test. A panic is a failure of that test: the others run.
func (o *Options) one(r *rules.Rule, t *rules.Test, mode rules.Mode) (res Result) {
	res = Result{Rule: r.Name, Name: t.Name, File: r.File, Line: t.Line}
	defer func() {
		if p := recover(); p != nil {
			res.OK, res.Diffs = false, []Diff{{Expected: expectation(r, t), Got: fmt.Sprintf("internal fault: %v", p)}}
		}
	}()
	x := newTrial(o, r, t, mode)
	if err := x.happen(); err != nil {
		res.Diffs = []Diff{{Expected: expectation(r, t), Got: err.Error()}}
		return res
	}
	res.Diffs = x.judge()
	res.Verdict = x.whole()
	for _, c := range x.calls {
		res.Requests = append(res.Requests, Request{At: c.At.UTC(), Account: c.Account, Lane: c.Lane, Endpoint: c.Call.Endpoint, Slots: c.Slots, Body: c.body})
	}
	if t.Snapshot && o.Snapshots != nil {
		res.Diffs = append(res.Diffs, o.Snapshots.compare(r, t.Name, res.Requests)...)
	}
	res.OK = len(res.Diffs) == 0
	return res
}
