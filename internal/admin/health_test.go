package admin

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// A probe reads the status code, people read the body; the token guards what is not health.
func TestHealthIsTheStatusCode(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	stuck := Health{Detail: []string{"stage 1 has worked on one batch for 2m0s"}}
	go func() {
		done <- Serve(ctx, Options{Listener: ln, Token: func() string { return "t" }, Gatherer: prometheus.NewRegistry(), Live: func() Health { return stuck },
			Ready: func() Health { return Health{OK: true} }, Status: func() any { return 1 }, Log: zap.NewNop()})
	}()
	for path, want := range map[string]int{"/livez": 503, "/readyz": 200, "/metrics": 401, "/status": 401, "/": 404} {
		res, err := http.Get("http://" + ln.Addr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%s answers %d, want %d", path, res.StatusCode, want)
		}
		if path != "/livez" {
			continue
		}
		var got Health
		if err := json.NewDecoder(res.Body).Decode(&got); err != nil {
			t.Error(err)
		} else if d := cmp.Diff(stuck, got); d != "" {
			t.Error(d)
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
