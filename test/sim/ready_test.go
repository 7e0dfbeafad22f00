//go:build synctests

package sim

import (
	"context"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/notifier/notifier/internal/rules"
)

// slow is a way on which each write takes a while.
type slow struct{ net.Conn }

func (s slow) Write(b []byte) (int, error) {
	time.Sleep(30 * time.Millisecond) // virtual
	return s.Conn.Write(b)
}

// A new group begins with what is produced from now on. Whoever waits for /readyz before the first event loses none, and whoever adds a topic
// to the catalogue that nobody has read loses nothing of it from two looks at the files on, although no other topic has an event.
func TestNothingIsSkippedOnceReady(t *testing.T) {
	simulate(t, setup{quiet: true, hasty: true, rules: strings.Split(ruleFile, "  - name: order\n")[0]}, func(t *testing.T, w *world) {
		w.begin = "latest"
		w.rules[0].Data = []byte(strings.Split(catalogue, "  order.paid:\n")[0])
		w.dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			nc, err := w.net.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return slow{nc}, nil
		}
		w.sale("c0", "before")
		d := w.start(w.one(""))
		d.cable.kafka.silence(kmsg.OffsetCommit) // nobody knows whether the group has begun
		time.Sleep(5 * time.Second)
		if code, h := d.health("/readyz"); len(d.owned()) != 1 || code != http.StatusServiceUnavailable || !slices.Equal(h.Detail, []string{"stage 1 has not settled yet where it begins to read"}) {
			t.Errorf("before the beginning is committed: %v is owned, %d %v", d.owned(), code, h.Detail)
		}
		d.cable.kafka.silence(-1)
		began, code := time.Now(), 0
		for code != http.StatusOK && time.Since(began) < 5*time.Minute {
			time.Sleep(250 * time.Millisecond)
			code, _ = d.health("/readyz")
		}
		if code != http.StatusOK {
			t.Fatal("not ready after five minutes")
		}
		t.Logf("ready after %s", time.Since(began))
		sale := w.sale("c0", "after")
		time.Sleep(time.Minute)
		if got := w.words(); len(got) != 1 || got[sale] != "SENT" {
			t.Errorf("fates %v, want that of %s, produced once it was ready", got, sale)
		}
		w.order("u1", "before")
		w.mu.Lock()
		w.rules = []rules.File{{Name: w.rules[0].Name, Data: []byte(catalogue)}, {Name: w.rules[1].Name, Data: []byte(ruleFile)}}
		w.mu.Unlock()
		time.Sleep(5 * time.Second) // it is live
		order := w.order("u1", "after")
		time.Sleep(time.Minute)
		if got := w.words(); len(got) != 2 || got[order] != "SENT" {
			t.Errorf("fates %v, want that of %s, produced once its rule was live", got, order)
		}
		d.stop()
		w.books(2)
	})
}
