package sdk

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The account that a sandbox has when none is given.
const (
	appKey    = "sbx-app-key-01"
	appSecret = "sandbox-secret-01"
)

// sandbox is a running `notifier sandbox`.
type sandbox struct {
	primary, backup, getui, control string
}

// entry is what the tests read of a journal entry.
type entry struct {
	Host      string            `json:"host"`
	Method    string            `json:"method"`
	Path      string            `json:"path"`
	Headers   map[string]string `json:"headers"`
	Body      json.RawMessage   `json:"body"`
	HTTP      int               `json:"http"`
	Code      int               `json:"code"`
	Answer    answer            `json:"answer"`
	Executed  bool              `json:"executed"`
	Effective json.RawMessage   `json:"effective"`
	Matched   []string          `json:"matched"`
	Rendered  json.RawMessage   `json:"rendered"`
	Recalls   int               `json:"recalls"`
	Repeats   []string          `json:"repeats"`
}

type answer struct {
	Code         int    `json:"code"`
	ErrorMessage string `json:"errorMessage"`
	MessageUID   string `json:"messageUID"`
	MessageUIDs  []struct {
		MessageUID string `json:"messageUID"`
	} `json:"messageUIDs"`
}

// uid is the first message that a call made.
func (a answer) uid() string {
	if len(a.MessageUIDs) > 0 {
		return a.MessageUIDs[0].MessageUID
	}
	return a.MessageUID
}

// startSandbox runs a process until the test ends.
func startSandbox(t *testing.T, flags ...string) *sandbox {
	t.Helper()
	cmd := exec.Command(shared.notifier, append([]string{"sandbox", "--addr", "127.0.0.1:0"}, flags...)...)
	cmd.Stderr = os.Stderr
	dieWithParent(cmd)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the sandbox ended with %v", err)
		}
	})
	line, err := bufio.NewReader(out).ReadBytes('\n')
	var ready struct {
		Primary string `json:"rongcloud"`
		Backup  string `json:"rongcloud_backup"`
		Getui   string `json:"getui"`
		Control string `json:"control"`
	}
	if err := errors.Join(err, json.Unmarshal(line, &ready)); err != nil {
		t.Fatalf("ready line %q: %v", line, err)
	}
	return &sandbox{ready.Primary, ready.Backup, ready.Getui, ready.Control}
}

// do makes a call and decodes its JSON answer whatever its status is.
func (s *sandbox) do(t *testing.T, method, at string, header http.Header, body string, out any) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, at, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		r.Header[name] = values
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if out != nil {
		if err := json.Unmarshal(raw, out); err != nil {
			t.Fatalf("%s %s: %d %s: %v", method, at, resp.StatusCode, raw, err)
		}
	}
	return resp.StatusCode
}

func (s *sandbox) steer(t *testing.T, method, path, body string, out any) {
	t.Helper()
	if status := s.do(t, method, s.control+path, nil, body, out); status != 200 {
		t.Fatalf("%s %s: HTTP %d", method, path, status)
	}
}

// journal is every arrival since the last reset.
func (s *sandbox) journal(t *testing.T) []entry {
	t.Helper()
	var out struct{ Requests []entry }
	s.steer(t, "GET", "/journal", "", &out)
	return out.Requests
}

// tags is the vendor's tag store.
func (s *sandbox) tags(t *testing.T) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	s.steer(t, "GET", "/tags?app="+appKey, "", &out)
	return out
}

// post makes a call as the contract wants it: milliseconds, a short nonce.
func (s *sandbox) post(t *testing.T, path, contentType, body string) (int, answer) {
	t.Helper()
	var random [8]byte
	_, _ = rand.Read(random[:])
	nonce, stamp := hex.EncodeToString(random[:]), strconv.FormatInt(time.Now().UnixMilli(), 10)
	sum := sha1.Sum([]byte(appSecret + nonce + stamp))
	var out answer
	status := s.do(t, "POST", s.primary+path, http.Header{
		"App-Key": {appKey}, "Nonce": {nonce}, "Timestamp": {stamp}, "Signature": {hex.EncodeToString(sum[:])}, "Content-Type": {contentType},
	}, body, &out)
	return status, out
}

// wire is the body of an entry as it came, its form encoded anew.
func (e entry) wire(t *testing.T) (contentType, body string) {
	t.Helper()
	contentType = e.Headers["Content-Type"]
	if !strings.HasPrefix(contentType, "application/x-www-form-urlencoded") {
		return contentType, string(e.Body)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(e.Body, &fields); err != nil {
		t.Fatalf("form %s: %v", e.Body, err)
	}
	form := url.Values{}
	for name, raw := range fields {
		var one string
		var many []string
		if bytes.HasPrefix(raw, []byte("[")) {
			if err := json.Unmarshal(raw, &many); err != nil {
				t.Fatal(err)
			}
		} else if err := json.Unmarshal(raw, &one); err != nil {
			t.Fatal(err)
		} else {
			many = []string{one}
		}
		form[name] = many
	}
	return contentType, form.Encode()
}
