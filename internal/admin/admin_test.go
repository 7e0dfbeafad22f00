package admin

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// serve starts a server and gives the means to ask it.
func serve(t *testing.T, token func() string, status func() any) func(method, path, auth string) (int, string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- Serve(ctx, Options{Listener: ln, Token: token, Gatherer: prometheus.NewRegistry(), Live: func() Health { return Health{OK: true} }, Ready: func() Health { return Health{OK: true} }, Status: status, Log: zap.NewNop()})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return func(method, path, auth string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+ln.Addr().String()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if auth != "" {
			req.Header.Set("Authorization", auth)
		}
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(b)
	}
}

func TestOnlyHealthIsToldWithoutTheToken(t *testing.T) {
	t.Parallel()
	ask := serve(t, func() string { return "the-token-41" }, func() any { return map[string]int{"a": 1} })
	for _, c := range []struct {
		path, auth string
		want       int
	}{
		{"/livez", "", 200}, {"/readyz", "", 200},
		{"/metrics", "", 401}, {"/status", "", 401}, {"/status", "Bearer wrong", 401}, {"/status", "Bearer ", 401}, {"/status", "Basic the-token-41", 401}, {"/status", "the-token-41 ", 401},
		{"/metrics", "Bearer the-token-41", 200}, {"/status", "Bearer the-token-41", 200},
	} {
		code, body := ask(http.MethodGet, c.path, c.auth)
		if code != c.want || strings.Contains(body, "the-token-41") {
			t.Errorf("GET %s with %q: %d, want %d: %s", c.path, c.auth, code, c.want, body)
		}
	}
}

// There is nothing else: no profiles, no way to change anything, and nothing said of what went wrong inside.
func TestNothingElseIsServed(t *testing.T) {
	t.Parallel()
	ask := serve(t, nil, func() any { return func() {} }) // which no JSON can be made of
	for _, path := range []string{"/", "/debug", "/debug/pprof/", "/debug/pprof/heap", "/debug/vars", "/-/reload", "/-/quit", "/config", "/../etc/passwd"} {
		if code, body := ask(http.MethodGet, path, ""); code != 404 && code != 307 && code != 301 {
			t.Errorf("GET %s: %d %s", path, code, body)
		}
	}
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch, "TRACE"} {
		for _, path := range []string{"/livez", "/readyz", "/metrics", "/status"} {
			if code, body := ask(method, path, ""); code != 405 {
				t.Errorf("%s %s: %d %s", method, path, code, body)
			}
		}
	}
	if code, body := ask(http.MethodGet, "/status", ""); code != 500 || body != "internal error\n" {
		t.Errorf("a fault inside: %d %q", code, body)
	}
}
