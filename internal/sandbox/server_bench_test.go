package sandbox

import (
	"context"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// BenchmarkCalls is the server's own cost of a signed tag call on one connection,
// so that a load test knows what its far side takes: without a log, and with one
// that is synced for every answer.
func BenchmarkCalls(b *testing.B) {
	for name, path := range map[string]string{"log=none": "", "log=synced": "log"} {
		b.Run(name, func(b *testing.B) {
			if path != "" {
				path = filepath.Join(b.TempDir(), path)
			}
			s, err := Start(context.Background(), Options{FixedClock: true, Log: path})
			if err != nil {
				b.Fatal(err)
			}
			client, signer := newClient(), &bench{Server: s}
			b.ReportAllocs()
			for b.Loop() {
				s.AdvanceClock(1000) // never refused
				r, _ := http.NewRequest("POST", s.Ready().Primary+setTag, strings.NewReader(setTagBox))
				r.Header.Set("Content-Type", jsonType)
				signer.sign(r)
				resp, err := client.Do(r)
				if err != nil || resp.StatusCode != 200 {
					b.Fatalf("%v %v", resp, err)
				}
				_ = resp.Body.Close()
			}
			client.CloseIdleConnections()
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}
