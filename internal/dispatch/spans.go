package dispatch

import (
	"strings"
	"time"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/trace"
)

// Spans of stage 2, children of the event's evaluation, whose context is in the intent and so in its pending record: another owner goes on
// with the same trace.
//
//	wait RULE      from the moment an intent is taken in until its call is on record, or until its fate if it leaves in none
//	coalesce RULE  instead of that, if another intent takes its place: the other's call links to it
//	call ENDPOINT  the vendor call, child of its first member's wait, with a link to every other member's and to what was coalesced into them
//
// They are made when they end and given away after the commit that makes them true. All times are the broker's, as in the ledger.
//
// No trace context goes to the vendor: our traces are nobody's business there, and X-Request-ID, the attempt's id and its try, is what
// both sides have in common (notifier.attempt here).

// maxSpans is what an actor keeps of one turn, as many as may wait to be sent in all.
const maxSpans = 4096

// spans are what an actor has of traces; all of it is empty while tracing is off.
type spans struct {
	ended []trace.Span        // until the next commit
	since map[*item]time.Time // of what was in a call already: when it began to wait again
}

// callSpan is the span of a call that is not over.
type callSpan struct {
	trace.Context
	parent [8]byte
	links  []trace.Context
}

// span notes one that has ended.
func (a *actor) span(s trace.Span) {
	if len(a.spans.ended) == maxSpans {
		a.opt.Tracer.Drop(1)
		return
	}
	a.spans.ended = append(a.spans.ended, s)
}

// tellSpans gives away what the commit has made true.
func (a *actor) tellSpans() {
	if len(a.spans.ended) == 0 {
		return
	}
	a.opt.Tracer.Emit(a.spans.ended...)
	clear(a.spans.ended)
	a.spans.ended = a.spans.ended[:0]
}

// recorded is the context that an intent carries; ok is false if its trace is not recorded, or tracing is off.
func (a *actor) recorded(in *intent.Intent) (c trace.Context, ok bool) {
	if a.opt.Tracer == nil || in.Trace == "" {
		return trace.Context{}, false
	}
	c, sampled, ok := trace.Parse([]byte(in.Trace))
	return c, ok && sampled
}

// waited ends the time that an intent spent here, and gives the span of it.
func (a *actor) waited(in *intent.Intent, name string, from, to time.Time, links []trace.Context, failed string, more ...trace.Attribute) (c trace.Context, ok bool) {
	parent, ok := a.recorded(in)
	if !ok {
		return trace.Context{}, false
	}
	c = parent.Child()
	a.span(trace.Span{Context: c, Parent: parent.Span, Name: name + " " + in.Rule, Kind: trace.Internal, Start: from, End: to, Links: links, Failed: failed,
		Attributes: append(more, trace.Text("notifier.rule", in.Rule), trace.Text("notifier.action", string(in.Action)), trace.Text("notifier.account", in.Account))})
	return c, true
}

// ended is waited for an intent with a fate that no call speaks of.
func (a *actor) ended(f *ledger.Fate, in *intent.Intent, from time.Time, links []trace.Context) (trace.Context, bool) {
	name, failed := "wait", ""
	switch f.Fate {
	case ledger.Coalesced:
		name = "coalesce"
	case ledger.Dead:
		failed = string(f.Reason)
	}
	return a.waited(in, name, from, f.At, links, failed, trace.Text("notifier.fate", string(f.Fate)), trace.Text("notifier.reason", string(f.Reason)))
}

// recordAtOnce writes the fate of an intent that is not taken in.
func (a *actor) recordAtOnce(f ledger.Fate, in *intent.Intent) trace.Context {
	c, _ := a.ended(&f, in, f.At, nil)
	a.record(f)
	return c
}

// endItem ends what is pending. Whoever takes its place links to it.
func (a *actor) endItem(it *item, f *ledger.Fate) {
	if a.opt.Tracer == nil || it.state == inFlight {
		return
	}
	c, ok := a.ended(f, it.p().Intent, a.waitsSince(it), linked(it.p()))
	if into := a.items[itemOf(f.Into)]; ok && into != nil && f.Fate == ledger.Coalesced {
		link(into.p(), c)
		a.keep(into)
	}
}

func (a *actor) waitsSince(it *item) time.Time {
	if at, ok := a.spans.since[it]; ok {
		return at
	}
	return it.since()
}

// link notes in a pending record what was coalesced into it, for the call that it will be in.
func link(p *ledger.Pending, c trace.Context) {
	switch {
	case c == trace.Context{}, strings.Count(p.Linked, ",")+1 >= ledger.MaxMerged:
	case p.Linked == "":
		p.Linked = c.String()
	default:
		p.Linked += "," + c.String()
	}
}

// linked reads it.
func linked(p *ledger.Pending) (out []trace.Context) {
	if p.Linked == "" {
		return nil
	}
	for s := range strings.SplitSeq(p.Linked, ",") {
		if c, _, ok := trace.Parse([]byte(s)); ok {
			out = append(out, c)
		}
	}
	return out
}

// departs ends the wait of a call's members and begins its span; nil: none of them is recorded.
func (a *actor) departs(c *call, now time.Time) *callSpan {
	if a.opt.Tracer == nil {
		return nil
	}
	if a.spans.since == nil {
		a.spans.since = map[*item]time.Time{}
	}
	var members, others []trace.Context
	for _, it := range c.items {
		w, ok := a.waited(it.p().Intent, "wait", a.waitsSince(it), now, nil, "", trace.Text("notifier.lane", c.lane.full()), trace.Text("notifier.attempt", c.attempt.ID))
		if ok {
			members = append(members, w)
			a.spans.since[it] = now
		}
		others = append(others, linked(it.p())...)
	}
	return newCallSpan(append(members, others...))
}

func newCallSpan(members []trace.Context) *callSpan {
	if len(members) == 0 {
		return nil
	}
	return &callSpan{members[0].Child(), members[0].Span, members[1:]}
}

// called ends the span of a call. That of a predecessor's is ours to make: its process has ended.
func (a *actor) called(c *call, o Outcome, now time.Time) {
	if a.opt.Tracer == nil {
		return
	}
	for _, it := range c.items {
		if _, ok := a.spans.since[it]; ok {
			a.spans.since[it] = now
		}
	}
	s, at := c.span, c.attempt
	if s == nil && at.Owner != a.w.Nonce() {
		var members []trace.Context
		for _, it := range c.items {
			if m, ok := a.recorded(it.p().Intent); ok {
				members = append(members, m)
			}
		}
		s = newCallSpan(members)
	}
	if s == nil {
		return
	}
	begin, end := at.At, now
	if !c.ended.IsZero() {
		begin, end = a.clock.at(c.began), a.clock.at(c.ended)
	}
	failed := ""
	if o.Class != ClassOK {
		failed = string(o.Class)
	}
	a.span(trace.Span{Context: s.Context, Parent: s.parent, Name: "call " + at.Endpoint, Kind: trace.Client, Start: begin, End: end, Links: s.links, Failed: failed,
		Attributes: []trace.Attribute{trace.Text("url.template", at.Endpoint), trace.Text("notifier.account", c.lane.ac.Name), trace.Text("notifier.lane", c.lane.full()),
			trace.Text("notifier.rule", at.Rule), trace.Text("notifier.attempt", at.ID), trace.Number("notifier.members", int64(len(c.items))),
			trace.Text("notifier.class", string(o.Class)), trace.Number("notifier.vendor_code", int64(o.Code))}})
}
