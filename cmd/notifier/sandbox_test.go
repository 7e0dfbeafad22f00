package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/notifier/notifier/internal/sandbox"
)

func TestSandboxPrintsOneReadyLineAndEndsCleanly(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	out, in := io.Pipe()
	cmd := newSandboxCmd()
	cmd.SetArgs([]string{"--clock", "fixed"})
	cmd.SetOut(in)
	result := make(chan error, 1)
	go func() {
		result <- cmd.ExecuteContext(ctx)
		_ = in.Close()
	}()

	var ready sandbox.Ready
	lines := json.NewDecoder(out)
	if err := lines.Decode(&ready); err != nil {
		t.Fatal(err)
	}
	for _, base := range []string{ready.Control, ready.Backup + "/_sbx"} {
		resp, err := http.Get(base + "/clock")
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if string(body) != `{"rongcloud":1767225600000,"getui":1700000000000}` {
			t.Errorf("%s/clock answers %s", base, body)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	cancel()
	if err := <-result; err != nil {
		t.Errorf("ended with %v", err)
	}
	rest, _ := io.ReadAll(io.MultiReader(lines.Buffered(), out))
	if text := strings.TrimSpace(string(rest)); text != "" {
		t.Errorf("more than one line on stdout: %q", text)
	}
}

func TestSandboxRefusesWrongFlags(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"--vendor apple", "must be rongcloud, getui or both"},
		{"--clock slow", "must be real or fixed"},
		{"--app rongcloud:key", "must be rongcloud:KEY:SECRET"},
		{"--app getui:id:key", "must be rongcloud:KEY:SECRET or getui:APPID:APPKEY:MASTERSECRET"},
		{"--vendor rongcloud --app getui:id:key:secret", "only rongcloud is served"},
		{"--addr 0.0.0.0:0", "loopback only"},
		{"--addr 256.0.0.1:1", "256.0.0.1"},
		{"--log /nonexistent/x.jsonl", "/nonexistent/x.jsonl"},
		{"--app rongcloud:key:secret --app rongcloud:key:secret", "key"},
		{"more", "unknown command"},
	} {
		cmd := newSandboxCmd()
		cmd.SetArgs(strings.Fields(c.args))
		var out bytes.Buffer
		cmd.SetOut(&out)
		cmd.SetErr(&out)
		err := cmd.Execute()
		if code := exitCode(err, true); code != exitUsage && c.args != "more" {
			t.Errorf("%s: exit %d, want %d", c.args, code, exitUsage)
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want it to say %q", c.args, err, c.want)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error shows the secret: %v", c.args, err)
		}
	}
}

func TestSandboxApps(t *testing.T) {
	for text, want := range map[string]sandbox.App{
		"rongcloud:key:se:cret":  {Vendor: "rongcloud", Key: "key", Secret: "se:cret"},
		"getui:id:key:se:cret:x": {Vendor: "getui", ID: "id", Key: "key", Secret: "se:cret:x"},
	} {
		if got, err := parseSandboxApp(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", text, got, err, want)
		}
	}
}
