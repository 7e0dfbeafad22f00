//go:build synctests

package sim

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/sandbox"
)

const getuiLoadRules = getuiRules + `
  - name: city
    event: profile.changed
    tags: ["city_${city}"]
`

// between stands between the daemon and the vendor: it notes when tokens are asked for, and which one the daemon's calls carry.
type between struct {
	mu    sync.Mutex // guards the rest
	token string     // the newest that it has not taken away
	gone  string     // the last that it has
	auths []time.Time
}

const betweenAddr = "127.0.0.1:8089"

func (w *world) between(dial func(ctx context.Context, network, addr string) (net.Conn, error)) (b *between, stop func()) {
	w.t.Helper()
	ln, err := w.net.Listen("tcp", betweenAddr)
	if err != nil {
		w.t.Fatal(err)
	}
	b = &between{}
	tr := &http.Transport{DialContext: dial}
	srv := &http.Server{Handler: &httputil.ReverseProxy{Transport: tr, ErrorLog: log.New(logWriter{w}, "", 0), Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL.Scheme, r.Out.URL.Host = "http", vendorAddr
		if r.Out.Body != nil {
			// Read here, because the server closes it with the first bytes of the answer: a transport that looks only then whether the body
			// has more takes the request for broken and hangs up within the answer.
			body, err := io.ReadAll(r.In.Body)
			if err != nil {
				return // the daemon left: the transport finds the same
			}
			r.Out.Body = io.NopCloser(bytes.NewReader(body))
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		if strings.HasSuffix(r.In.URL.Path, "/auth") {
			b.auths = append(b.auths, time.Now())
		} else if token := r.In.Header.Get("token"); token != b.gone {
			b.token = token
		}
	}}}
	var serving sync.WaitGroup
	serving.Go(func() { _ = srv.Serve(ln) })
	return b, func() {
		_ = srv.Shutdown(w.t.Context()) // waits for answers under way: their connections are idle only then
		serving.Wait()
		tr.CloseIdleConnections()
	}
}

// revoked takes the daemon's token away, by DELETE /auth, if it has a new one.
func (b *between) revoked(w *world) {
	b.mu.Lock()
	token := b.token
	if b.token = ""; token != "" {
		b.gone = token
	}
	b.mu.Unlock()
	if token != "" {
		w.insist("DELETE", "/auth/"+token, nil)
	}
}

// authAsOther is another replica of the app that asks for a token.
func (w *world) authAsOther() {
	const key, secret = "ak-notifier-test-0001", "ms-notifier-test-0001"
	stamp := fmt.Sprint(w.vendor.GetuiClock())
	sum := sha256.Sum256([]byte(key + stamp + secret))
	w.insist("POST", "/auth", map[string]string{"appkey": key, "timestamp": stamp, "sign": hex.EncodeToString(sum[:])})
}

// late is a connection whose reads and writes return a moment after they were done, as on a machine under load.
type late struct{ net.Conn }

func (l late) Read(b []byte) (int, error) {
	n, err := l.Conn.Read(b)
	if n > 0 {
		time.Sleep(2 * time.Millisecond)
	}
	return n, err
}

func (l late) Write(b []byte) (int, error) {
	n, err := l.Conn.Write(b)
	time.Sleep(3 * time.Millisecond) // between the first piece of the answer and the last
	return n, err
}

// What stands between passes a long answer on whole, also when the vendor answers before the request's writer has noticed its end: else the test
// below would blame the daemon.
func TestAnswersComeWholeFromBetween(t *testing.T) {
	simulate(t, setup{quiet: true}, func(t *testing.T, w *world) {
		const length = 100_000 // more than a few reads take
		if err := w.vendor.Arm(sandbox.Fault{Vendor: "getui", Kind: "answer", HTTP: http.StatusOK, Body: strings.Repeat("a", length)}); err != nil {
			t.Fatal(err)
		}
		_, stop := w.between(func(ctx context.Context, network, addr string) (net.Conn, error) {
			nc, err := w.net.DialContext(ctx, network, addr)
			return late{nc}, err
		})
		defer stop()
		tr := &http.Transport{DialContext: w.net.DialContext}
		defer tr.CloseIdleConnections()
		resp, err := (&http.Client{Transport: tr}).Post("http://"+betweenAddr+"/v2/"+getuiApp+"/push/single/batch/cid", "application/json", strings.NewReader(strings.Repeat("q", 80000)))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if got, err := io.ReadAll(resp.Body); err != nil || len(got) != length {
			t.Errorf("%d bytes of an answer of %d: %v", len(got), length, err)
		}
	})
}

