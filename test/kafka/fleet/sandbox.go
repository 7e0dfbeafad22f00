// Package fleet runs the notifier binary: the sandbox that plays the vendor, and the daemons under test.
package fleet

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"time"

	"github.com/notifier/notifier/test/kafka/proc"
)

// App is a RongCloud application that the sandbox knows.
type App struct{ Key, Secret string }

// Sandbox is a running `notifier sandbox`.
type Sandbox struct {
	*proc.Process
	Primary, Backup string // base URLs of the vendor's two hosts
	Journal         string // the --log file: what the vendor really executed
	control         string
}

// Fault is one entry of /_sbx/faults.
type Fault struct {
	Vendor      string  `json:"vendor"`
	Host        string  `json:"host"`
	Path        string  `json:"path"`
	Kind        string  `json:"kind"`
	Times       int     `json:"times"`
	Probability float64 `json:"probability"`
	DelayMS     int     `json:"delay_ms,omitempty"`
	HTTP        int     `json:"http,omitempty"`
	Code        int     `json:"code,omitempty"`
}

// Stats are the sandbox's own counts for RongCloud.
type Stats struct {
	Calls          int `json:"calls"`
	Executed       int `json:"executed"`
	RefusedByQuota int `json:"refused_by_quota"`
	Overruns       int `json:"overruns"`
	Doubles        int `json:"doubles"`
}

// StartSandbox runs the sandbox with its journal under dir and waits for its ready line.
func StartSandbox(ctx context.Context, binary, dir string, apps ...App) (*Sandbox, error) {
	s := &Sandbox{Journal: filepath.Join(dir, "sandbox.jsonl")}
	args := []string{"sandbox", "--addr", "127.0.0.1:0", "--vendor", "rongcloud", "--log", s.Journal}
	for _, a := range apps {
		args = append(args, "--app", "rongcloud:"+a.Key+":"+a.Secret)
	}
	pr, pw := io.Pipe()
	p, err := proc.Start(proc.Options{Name: "sandbox", Path: binary, Args: args, Log: filepath.Join(dir, "sandbox.log"), Out: pw})
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
			return nil, fmt.Errorf("sandbox: its first line is not the ready line of sandbox.md: %q", b)
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

// Arm adds a fault.
func (s *Sandbox) Arm(ctx context.Context, f Fault) error {
	f.Vendor, f.Host = "rongcloud", "*"
	return s.call(ctx, http.MethodPost, "/faults", f, nil)
}

// Disarm takes all faults away: the vendor is healthy.
func (s *Sandbox) Disarm(ctx context.Context) error {
	return s.call(ctx, http.MethodDelete, "/faults", nil, nil)
}

// Tags returns the vendor's tag sets of an application.
func (s *Sandbox) Tags(ctx context.Context, app App) (map[string][]string, error) {
	out := map[string][]string{}
	return out, s.call(ctx, http.MethodGet, "/tags?app="+url.QueryEscape(app.Key), nil, &out)
}

// Stats returns the sandbox's counts.
func (s *Sandbox) Stats(ctx context.Context) (Stats, error) {
	var out struct {
		RongCloud Stats `json:"rongcloud"`
	}
	return out.RongCloud, s.call(ctx, http.MethodGet, "/stats", nil, &out)
}

func (s *Sandbox) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, s.control+path, body)
	if err != nil {
		return err
	}
	return do(req, out)
}

// SetTags sets a user's tags as somebody other than the daemon would, over the vendor's API (rongcloud.md E1).
func (s *Sandbox) SetTags(ctx context.Context, app App, user string, tags []string) error {
	b, err := json.Marshal(map[string]any{"userId": user, "tags": tags})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Primary+"/user/tag/set.json", bytes.NewReader(b))
	if err != nil {
		return err
	}
	var r [8]byte
	_, _ = rand.Read(r[:])
	nonce, stamp := hex.EncodeToString(r[:]), strconv.FormatInt(time.Now().UnixMilli(), 10)
	sum := sha1.Sum([]byte(app.Secret + nonce + stamp))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("App-Key", app.Key)
	req.Header.Set("Nonce", nonce)
	req.Header.Set("Timestamp", stamp)
	req.Header.Set("Signature", hex.EncodeToString(sum[:]))
	return do(req, nil)
}

func do(req *http.Request, out any) error {
	ctx, cancel := context.WithTimeout(req.Context(), 10*time.Second)
	defer cancel()
	res, err := http.DefaultClient.Do(req.WithContext(ctx))
	if err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("sandbox: %s %s: %w", req.Method, req.URL.Path, err)
	}
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("sandbox: %s %s: HTTP %d: %s", req.Method, req.URL.Path, res.StatusCode, b)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(b, out); err != nil {
		return fmt.Errorf("sandbox: %s %s: %w: %s", req.Method, req.URL.Path, err, b)
	}
	return nil
}
