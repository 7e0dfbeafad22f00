package sandbox

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Fault is one armed disturbance. Empty selectors match everything; the first
// armed fault that matches a call meets it. What is not executed costs no quota.
//
//	not executed
//	  answer        the given http and body
//	  code          the given vendor code, with its documented HTTP status unless http is given
//	  http_5xx      HTML, as a gateway sends it; 502 unless http is given
//	  redirect      302, or the given 3xx, to location
//	  reset_before  connection reset
//	  stall         silence for delay_ms (0 = until the client leaves), then reset
//	  refuse        the listener is closed until disarmed, or for delay_ms; times and probability
//	                do not apply. The control calls of that host are gone as well: use the other's
//	  token_storm   Getui: 10001 whatever the token, except for calls about tokens
//	executed
//	  numeric_times, extra_fields, no_msg, empty_msg
//	                Getui: times as numbers, unknown fields, msg missing or empty
//	  answer_after  then the given http and body instead of the answer
//	  reset_after   then reset
//	  timeout_after the answer is held back for delay_ms (0 = until the client leaves)
//	  late          executed delay_ms after the client has given up
//	  stall_after   headers and half the body, then silence as with stall
//	  truncate      headers and half the body, then the connection ends
//	  drip          the body one byte each delay_ms (0 = 100)
type Fault struct {
	Vendor string `json:"vendor"` // rongcloud, getui or ""
	Host   string `json:"host"`   // primary, backup, * or ""
	Path   string `json:"path"`   // exact path, at Getui also a route such as /task/{taskid}; * or ""
	Lane   string `json:"lane"`   // RongCloud: tag, tag-batch, tag-get, broadcast, online, user, recall, push-plus; Getui: of its routes; or ""

	Kind        string  `json:"kind"`
	Times       int     `json:"times"`       // calls it meets; 0 = 1, below 0 = until disarmed
	Probability float64 `json:"probability"` // of meeting a call that matches; 0 = 1
	DelayMS     int64   `json:"delay_ms"`    // machine time; meaning depends on the kind

	HTTP     int    `json:"http"`     // answer, code, http_5xx, redirect
	Status   int    `json:"status"`   // synonym of http
	Code     int    `json:"code"`     // code: the vendor code
	Body     string `json:"body"`     // answer: the whole body; code: the errorMessage
	Location string `json:"location"` // redirect: where to; "" = the other host
}

// armed is a fault with what is left of it.
type armed struct {
	Fault
	left int // below 0 = no end
}

// faultKind is how a fault treats a call. A kind that executes runs the pipeline
// first, in late's case last, and disturbs only what the client sees.
type faultKind func(s *Server, w http.ResponseWriter, r *http.Request, a *arrival, f Fault)

var faultKinds = map[string]faultKind{
	// Not executed.
	"answer": func(s *Server, w http.ResponseWriter, _ *http.Request, a *arrival, f Fault) {
		s.refuseWith(w, a, answer{status: cmp.Or(f.HTTP, 500), body: []byte(f.Body)})
	},
	"code": func(s *Server, w http.ResponseWriter, _ *http.Request, a *arrival, f Fault) {
		s.refuseWith(w, a, a.refusal(f))
	},
	"http_5xx": func(s *Server, w http.ResponseWriter, _ *http.Request, a *arrival, f Fault) {
		s.refuseWith(w, a, answer{status: cmp.Or(f.HTTP, 502), contentType: "text/html", body: []byte("<html>bad gateway</html>")})
	},
	"redirect": func(s *Server, w http.ResponseWriter, _ *http.Request, a *arrival, f Fault) {
		to := f.Location
		if to == "" {
			to = s.otherHost(a.host) + a.path
		}
		status := f.HTTP
		if status/100 != 3 {
			status = http.StatusFound
		}
		s.refuseWith(w, a, answer{status: status, location: to, contentType: "text/html", body: []byte("<html>moved</html>")})
	},
	"reset_before": func(s *Server, w http.ResponseWriter, _ *http.Request, a *arrival, _ Fault) {
		s.record(a, 0, nil)
		reset(w)
	},
	"stall": func(s *Server, w http.ResponseWriter, r *http.Request, a *arrival, f Fault) {
		s.record(a, 0, nil)
		hold(a, r.Context(), f.DelayMS)
		reset(w)
	},

	kindTokenStorm: func(s *Server, w http.ResponseWriter, _ *http.Request, a *arrival, _ Fault) {
		s.refuseWith(w, a, a.getui.answer(badToken, nil))
	},

	// Executed.
	"numeric_times": reshaped(func(envelope map[string]any) { numericTimes(envelope) }),
	"extra_fields":  reshaped(extraFields),
	"no_msg":        reshaped(func(envelope map[string]any) { delete(envelope, "msg") }),
	"empty_msg":     reshaped(func(envelope map[string]any) { envelope["msg"] = "" }),
	"answer_after": func(s *Server, w http.ResponseWriter, _ *http.Request, a *arrival, f Fault) {
		if _, err := s.process(a); err != nil {
			reset(w)
			return
		}
		send(w, answer{status: cmp.Or(f.HTTP, 500), body: []byte(f.Body)})
	},
	"reset_after": func(s *Server, w http.ResponseWriter, _ *http.Request, a *arrival, _ Fault) {
		_, _ = s.process(a)
		reset(w)
	},
	"timeout_after": func(s *Server, w http.ResponseWriter, r *http.Request, a *arrival, f Fault) {
		out, err := s.process(a)
		if err != nil || hold(a, r.Context(), f.DelayMS) != elapsed {
			reset(w)
			return
		}
		send(w, out)
	},
	"late": func(s *Server, w http.ResponseWriter, r *http.Request, a *arrival, f Fault) {
		why := hold(a, r.Context(), 0) // until the client has given up
		if why == clientLeft && f.DelayMS > 0 {
			why = hold(a, nil, f.DelayMS)
		}
		if why == worldEnded {
			s.record(a, 0, nil)
		} else {
			_, _ = s.process(a)
		}
		reset(w)
	},
	"stall_after": func(s *Server, w http.ResponseWriter, r *http.Request, a *arrival, f Fault) {
		if out, err := s.process(a); err == nil {
			sendHalf(w, out)
			hold(a, r.Context(), f.DelayMS)
		}
		reset(w)
	},
	"truncate": func(s *Server, w http.ResponseWriter, _ *http.Request, a *arrival, _ Fault) {
		if out, err := s.process(a); err == nil {
			sendHalf(w, out)
		}
		hangUp(w)
	},
	"drip": func(s *Server, w http.ResponseWriter, r *http.Request, a *arrival, f Fault) {
		out, err := s.process(a)
		if err != nil {
			reset(w)
			return
		}
		out.writeHead(w)
		flush(w)
		for i := range out.body {
			if hold(a, r.Context(), cmp.Or(f.DelayMS, 100)) != elapsed {
				reset(w)
				return
			}
			if _, err := w.Write(out.body[i : i+1]); err != nil {
				return
			}
			flush(w)
		}
	},
}