// Under a load of pushes, tags and broadcasts tokens run out every two minutes, or somebody else's make them worthless every 20 s, or the clocks
// of this machine and the vendor's are a quarter of an hour apart, so that no token is to be had, or its token is taken away by DELETE /auth, also
// while answers get lost: nothing is lost, nothing is doubled, nothing is UNKNOWN, and /auth is asked no more than it may be.
func TestGetuiCredentialsUnderLoad(t *testing.T) {
	const minutes, each = 3, 100 * time.Millisecond
	skewed := func(by time.Duration) func(*world, time.Duration) {
		return func(w *world, at time.Duration) {
			switch at {
			case time.Minute:
				w.vendor.AdvanceGetuiClock(by.Milliseconds())
			case minutes * time.Minute:
				w.vendor.AdvanceGetuiClock(-by.Milliseconds())
			}
		}
	}
	for _, tc := range []struct {
		name    string
		turn    func(*sandbox.Knobs)
		during  func(w *world, at time.Duration)
		drops   time.Duration // how often its token is dropped
		lossy   bool          // answers to pushes get lost
		refused bool          // calls must have met 10001
		auths   [2]int
	}{
		{"tokens run out", func(k *sandbox.Knobs) { k.TokenTTLMS = 2 * 60 * 1000 }, nil, 0, false, false, [2]int{minutes, 6 * (minutes + 40)}},
		{"tokens are revoked", func(k *sandbox.Knobs) { k.SingleActiveToken = true }, func(w *world, at time.Duration) {
			if at%(20*time.Second) == 0 {
				w.authAsOther()
			}
		}, 0, false, true, [2]int{5, 6 * (minutes + 40)}},
		{"its token is dropped", nil, nil, 20 * time.Second, false, true, [2]int{9, 2 * 9}},
		{"its token is dropped as soon as it has one", nil, nil, 3 * time.Second, false, true, [2]int{4, 6 * minutes}},
		{"its token is dropped, answers get lost", nil, nil, 20 * time.Second, true, true, [2]int{9, 2 * 9}},
		{"the vendor's clock is ahead", func(k *sandbox.Knobs) { k.TokenTTLMS = 2 * 60 * 1000 }, skewed(15 * time.Minute), 0, false, true, [2]int{3, 6 * (minutes + 40)}},
		{"the vendor's clock is behind", func(k *sandbox.Knobs) { k.TokenTTLMS = 2 * 60 * 1000 }, skewed(-15 * time.Minute), 0, false, false, [2]int{3, 6 * (minutes + 40)}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			simulate(t, setup{rules: getuiLoadRules, quiet: true}, func(t *testing.T, w *world) {
				k := sandbox.DefaultKnobs()
				if tc.turn != nil {
					tc.turn(&k)
				}
				if err := w.vendor.SetKnobs(k); err != nil {
					t.Fatal(err)
				}
				if tc.lossy {
					if err := w.vendor.Arm(sandbox.Fault{Vendor: "getui", Kind: "reset_after", Lane: "single_cid", Probability: 0.02, Times: -1}); err != nil {
						t.Fatal(err)
					}
				}
				b, stop := w.between(w.net.DialContext)
				defer stop()
				s := w.tagged("    identify: cid\n    brake: 100000 in 10m\n")
				s.Accounts[len(s.Accounts)-1].Hosts = []string{"http://" + betweenAddr}
				d := w.start(s)
				time.Sleep(time.Minute)
				cid := func(i int) string { return fmt.Sprintf("bulk-cid-%04d", i%1000) }
				pushed, city := map[string]int{}, map[string]string{}
				var others []string
				for i := range int(minutes * time.Minute / each) {
					at := time.Duration(i) * each
					if tc.during != nil {
						tc.during(w, at)
					}
					if tc.drops > 0 && at%tc.drops == 0 {
						b.revoked(w)
					}
					w.order(cid(i), fmt.Sprint("lamp ", i))
					pushed[cid(i)]++
					if i%20 == 0 {
						user, c := cid(i*7), fmt.Sprint("c", i%3)
						others, city[user] = append(others, w.profile(user, map[string]any{"city": c})), c
					}
					if i%600 == 300 {
						others = append(others, w.sale("bj", fmt.Sprint(i)))
					}
					time.Sleep(each)
				}
				if tc.during != nil {
					tc.during(w, minutes*time.Minute)
				}
				time.Sleep(40 * time.Minute)
				d.stop()
				words := w.words()
				for event, got := range words {
					if got != "SENT" && !(slices.Contains(others, event) && (got == "COALESCED" || got == "SUPPRESSED(unchanged)")) {
						t.Errorf("%s: %s", event, got)
					}
				}
				for user, n := range pushed {
					if _, got := w.vendor.Deliveries(user); got != n {
						t.Errorf("%s got %d pushes of %d", user, got, n)
					}
				}
				for user, c := range city {
					if got := w.tagsOf(user); !slices.Equal(got, []string{"city_" + c}) {
						t.Errorf("%s has %v, want city_%s", user, got, c)
					}
				}
				lost, auths, refused := 0, 0, 0
				for i := 6; i < len(b.auths); i++ {
					if gap := b.auths[i].Sub(b.auths[i-6]); gap < time.Minute {
						t.Errorf("7 requests for a token in %s", gap)
					}
				}
				for _, e := range w.vendor.Journal(0) {
					switch {
					case e.Vendor == "getui" && e.Path == "/v2/"+getuiApp+"/auth" && e.Headers["User-Agent"] == "notifier":
						auths++
					case e.Code == 10001:
						refused++
					case e.Fault != "":
						lost++
					}
				}
				if auths != len(b.auths) || tc.lossy == (lost == 0) {
					t.Errorf("%d requests for a token in the journal, %d on their way there; %d answers lost", auths, len(b.auths), lost)
				}
				if auths < tc.auths[0] || auths > tc.auths[1] || tc.refused && refused == 0 {
					t.Errorf("%d requests for a token, want %v; %d calls refused for theirs", auths, tc.auths, refused)
				}
				w.kept()
				w.books(len(others) + int(minutes*time.Minute/each))
				t.Logf("%d requests for a token, %d calls refused for theirs, %d answers lost", auths, refused, lost)
			})
		})
	}
}
