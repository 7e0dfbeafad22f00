//go:build synctests

package sim

import (
	"fmt"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/sandbox"
	"github.com/notifier/notifier/internal/settings"
)

// The secret's file is replaced by a wrong one while the daemon runs, and by the right one hours later: meanwhile nothing is lost and
// the vendor is hardly asked; then everything goes by itself.
func TestWrongCredentialsForHours(t *testing.T) {
	simulate(t, setup{}, func(t *testing.T, w *world) {
		d := w.start(w.one(""))
		w.profile("u0", map[string]any{"city": "c0"})
		time.Sleep(time.Minute)
		if got := w.vendor.Tags(sandbox.DefaultKey)["u0"]; fmt.Sprint(got) != "[city_c0]" {
			t.Fatalf("with the right secret u0 has %v", got)
		}

		w.write("secret", "not-the-secret")
		time.Sleep(10 * time.Second) // a file is read again every 5 s
		before := w.vendor.Stats().RongCloud
		const users, hours = 50, 3
		var events []string
		for hour := range hours {
			for i := range users {
				events = append(events, w.profile(fmt.Sprintf("u%d", i), map[string]any{"city": fmt.Sprintf("c%d-%d", i, hour)}))
			}
			time.Sleep(time.Hour)
		}
		product := "lamp"
		events = append(events, w.sale("bj", product), w.order("u1", "late"))
		time.Sleep(30 * time.Minute)
		wrong := w.vendor.Stats().RongCloud
		if n := wrong.Executed - before.Executed; n != 0 {
			t.Errorf("%d calls were executed with a wrong secret", n)
		}
		// One call finds it out; the lanes of an account in one moment have at most their parallel calls (32+4+16+1+1); then each of the 5
		// probes after 15 s, 30 s, ... 10 min.
		probes := 5 * (6 + 6*(hours*60+30)/60)
		if n := wrong.Calls - before.Calls; n == 0 || n > 54+probes {
			t.Errorf("%d calls with a wrong secret, want 1 to %d", n, 54+probes)
		}
		t.Logf("%d calls with a wrong secret in %d hours and a half", wrong.Calls-before.Calls, hours)

		w.write("secret", sandbox.DefaultSecret)
		time.Sleep(11 * time.Minute)
		tags := w.vendor.Tags(sandbox.DefaultKey)
		for i := range users {
			user, want := fmt.Sprintf("u%d", i), fmt.Sprintf("[city_c%d-%d]", i, hours-1)
			if got := fmt.Sprint(tags[user]); got != want {
				t.Errorf("%s has %s, want %s", user, got, want)
			}
		}
		if n := len(w.executed("/push.json")); n != 1 {
			t.Errorf("%d broadcasts, want 1", n)
		} else if wrong.Calls > before.Calls { // it has met the wrong one, and then the right one
			hit("C6", 2)
		}
		if n := len(w.executed("/push/user.json")); n != 1 {
			t.Errorf("%d pushes, want 1", n)
		}
		d.stop()
		words := w.words()
		for _, e := range events {
			if words[e] == "" || words[e] == "UNKNOWN" {
				t.Errorf("%s: %q", e, words[e])
			}
		}
		w.books(len(events) + 1)
	})
}

// Lanes that have been closed for hours are tried within 10 s of the file's change, not after their pause of 10 minutes; the admin token
// changes in the same time.
func TestSecretsAreRotatedWithinTenSeconds(t *testing.T) {
	simulate(t, setup{}, func(t *testing.T, w *world) {
		w.write("secret", "not-the-secret")
		w.write("token", "first-token")
		w.one("") // writes the file
		s, list := settings.Load(filepath.Join(w.dir, "a.yaml"), []string{"NOTIFIER_ADMIN_TOKEN=${file:" + filepath.Join(w.dir, "token") + "}"}, nil)
		if s == nil {
			t.Fatal(list)
		}
		d := w.start(s)
		w.profile("u0", map[string]any{"city": "c0"})
		time.Sleep(3 * time.Hour)
		if tags := w.vendor.Tags(sandbox.DefaultKey); len(tags) != 0 {
			t.Fatalf("a wrong secret set tags: %v", tags)
		}
		hc := &http.Client{Transport: &http.Transport{DialContext: w.net.DialContext, DisableKeepAlives: true}}
		status := func(token string) int {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+d.app.AdminAddr()+"/status", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+token)
			resp, err := hc.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			return resp.StatusCode
		}
		if got := status("first-token"); got != http.StatusOK {
			t.Errorf("the first token: %d", got)
		}
		w.write("secret", sandbox.DefaultSecret)
		w.write("token", "second-token")
		time.Sleep(10 * time.Second)
		if got := fmt.Sprint(w.vendor.Tags(sandbox.DefaultKey)["u0"]); got != "[city_c0]" {
			t.Errorf("10 s after the right secret came u0 has %s", got)
		}
		if first, second := status("first-token"), status("second-token"); first != http.StatusUnauthorized || second != http.StatusOK {
			t.Errorf("10 s after the token changed the old one gets %d, the new one %d", first, second)
		}
		d.stop()
	})
}