// kindRefuse closes a listener; it acts when armed, not on calls.
const kindRefuse = "refuse"

// knownPath says whether a fault may name the path: an endpoint of RongCloud, or at
// Getui a route such as /task/{taskid}, or a whole path with its appId.
func knownPath(vendor, path string) bool {
	at := func(v string) bool { return vendor == "" || vendor == v }
	return at(vendorRongCloud) && endpoints[path] != nil || at(vendorGetui) && (isGetui(path) || isGetuiPattern(path))
}

// check completes a fault and says what is wrong with it.
func (f *Fault) check() error {
	if f.HTTP == 0 {
		f.HTTP = f.Status
	}
	if getuiKinds[f.Kind] && f.Vendor == "" {
		f.Vendor = vendorGetui
	}
	kinds := append(slices.Collect(maps.Keys(faultKinds)), kindRefuse)
	slices.Sort(kinds)
	switch {
	case !slices.Contains([]string{"", vendorRongCloud, vendorGetui}, f.Vendor):
		return fmt.Errorf("fault vendor %q: must be rongcloud or getui", f.Vendor)
	case getuiKinds[f.Kind] && f.Vendor == vendorRongCloud:
		return fmt.Errorf("fault kind %q: is Getui's, not %s's", f.Kind, f.Vendor)
	case !slices.Contains([]string{"", "*", "primary", "backup"}, f.Host):
		return fmt.Errorf("fault host %q: must be primary, backup or *", f.Host)
	case f.Path != "" && f.Path != "*" && !knownPath(f.Vendor, f.Path):
		return fmt.Errorf("fault path %q: not an endpoint of this vendor; use * for all", f.Path)
	case f.Lane != "" && !slices.Contains(knownLanes(f.Vendor), f.Lane):
		return fmt.Errorf("fault lane %q: must be one of %s", f.Lane, strings.Join(knownLanes(f.Vendor), ", "))
	case !slices.Contains(kinds, f.Kind):
		return fmt.Errorf("fault kind %q: must be one of %s", f.Kind, strings.Join(kinds, ", "))
	case f.Probability < 0 || f.Probability > 1:
		return fmt.Errorf("fault probability %v: must lie in 0..1", f.Probability)
	case f.DelayMS < 0:
		return fmt.Errorf("fault delay_ms %d: must not be negative", f.DelayMS)
	case f.HTTP != 0 && (f.HTTP < 200 || f.HTTP > 599):
		return fmt.Errorf("fault http %d: must lie in 200..599", f.HTTP)
	}
	return nil
}

// meet finds the fault for a call and takes one from its times; the caller holds
// Server.mu.
func (w *world) meet(a *arrival) (Fault, bool) {
	if a.getui != nil && a.getui.early != nil { // Getui's order of checks: what has no route meets no fault
		return Fault{}, false
	}
	fits := func(want, got string) bool { return want == "" || want == "*" || want == got }
	for _, f := range w.faults {
		if f.left == 0 || !fits(f.Vendor, a.vendor()) || !fits(f.Host, a.host) || !fits(f.Lane, a.lane()) ||
			!fits(f.Path, a.path) && f.Path != a.pattern() || f.Kind == kindTokenStorm && a.lane() == laneAuth {
			continue
		}
		if f.Probability > 0 && f.Probability < 1 && w.luck.Float64() >= f.Probability {
			continue
		}
		f.left--
		if f.Kind == "code" && a.getui != nil {
			a.getui.shut(f.getuiCode())
		}
		return f.Fault, true
	}
	return Fault{}, false
}

// held says why a wait ended.
type held int

const (
	elapsed    held = iota // the delay is over
	clientLeft             // nobody reads the answer any more
	worldEnded             // reset or Close
)

// hold waits until the delay has passed (0 = never), the client leaves (nil = not
// watched), or the world of the call ends.
func hold(a *arrival, client context.Context, delayMS int64) held {
	var delay <-chan time.Time
	if delayMS > 0 {
		timer := time.NewTimer(time.Duration(delayMS) * time.Millisecond)
		defer timer.Stop()
		delay = timer.C
	}
	var left <-chan struct{}
	if client != nil {
		left = client.Done()
	}
	why := worldEnded
	select {
	case <-a.world.ctx.Done():
	case <-left:
		why = clientLeft
	case <-delay:
		why = elapsed
	}
	if a.world.ctx.Err() != nil { // Close also takes the clients away: the world's end comes first
		return worldEnded
	}
	return why
}
