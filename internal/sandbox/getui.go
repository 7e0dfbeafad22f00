package sandbox

import (
	"cmp"
	"net/http"
	"strings"
)

// getuiCall is one call on its way through the order of checks. Section numbers in
// comments of the getui files refer to getui.md.
type getuiCall struct {
	*getui
	arrival *arrival
	appID   string
	app     *getuiApp
	route   *getuiRoute
	params  []string      // of the route, decoded
	early   *getuiRefusal // what the path alone is refused with, "" code 0 for the host probe
	body    map[string]any
	now     int64

	// What the effect leaves for the journal.
	executed bool
	mode     string   // of Effective; "" = users
	reached  []string // cids
	repeats  []string // request ids that were dropped
	answered any      // what the journal shows of the answer's data, where it differs
}

// getuiRefusal is an answer other than success.
type getuiRefusal struct {
	http, code int
	msg        string
}

// badParameter is the vendor's general refusal, with one of its message patterns.
func badParameter(msg string) *getuiRefusal { return &getuiRefusal{http.StatusBadRequest, 20001, msg} }

// getuiReply is the envelope of every answer; Code decides whether it is a success.
type getuiReply struct {
	Code int    `json:"code"`
	Msg  string `json:"msg"`
	Data any    `json:"data,omitempty"`
}

// getuiStatus is the status table of section 10, for codes that a fault chooses.
func getuiStatus(code int) int {
	switch {
	case code == 404, code == 405:
		return code
	case code/1000 == 10:
		return http.StatusUnauthorized
	case code/10_000 == 2:
		return http.StatusBadRequest
	case code/1000 == 30:
		return http.StatusForbidden
	default:
		return http.StatusOK // 0, 1, 2, 301
	}
}

// arrive reads the path, steps 1 to 3 of section 13.2, and counts what is asked of
// arrivals whatever becomes of them. The caller holds Server.mu.
func (g *getui) arrive(a *arrival, escaped string) *getuiCall {
	g.settle()
	c := &getuiCall{getui: g, arrival: a, now: g.clock.ms()}
	if a.method == http.MethodHead && a.path == getuiPrefix+"/check" {
		c.early = &getuiRefusal{http.StatusOK, 0, "success"}
		return c
	}
	segments := splitPath(escaped)
	c.appID = segments[0]
	if c.app = g.apps[c.appID]; c.app == nil {
		c.early = badParameter("appId is invalid")
		return c
	}
	var known bool
	switch c.route, c.params, known = findRoute(a.method, segments[1:]); {
	case known && c.route == nil:
		c.early = &getuiRefusal{http.StatusMethodNotAllowed, 405, "method not allowed"}
	case !known:
		c.early = &getuiRefusal{http.StatusNotFound, 404, "no such url"}
	}
	if c.early == nil {
		c.countClosed()
	}
	return c
}

func (c *getuiCall) lane() string {
	if c.route == nil {
		return ""
	}
	return c.route.lane
}

// execute judges the call step by step and carries it out at the last one. The order
// is the contract (section 13.2); a refused call leaves no trace.
func (c *getuiCall) execute(e *Entry) answer {
	c.settle()
	c.now = c.clock.ms() // a fault may have held the call back
	data, refused := c.run()
	out := c.answer(refused, data)
	e.HTTP, e.Code, e.Answer = out.status, 0, asJSON(out.body)
	if refused != nil {
		e.Code = refused.code
	} else if c.answered != nil {
		e.Answer = mustText(getuiReply{Msg: "success", Data: c.answered})
	}
	e.Executed = c.executed
	e.Repeats = c.repeats
	switch {
	case c.mode != "":
		e.Effective = &Effective{Mode: c.mode}
		e.Matched = c.reached[:min(len(c.reached), matchedMost)]
	case c.reached != nil:
		e.Effective = &Effective{Mode: "users", Users: c.reached}
	}
	if c.executed {
		c.stats.Executed++
	}
	return out
}

func (c *getuiCall) run() (data any, refused *getuiRefusal) {
	if c.early != nil { // 1 to 3; step 4, faults, is where the call was met
		return nil, c.early
	}
	if refused := c.checkToken(); refused != nil { // 5
		return nil, refused
	}
	if c.knobs.AppBlack { // 6
		return nil, &getuiRefusal{http.StatusUnauthorized, 10002, "app is in the black list"}
	}
	v, err := decodeJSON(c.arrival.body)
	object, is := v.(map[string]any)
	c.body = object
	if refused := c.checkMinute(); refused != nil { // 7
		return nil, refused
	}
	if c.route.body && (err != nil || !is) { // 8
		return nil, &getuiRefusal{http.StatusOK, 1, "body is not a JSON object"}
	}
	return c.route.run(c) // 9 to 13
}

// checkMinute asks the limits that stand before the body; a batch weighs its messages.
// Attempts to get a token count whatever becomes of them.
func (c *getuiCall) checkMinute() *getuiRefusal {
	units := 1
	if strings.HasPrefix(c.lane(), "batch_") {
		list, _ := c.body["msg_list"].([]any)
		units = max(len(list), 1)
	}
	if c.route.pattern == "/auth" {
		defer c.countAuth()
	}
	return c.admit(true, units)
}

// answer is the refusal, or success with the data.
func (c *getuiCall) answer(refused *getuiRefusal, data any) answer {
	if refused == nil {
		refused = &getuiRefusal{http.StatusOK, 0, "success"}
	} else {
		data = nil
	}
	out := answer{status: refused.http, contentType: "application/json;charset=utf-8"}
	if c.arrival.method != http.MethodHead {
		out.body = mustText(getuiReply{Code: refused.code, Msg: refused.msg, Data: data})
	}
	return out
}

// getuiCode is the code of a fault, by default "busy, try later".
func (f Fault) getuiCode() int { return cmp.Or(f.Code, 30019) }

// injected is the refusal that a fault chose, without execution.
func (c *getuiCall) injected(f Fault, msg string) answer {
	code := f.getuiCode()
	return c.answer(&getuiRefusal{cmp.Or(f.HTTP, getuiStatus(code)), code, msg}, nil)
}

// describe fills an entry. A token is as good as the secret for a day: none is shown,
// not even of a call that has no route.
func (c *getuiCall) describe(e *Entry) {
	e.AtMS, e.App, e.Body = c.clock.ms(), c.appID, asJSON(c.arrival.body)
	if before, _, has := strings.Cut(e.Path, "/auth/"); has {
		e.Path = before + "/auth/*"
	}
	if !strings.HasSuffix(e.Path, "/auth") {
		return
	}
	if v, err := decodeJSON(c.arrival.body); err == nil {
		if body, ok := v.(map[string]any); ok && body["sign"] != nil {
			body["sign"] = "*"
			e.Body = mustText(body)
		}
	}
}
