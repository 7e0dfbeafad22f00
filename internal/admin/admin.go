// Package admin is the HTTP side of the daemon: health, metrics and a read-only status. It changes nothing.
package admin

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"
)

// Health is the answer of /livez and /readyz.
type Health struct {
	OK     bool     `json:"ok"`
	Detail []string `json:"detail,omitempty"` // stopped partitions and lanes, what is missing
}

// Options are what a Server needs.
type Options struct {
	Listener net.Listener
	Token    func() string // Authorization: Bearer TOKEN for all but /livez and /readyz; nil or "": none
	Gatherer prometheus.Gatherer
	Live     func() Health // the loops turn
	Ready    func() Health // owned partitions are restored; a vendor that is down does not make it unready
	Status   func() any
	Log      *zap.Logger
}

// Serve answers until ctx ends.
func Serve(ctx context.Context, o Options) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", health(o.Live))
	mux.HandleFunc("GET /readyz", health(o.Ready))
	metrics := promhttp.HandlerFor(o.Gatherer, promhttp.HandlerOpts{})
	mux.Handle("GET /metrics", o.guard(metrics))
	mux.Handle("GET /status", o.guard(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, o.Status()) })))
	srv := &http.Server{Handler: mux, ReadTimeout: 5 * time.Second, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: zap.NewStdLog(o.Log)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		<-ctx.Done()
		sc, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = srv.Shutdown(sc)
	}()
	err := srv.Serve(o.Listener)
	if !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("admin server: %w", err)
	}
	<-done
	return nil
}

func (o Options) guard(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := ""
		if o.Token != nil {
			token = o.Token()
		}
		got, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if token != "" && (!bearer || subtle.ConstantTimeCompare([]byte(got), []byte(token)) != 1) {
			http.Error(w, "the admin token is missing or wrong", http.StatusUnauthorized)
			return
		}
		h.ServeHTTP(w, r)
	})
}

func health(f func() Health) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		h := f()
		code := http.StatusOK
		if !h.OK {
			code = http.StatusServiceUnavailable
		}
		reply(w, code, h)
	}
}

func reply(w http.ResponseWriter, code int, v any) {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(append(b, '\n'))
}
