//go:build synctests

package sim

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/admin"
	"github.com/notifier/notifier/internal/sandbox"
)

// health asks one of the daemon's two questions as a probe does.
func (d *daemon) health(path string) (code int, h admin.Health) {
	d.w.t.Helper()
	tr := &http.Transport{DialContext: d.w.net.DialContext, DisableKeepAlives: true}
	res, err := (&http.Client{Transport: tr}).Get("http://" + d.app.AdminAddr() + path)
	if err != nil {
		d.w.t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&h); err != nil {
		d.w.t.Fatal(err)
	}
	return res.StatusCode, h
}

// Kafka is gone for a while: whoever asks is told so and since when, the process is not killed for it, the log stays readable, and all
// goes on by itself.
func TestKafkaGoneForAnHourIsToldAndSurvived(t *testing.T) {
	simulate(t, setup{quiet: true}, func(t *testing.T, w *world) {
		d := w.start(w.one(""))
		w.profile("u1", map[string]any{"city": "c0"})
		time.Sleep(time.Minute)
		if code, h := d.health("/readyz"); code != 200 || len(h.Detail) != 0 {
			t.Errorf("before: %d %+v", code, h)
		}
		said := len(w.unsaid)
		since := time.Now()
		d.cable.cutKafka()
		w.profile("u1", map[string]any{"city": "c1"})
		time.Sleep(30 * time.Second)
		code, h := d.health("/readyz")
		if code != 503 || len(h.Detail) != 1 || !strings.HasPrefix(h.Detail[0], "stage 1 cannot work since 2000-01-01T") {
			t.Errorf("after 30 s: %d %+v", code, h)
		}
		time.Sleep(time.Hour)
		if code, h := d.health("/livez"); code != 200 {
			t.Errorf("/livez in an outage of Kafka's: %d %+v", code, h)
		}
		t.Logf("%d lines of log in %s", len(w.unsaid)-said, time.Since(since))
		if n := len(w.unsaid) - said; n > 60*10 {
			t.Errorf("%d lines of log in an hour", n)
		}
		d.cable.mend()
		time.Sleep(15 * time.Minute) // the session time-out of this world is 5 min
		if code, h := d.health("/readyz"); code != 200 || len(h.Detail) != 0 {
			t.Errorf("afterwards: %d %+v", code, h)
		}
		if got := w.vendor.Tags(sandbox.DefaultKey)["u1"]; len(got) != 1 || got[0] != "city_c1" {
			t.Errorf("u1 has %v, want the city of the event that came in the outage", got)
		}
		d.stop()
		w.books(2)
	})
}
