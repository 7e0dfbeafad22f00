//go:build synctests

package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/sandbox"
)

// A daemon loses Kafka but not the vendor, for longer than its session, and comes back: the other takes its partition over, and what
// the first still holds in memory never leaves. Ten times in a row, each time for the one that owns the partition and in the middle of its
// work: every write on the network takes 3 ms, so that commits and calls are under way when the cable goes.
func TestTheOwnerLosesKafka(t *testing.T) {
	simulate(t, setup{quiet: true}, func(t *testing.T, w *world) {
		w.write("secret", sandbox.DefaultSecret)
		account := fmt.Sprintf(defaultAccount, w.dir, hosts)
		fleet := []*daemon{w.start(w.settingsFile("a", 8088, 1, account)), w.start(w.settingsFile("b", 8089, 1, account))}
		for _, d := range fleet {
			d.cable.delay.Store(int64(3 * time.Millisecond))
		}
		time.Sleep(10 * time.Minute)
		r := rand.New(rand.NewPCG(1, 1))
		newest := map[string]string{}
		var texts []string
		changes := 0
		ids := map[string]string{} // text -> event
		event := func() {
			user, city := fmt.Sprintf("u%d", changes%13), fmt.Sprintf("c%d", changes%5)
			w.profile(user, map[string]any{"city": city})
			newest[user] = "city_" + city
			changes++
			texts = append(texts, fmt.Sprintf("order %d", len(texts)))
			ids[texts[len(texts)-1]] = w.order(user, texts[len(texts)-1])
			if len(texts)%97 == 1 {
				texts = append(texts, fmt.Sprintf("sale %d", len(texts)))
				ids[texts[len(texts)-1]] = w.sale("c1", texts[len(texts)-1])
			}
		}
		work := func(d time.Duration) {
			for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(20 * time.Second) {
				event()
			}
		}
		for round := range 10 {
			work(3 * time.Minute)
			owner := slices.IndexFunc(fleet, func(d *daemon) bool { return len(d.owned()) == 1 })
			if owner < 0 {
				t.Fatalf("round %d: nobody owns the partition", round)
			}
			event()
			time.Sleep(time.Duration(r.IntN(80)) * time.Millisecond)
			fleet[owner].cable.cutKafka()
			work(15 * time.Minute)
			if got := fleet[1-owner].owned(); len(got) != 1 {
				t.Errorf("round %d: 15 min after the owner was cut off the other owns %v", round, got)
			}
			fleet[owner].cable.mend()
		}
		work(10 * time.Minute)
		time.Sleep(72 * time.Hour)
		for _, d := range fleet {
			d.stop()
		}

		sent := map[string]int{}
		for _, e := range w.executed("/push.json", "/push/user.json") {
			sent[text(e)]++
		}
		words := w.words()
		unknown := 0
		for _, want := range texts {
			switch word := words[ids[want]]; {
			case word == "SENT" && sent[want] == 1:
			case word == "UNKNOWN" && sent[want] <= 1: // the cable went between the commit of the attempt and that of its outcome
				unknown++
			default:
				t.Errorf("%q was executed %d times, its fate is %q", want, sent[want], word)
			}
		}
		t.Logf("%d outcomes unknown after ten cuts", unknown)
		if unknown > 2*10 { // at most the calls on their way: a push, and now and then a broadcast
			t.Errorf("%d outcomes unknown after ten cuts", unknown)
		}
		tags := w.vendor.Tags(sandbox.DefaultKey)
		for user, want := range newest {
			if !slices.Equal(tags[user], []string{want}) {
				t.Errorf("%s has %v, want %s", user, tags[user], want)
			}
		}
		for event, word := range words {
			if strings.HasPrefix(event, "profile") && word != "SENT" && word != "COALESCED" && word != "SUPPRESSED(unchanged)" {
				t.Errorf("%s: %s", event, word)
			}
		}
		for _, o := range overruns(times(w.executed("/push.json"))) {
			t.Error("the vendor's limit is passed:", o)
		}
		w.books(changes + len(texts))
	})
}
