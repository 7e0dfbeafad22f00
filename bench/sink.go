package main

import (
	"context"
	"crypto/sha1" // the vendor's choice
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

// sinkSecret signs the calls of the http bench.
const sinkSecret = "secret"

// took is what the sink was given since it was asked last.
type took struct {
	Calls    int64
	Unsigned int64  // calls whose signature is not right
	Sum      uint64 // of the bodies' CRCs, whatever their order
}

// sink is a vendor in a process of its own that accepts every call and counts: signature and body are checked at a cost that is
// the same for whoever calls. GET tells the counts and begins anew.
func sink(ctx context.Context) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	var calls, unsigned atomic.Int64
	var sum atomic.Uint64
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.Method == http.MethodGet {
			_ = json.NewEncoder(w).Encode(took{calls.Swap(0), unsigned.Swap(0), sum.Swap(0)})
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the client went away
		}
		if r.Header.Get("Signature") != signed(r.Header.Get("Nonce"), r.Header.Get("Timestamp")) {
			unsigned.Add(1)
		}
		calls.Add(1)
		sum.Add(uint64(crc32.ChecksumIEEE(body)))
		_, _ = w.Write([]byte(`{"code":200}`))
	})}
	if err := json.NewEncoder(os.Stdout).Encode("http://" + ln.Addr().String()); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	_ = server.Serve(ln) // ends with the context
	return nil
}

// signed is lower-case hex of SHA1(secret + nonce + timestamp).
func signed(nonce, timestamp string) string {
	s := sha1.Sum([]byte(sinkSecret + nonce + timestamp))
	return hex.EncodeToString(s[:])
}

// askSink reads the counts of a sink.
func askSink(ctx context.Context, url string) (t took, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return t, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return t, fmt.Errorf("ask the sink: %w", err)
	}
	defer res.Body.Close()
	return t, json.NewDecoder(res.Body).Decode(&t)
}
