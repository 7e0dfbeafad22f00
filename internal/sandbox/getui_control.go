package sandbox

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
)

// What steers and shows the Getui half.

// GetuiClock is Getui's time in milliseconds since 1970.
func (s *Server) GetuiClock() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.world.getui.clock.ms()
}

// SetGetuiClock sets Getui's time, back as well as forth.
func (s *Server) SetGetuiClock(ms int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.world.getui.clock.set(ms)
}

// AdvanceGetuiClock moves Getui's time by ms.
func (s *Server) AdvanceGetuiClock(ms int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.world.getui.clock.offset += ms
}

// Knobs are those in force.
func (s *Server) Knobs() Knobs {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.world.getui.knobs
}

// SetKnobs turns knobs while everything else stays.
func (s *Server) SetKnobs(k Knobs) error {
	if err := k.check(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.world.getui.knobs = k
	return nil
}

// Device is a device of an app that is online.
type Device struct {
	CID      string   `json:"cid"`
	Phone    string   `json:"phone_type"` // android, ios; "": android
	Region   string   `json:"region"`     // a code of digits
	Portrait []string `json:"portrait"`   // codes
}

// AddDevices gives an app devices, all or, on an error, none; one that was there is as new. A reset takes them away.
func (s *Server) AddDevices(appID string, devices ...Device) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	app := s.world.getui.apps[appID]
	if app == nil {
		return fmt.Errorf("add devices: there is no app %q", appID)
	}
	for _, d := range devices {
		switch {
		case d.CID == "":
			return errors.New("add devices: a device without a cid")
		case d.Phone != "" && d.Phone != "android" && d.Phone != "ios":
			return fmt.Errorf("add devices: phone_type %q: must be android or ios", d.Phone)
		case d.Region != "" && !regionCodes.MatchString(d.Region):
			return fmt.Errorf("add devices: region %q: must be a code of digits", d.Region)
		}
	}
	for _, d := range devices {
		app.users[d.CID] = &getuiUser{cid: d.CID, online: true, phone: cmp.Or(d.Phone, "android"), region: d.Region, portrait: d.Portrait, lastLogin: s.world.getui.clock.ms()}
	}
	return nil
}

func (s *Server) addDevices(_ *http.Request, body []byte) (any, error) {
	var in struct {
		App     string
		Devices []Device
	}
	if err := strictJSON(body, &in); err != nil {
		return nil, err
	}
	return done, s.AddDevices(in.App, in.Devices...)
}

// turnKnobs takes the knobs to turn; the others stay as they are.
func (s *Server) turnKnobs(_ *http.Request, body []byte) (any, error) {
	k := s.Knobs()
	if err := strictJSON(body, &k); err != nil {
		return nil, err
	}
	return k, s.SetKnobs(k)
}

// Deliveries are the messages that a device was given, oldest first, of the last
// 200,000 of all devices; total counts every one.
func (s *Server) Deliveries(cid string) (kept []Delivery, total int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.world.getui.settle()
	return s.world.getui.log.of(cid)
}

func (s *Server) deliveries(r *http.Request, _ []byte) (any, error) {
	cid := r.URL.Query().Get("cid")
	if cid == "" {
		return nil, errors.New("cid: must be given")
	}
	kept, total := s.Deliveries(cid)
	return map[string]any{"deliveries": kept, "total": total}, nil
}

// GetuiTags returns the tags by cid of the devices that ever had any, nil for an
// unknown appId.
func (s *Server) GetuiTags(appID string) map[string][]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	app := s.world.getui.apps[appID]
	if app == nil {
		return nil
	}
	out := map[string][]string{}
	for cid, u := range app.users {
		if u.tags != nil {
			out[cid] = slices.Clone(u.tags)
		}
	}
	return out
}
