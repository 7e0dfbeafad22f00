package rig

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// Account is one account of the daemon and one application of the sandbox.
type Account struct {
	Name   string
	Tags   bool // has tag rules
	Getui  bool // at Getui; otherwise at RongCloud
	Alias  bool // Getui: users are aliases; otherwise devices
	TagDay int  // Getui: changes of tags a day; 0: as many as the vendor allows
}

// TagMinute is how many changes of tags a minute the sandbox and the daemon agree on at Getui, the larger of the vendor's two numbers: with 5 a
// run would wait for slots.
const TagMinute = 100

// Key is the account's App Key.
func (a Account) Key() string { return "key-" + a.Name }

// shown is the account's name in /_sbx/tags.
func (a Account) shown() string {
	if a.Getui {
		return "app-" + a.Name
	}
	return a.Key()
}

// app is the account's application as the sandbox's flag names it.
func (a Account) app() string {
	if a.Getui {
		return "getui:app-" + a.Name + ":" + a.Key() + ":" + secret
	}
	return "rongcloud:" + a.Key() + ":" + secret
}

const secret = "not-a-secret" // the sandbox's and the daemon's, on loopback

// Sandbox is a running `notifier sandbox`. It survives the daemon.
type Sandbox struct {
	*Process
	Primary, Backup string
	Journal         string // the --log file: what the vendor really did
	control         string
}

// Fault is one entry of /_sbx/faults; see the sandbox's documentation.
type Fault struct {
	Vendor      string  `json:"vendor,omitempty"`
	Path        string  `json:"path,omitempty"`
	Lane        string  `json:"lane,omitempty"`
	Kind        string  `json:"kind"`
	Times       int     `json:"times"`
	Probability float64 `json:"probability,omitempty"`
	DelayMS     int     `json:"delay_ms,omitempty"`
	HTTP        int     `json:"http,omitempty"`
	Code        int     `json:"code,omitempty"`
	Body        string  `json:"body,omitempty"`
}

// Stats are the sandbox's counts. Deliveries and overlays are Getui's.
type Stats struct {
	Overruns            int `json:"overruns"`
	Doubles             int `json:"doubles"`
	DuplicateDeliveries int `json:"duplicate_deliveries"` // a device got again what one request id says
	RequestIDConflicts  int `json:"request_id_conflicts"` // one request id with another push
	WithoutOverlay      int `json:"without_overlay"`      // pushes that do not replace each other on the device
}

// StartSandbox runs the sandbox with its journal under dir and waits for its ready line.
func StartSandbox(ctx context.Context, binary, dir string, seed uint64, accounts []Account) (*Sandbox, error) {
	s := &Sandbox{Journal: filepath.Join(dir, "sandbox.jsonl")}
	args := []string{"sandbox", "--addr", "127.0.0.1:0", "--log", s.Journal, "--seed", fmt.Sprint(seed)}
	for _, a := range accounts {
		args = append(args, "--app", a.app())
	}
	pr, pw := io.Pipe()
	p, err := start("sandbox", binary, args, nil, filepath.Join(dir, "sandbox.log"), pw)
	if err != nil {
		return nil, err
	}
	s.Process = p
	line := make(chan []byte, 1)
	go func() {
		in := bufio.NewScanner(pr)
		if in.Scan() {
			line <- bytes.Clone(in.Bytes())
		}
		_, _ = io.Copy(io.Discard, pr) // ends with the process
	}()
	go func() {
		<-p.Done()
		pw.Close()
	}()
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	select {
	case b := <-line:
		var ready struct {
			Primary string `json:"rongcloud"`
			Backup  string `json:"rongcloud_backup"`
			Control string `json:"control"`
		}
		if err := json.Unmarshal(b, &ready); err != nil || ready.Primary == "" || ready.Backup == "" || ready.Control == "" {
			p.Kill()
			return nil, fmt.Errorf("sandbox: its first line is not a ready line: %q", b)
		}
		s.Primary, s.Backup, s.control = ready.Primary, ready.Backup, ready.Control
		return s, nil
	case <-p.Done():
		return nil, fmt.Errorf("sandbox: ended before it was ready\n%s", p.Tail())
	case <-ctx.Done():
		p.Kill()
		return nil, fmt.Errorf("sandbox: no ready line: %w\n%s", ctx.Err(), p.Tail())
	}
}

// Arm adds a fault behind those armed before; the first that matches a call meets it.
func (s *Sandbox) Arm(ctx context.Context, f Fault) error {
	return s.call(ctx, http.MethodPost, "/faults", f, nil)
}

// Disarm takes all faults away: the vendor is healthy.
func (s *Sandbox) Disarm(ctx context.Context) error {
	return s.call(ctx, http.MethodDelete, "/faults", nil, nil)
}

// Bind gives devices of an account at Getui their aliases. It asks as a server of the app's owner would, so it comes before faults are armed.
func (s *Sandbox) Bind(ctx context.Context, a Account, cids map[string]string) error {
	app := s.Primary + "/v2/app-" + a.Name
	stamp := fmt.Sprint(time.Now().UnixMilli())
	sign := sha256.Sum256([]byte(a.Key() + stamp + secret))
	var token struct {
		Data struct{ Token string }
	}
	if err := send(ctx, http.MethodPost, app+"/auth", "", map[string]string{"appkey": a.Key(), "timestamp": stamp, "sign": hex.EncodeToString(sign[:])}, &token); err != nil {
		return err
	}
	var pairs []map[string]string
	for alias, cid := range cids {
		pairs = append(pairs, map[string]string{"cid": cid, "alias": alias})
	}
	return send(ctx, http.MethodPost, app+"/user/alias", token.Data.Token, map[string]any{"data_list": pairs}, nil)
}

// Turn turns knobs of the Getui half.
func (s *Sandbox) Turn(ctx context.Context, knobs map[string]any) error {
	return s.call(ctx, http.MethodPost, "/knobs", knobs, nil)
}

// Tags returns the vendor's tag sets of an application, by user.
func (s *Sandbox) Tags(ctx context.Context, a Account) (map[string][]string, error) {
	out := map[string][]string{}
	return out, s.call(ctx, http.MethodGet, "/tags?app="+url.QueryEscape(a.shown()), nil, &out)
}

// Arrived is how many bytes the journal has: a call is in it before it is answered.
func (s *Sandbox) Arrived() (int64, error) {
	info, err := os.Stat(s.Journal)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// Stats returns the sandbox's counts for a vendor, rongcloud or getui.
func (s *Sandbox) Stats(ctx context.Context, vendor string) (Stats, error) {
	out := map[string]Stats{}
	err := s.call(ctx, http.MethodGet, "/stats", nil, &out)
	return out[vendor], err
}

func (s *Sandbox) call(ctx context.Context, method, path string, in, out any) error {
	return send(ctx, method, s.control+path, "", in, out)
}

// send makes a request with JSON both ways.
func send(ctx context.Context, method, url, token string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return err
	}
	if token != "" {
		req.Header.Set("token", token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode/100 != 2 {
		return fmt.Errorf("sandbox: %s %s: HTTP %d: %s (%w)", method, url, res.StatusCode, b, err)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(b, out); err != nil {
		return fmt.Errorf("sandbox: %s %s: %w: %s", method, url, err, b)
	}
	return nil
}
