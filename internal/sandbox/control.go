package sandbox

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// controlPrefix holds the calls that steer the server, on both hosts, outside the
// vendor's name space. They are neither journalled nor counted.
const controlPrefix = "/_sbx"

// controls are the handlers by "METHOD name"; what they return becomes the answer.
var controls = map[string]func(*Server, *http.Request, []byte) (any, error){
	"POST reset": func(s *Server, _ *http.Request, body []byte) (any, error) {
		setup, err := s.resetBody(body)
		if err != nil {
			return nil, err
		}
		return done, s.Reset(setup)
	},
	"GET clock":  func(s *Server, _ *http.Request, _ []byte) (any, error) { return s.clocks(), nil },
	"POST clock": (*Server).moveClock,
	"GET journal": func(s *Server, r *http.Request, _ []byte) (any, error) {
		since, err := strconv.ParseInt(cmp.Or(r.URL.Query().Get("since"), "0"), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("since %q: must be a seq, a whole number", r.URL.Query().Get("since"))
		}
		return map[string]any{"requests": s.Journal(since)}, nil
	},
	"GET tags": func(s *Server, r *http.Request, _ []byte) (any, error) {
		key := r.URL.Query().Get("app")
		if tags := s.Tags(key); tags != nil {
			return tags, nil
		}
		if tags := s.GetuiTags(key); tags != nil {
			return tags, nil
		}
		return nil, fmt.Errorf("app %q: no such App Key or appId here", key)
	},
	"POST faults": func(s *Server, _ *http.Request, body []byte) (any, error) {
		var f Fault
		if err := strictJSON(body, &f); err != nil {
			return nil, err
		}
		if f.Kind == kindRefuse && f.Host != "primary" && f.Host != "backup" && f.DelayMS == 0 {
			return nil, errors.New("fault refuse on both hosts would leave no way to disarm it: name one host, or give delay_ms after which they come back")
		}
		return done, s.Arm(f)
	},
	"DELETE faults":  func(s *Server, _ *http.Request, _ []byte) (any, error) { return done, s.Disarm() },
	"GET services":   func(s *Server, _ *http.Request, _ []byte) (any, error) { return s.Services(), nil },
	"POST services":  (*Server).switchServices,
	"GET stats":      func(s *Server, _ *http.Request, _ []byte) (any, error) { return s.Stats(), nil },
	"GET knobs":      func(s *Server, _ *http.Request, _ []byte) (any, error) { return s.Knobs(), nil },
	"POST knobs":     (*Server).turnKnobs,
	"GET deliveries": (*Server).deliveries,
	"POST devices":   (*Server).addDevices,
}

var done = map[string]bool{"ok": true}

type clockAnswer struct {
	RongCloud int64 `json:"rongcloud"` // milliseconds
	Getui     int64 `json:"getui"`
}

func (s *Server) clocks() clockAnswer { return clockAnswer{s.Clock(), s.GetuiClock()} }

// control answers one steering call: 200 with JSON, or 400/404/405 with
// {"error": words}.
func (s *Server) control(w http.ResponseWriter, r *http.Request) {
	name := strings.Trim(strings.TrimPrefix(r.URL.Path, controlPrefix), "/")
	status, out := http.StatusOK, any(nil)
	handler := controls[r.Method+" "+name]
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	switch {
	case err != nil:
		status = http.StatusBadRequest
	case handler != nil:
		if out, err = handler(s, r, body); err != nil {
			status = http.StatusBadRequest
		}
	default:
		status, err = http.StatusNotFound, fmt.Errorf("no control call %s %s/%s", r.Method, controlPrefix, name)
		for known := range controls {
			if strings.HasSuffix(known, " "+name) {
				status = http.StatusMethodNotAllowed
			}
		}
	}
	if err != nil {
		out = map[string]string{"error": err.Error()}
	}
	send(w, answer{status: status, body: mustText(out)})
}

// resetBody reads what a reset chooses over what the server started with.
func (s *Server) resetBody(body []byte) (Setup, error) {
	setup := s.StartSetup()
	var in struct {
		Mode     *string
		Services json.RawMessage
		Options  json.RawMessage
		Knobs    json.RawMessage
	}
	if err := strictJSON(body, &in); err != nil {
		return setup, err
	}
	if in.Mode != nil {
		if *in.Mode != "strict" && *in.Mode != "lenient" {
			return setup, fmt.Errorf("mode %q: must be strict or lenient", *in.Mode)
		}
		setup.Lenient = *in.Mode == "lenient"
	}
	if err := strictJSON(in.Services, &setup.Services); err != nil {
		return setup, fmt.Errorf("services: %w", err)
	}
	if err := strictJSON(in.Options, &setup.Switches); err != nil {
		return setup, fmt.Errorf("options: %w", err)
	}
	if err := strictJSON(in.Knobs, &setup.Knobs); err != nil {
		return setup, fmt.Errorf("knobs: %w", err)
	}
	return setup, nil
}

