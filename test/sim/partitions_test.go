//go:build synctests

package sim

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/query"
	"github.com/notifier/notifier/internal/settings"
)

// Somebody adds partitions to the intents and the ledger. The next daemon does not start, and names them; one that is told the new number stops the
// partition and sends nothing. The runbook's way out (a new prefix, whose used slots are told before the first start) brings what
// waited to the vendor, once and within the quota.
func TestPartitionsThatWereAddedAreCuredByANewPrefix(t *testing.T) {
	simulate(t, setup{quiet: true, after: 16*time.Hour + 10*time.Minute}, func(t *testing.T, w *world) {
		settingsOf := func(partitions int) *settings.Settings {
			s := w.one("")
			s.Kafka.Partitions = partitions
			return s
		}
		d := w.start(settingsOf(1))
		time.Sleep(time.Minute)
		events := []string{w.sale("c0", "a"), w.sale("c0", "b")}
		time.Sleep(time.Minute)
		between := time.Now().UTC()
		time.Sleep(time.Second)
		later := []string{w.sale("c0", "c"), w.sale("c0", "d")}
		time.Sleep(time.Minute)
		if n := len(w.executed("/push.json")); n != 2 {
			t.Fatalf("%d broadcasts left, want 2", n)
		}
		if _, err := kadm.NewClient(w.cl).UpdatePartitions(t.Context(), 2, prefix+".intents", prefix+".ledger"); err != nil {
			t.Fatal(err)
		}
		d.kill()
		if _, err := w.try(settingsOf(1)); err == nil || !strings.Contains(err.Error(), "n.intents has 2 partitions, kafka.partitions is 1") {
			t.Fatalf("with partitions added a daemon starts with %v", err)
		}
		d = w.start(settingsOf(2))
		time.Sleep(time.Minute)
		later = append(later, w.sale("c0", "e"))
		time.Sleep(15 * time.Minute)
		if n := w.arrivals("/push.json"); n != 2 {
			t.Errorf("%d calls reached the vendor, want those before", n)
		}
		halts, err := w.reader().Halts(t.Context())
		if err != nil || halts[0].Kind != ledger.HaltCount {
			t.Errorf("halts %+v, %v, want the number of partitions", halts, err)
		} else {
			hit("K8", 1)
		}
		d.stop()

		w.prefix, w.begin = "m", between.Format(time.RFC3339)
		adm := kadm.NewClient(w.cl)
		compact, forever, broker := "compact", "-1", "LogAppendTime"
		if _, err := adm.CreateTopic(t.Context(), 1, 1, map[string]*string{"cleanup.policy": &compact}, "m.control"); err != nil {
			t.Fatal(err)
		}
		config := map[string]*string{"cleanup.policy": &compact, "retention.ms": &forever, "message.timestamp.type": &broker}
		if _, err := adm.CreateTopic(t.Context(), 2, 1, config, "m.ledger"); err != nil {
			t.Fatal(err)
		}
		key := "rongcloud:" + settingsOf(2).Accounts[0].AppKey
		sends := times(w.executed("/push.json"))
		_, err = w.reader().Send(t.Context(), ledger.Command{Cmd: ledger.CmdCharge, Target: key + "/broadcast", By: "li", Why: "new prefix",
			Args: map[string]string{ledger.ArgAccount: key, ledger.ArgAt: sends[1].Format(time.RFC3339Nano), ledger.ArgCount: strconv.Itoa(len(sends))}}, -1, time.Second)
		if _, silent := errors.AsType[*query.SilentError](err); !silent {
			t.Fatalf("the charge before the start: %v, want that it stands", err)
		}
		d = w.start(settingsOf(2))
		time.Sleep(2 * 24 * time.Hour)
		d.stop()

		words := w.words() // of the new prefix
		for _, e := range later {
			if words[e] != "SENT" {
				t.Errorf("%s is %q, want SENT", e, words[e])
			}
		}
		count := map[string]int{}
		for _, e := range w.executed("/push.json") {
			count[text(e)]++
		}
		for product, n := range count {
			if n != 1 {
				t.Errorf("%s was sent %d times", product, n)
			}
		}
		if want := len(events) + len(later); len(count) != want {
			t.Errorf("%d broadcasts: %v, want %d", len(count), count, want)
		}
		for _, o := range overruns(times(w.executed("/push.json"))) {
			t.Error("the vendor's limit is passed:", o)
		}
		if st := w.vendor.Stats().RongCloud; st.RefusedByQuota != 0 || st.Overruns != 0 {
			t.Errorf("the vendor counted %+v", st)
		}
		w.books(len(later))
	})
}