func (s *Server) moveClock(_ *http.Request, body []byte) (any, error) {
	var in struct {
		Vendor    string `json:"vendor"`
		NowMS     *int64 `json:"now_ms"`
		AdvanceMS *int64 `json:"advance_ms"`
	}
	if err := strictJSON(body, &in); err != nil {
		return nil, err
	}
	set, advance := in.NowMS, in.AdvanceMS
	switch {
	case !slices.Contains([]string{"", vendorRongCloud, vendorGetui}, in.Vendor):
		return nil, fmt.Errorf("vendor %q: must be rongcloud or getui, or absent for both", in.Vendor)
	case (set == nil) == (advance == nil):
		return nil, errors.New("give either now_ms or advance_ms")
	}
	if in.Vendor != vendorGetui {
		if set != nil {
			s.SetClock(*set)
		} else {
			s.AdvanceClock(*advance)
		}
	}
	if in.Vendor != vendorRongCloud {
		if set != nil {
			s.SetGetuiClock(*set)
		} else {
			s.AdvanceGetuiClock(*advance)
		}
	}
	return s.clocks(), nil
}

// switchServices takes what one account (none named = all) has bought; a service
// that is not mentioned stays as it is.
func (s *Server) switchServices(_ *http.Request, body []byte) (any, error) {
	var in struct {
		App       string `json:"app"`
		Broadcast *bool  `json:"broadcast"`
		PushPlus  *bool  `json:"push_plus"`
	}
	if err := strictJSON(body, &in); err != nil {
		return nil, err
	}
	err := s.SetServices(in.App, func(v Services) Services {
		if in.Broadcast != nil {
			v.Broadcast = *in.Broadcast
		}
		if in.PushPlus != nil {
			v.PushPlus = *in.PushPlus
		}
		return v
	})
	return s.Services(), err
}

// strictJSON decodes over what v holds; nothing at all counts as {}.
func strictJSON(body []byte, v any) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("body: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("body: more than one JSON value")
	}
	return nil
}

// StartSetup is what an empty reset returns to.
func (s *Server) StartSetup() Setup { return s.first }

// Reset puts quotas, tags, journal, stats, faults, ids and clock back to the start,
// under the given setup. Calls that faults hold back are dropped.
func (s *Server) Reset(setup Setup) error {
	zone, err := setup.Switches.zone()
	if err != nil {
		return err
	}
	if err := setup.Knobs.check(); err != nil {
		return err
	}
	s.mu.Lock()
	old := s.world
	s.world = newWorld(s.ctx, setup, zone, old.clock, s.apps, s.seed)
	s.world.resets = old.resets + 1
	s.mu.Unlock()
	old.end()
	return s.reopenHosts()
}

// Services says by App Key what is switched on.
func (s *Server) Services() map[string]Services {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]Services{}
	for key, a := range s.world.apps {
		out[key] = a.services
	}
	return out
}

// SetServices switches the services of one App Key, or of all for "", while quotas,
// tags and the journal stay: an account gets what it lacked, or loses it.
func (s *Server) SetServices(app string, change func(Services) Services) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if app != "" && s.world.apps[app] == nil {
		return fmt.Errorf("app %q: no such App Key here", app)
	}
	for key, a := range s.world.apps {
		if app == "" || app == key {
			a.services = change(a.services)
		}
	}
	return nil
}

// Clock is RongCloud's time in milliseconds since 1970.
func (s *Server) Clock() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.world.clock.ms()
}

// SetClock sets RongCloud's time, back as well as forth.
func (s *Server) SetClock(ms int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.world.clock.set(ms)
}

// AdvanceClock moves RongCloud's time by ms.
func (s *Server) AdvanceClock(ms int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.world.clock.offset += ms
}

// Journal returns the entries in memory with seq above since, oldest first: at
// most the last 100,000, and fewer when their bodies exceed 64 MiB.
func (s *Server) Journal(since int64) []Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.world.journal.after(since)
}

// Tags returns the tag sets of an App Key by user, nil for an unknown key. A user
// whose tags were cleared has an empty set; the order in a set has no meaning.
func (s *Server) Tags(appKey string) map[string][]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.world.apps[appKey]
	if a == nil {
		return nil
	}
	out := make(map[string][]string, len(a.tags))
	for user, tags := range a.tags {
		out[user] = append(make([]string, 0, len(tags)), tags...)
	}
	return out
}

// Stats returns the counters since start or reset.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.world.getui.settle()
	return Stats{RongCloud: s.world.stats, Getui: s.world.getui.stats}
}

// Arm adds a fault behind those armed before. Kind refuse acts at once: it closes
// the listener until Disarm, Reset or the end of its delay.
func (s *Server) Arm(f Fault) error {
	if err := f.check(); err != nil {
		return err
	}
	if f.Kind == kindRefuse {
		for _, h := range s.hosts {
			if f.Host == "" || f.Host == "*" || f.Host == h.name {
				h.refuse(f.DelayMS)
			}
		}
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.world.faults = slices.DeleteFunc(s.world.faults, func(a *armed) bool { return a.left == 0 })
	s.world.faults = append(s.world.faults, &armed{f, cmp.Or(f.Times, 1)})
	return nil
}

// Disarm removes every fault and opens closed listeners on their old ports. Calls
// that a fault already holds stay with it.
func (s *Server) Disarm() error {
	s.mu.Lock()
	s.world.faults = nil
	s.mu.Unlock()
	return s.reopenHosts()
}

func (s *Server) reopenHosts() error {
	var failed []error
	for _, h := range s.hosts {
		failed = append(failed, h.reopen())
	}
	return errors.Join(failed...)
}
