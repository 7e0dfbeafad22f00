//go:build synctests

package sim

import (
	"testing"
	"time"

	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/rongpush"
)

// A message to everyone has an endpoint of its own, but not slots of its own: with two broadcasts of an hour gone, a push without message
// and the message, the next waits for the hour. What the vendor's answer named is what a recall takes back.
func TestAMessageToEveryoneSharesTheSlotsAndIsRecalled(t *testing.T) {
	const rules = `
version: 1
defaults: {owner: sim}
rules:
  - name: sale
    event: sale.opened
    mode: live
    class: marketing
    when: city == "bj"
    broadcast:
      audience: {all_of: ["city_${city}"]}
      title: "${city}"
      body: "${product}"
    limits: {quiet: none, expire: 240h}
  - name: notice
    event: sale.opened
    mode: live
    class: marketing
    when: city == "all"
    broadcast:
      audience: everyone
      title: "Notice"
      body: "${product}"
      message: {type: RC:TxtMsg, content: {content: "${product}"}}
    limits: {quiet: none, expire: 240h}
`
	const years = 731 * 24 * time.Hour // a sentTime of the vendor's schema has 13 digits, which in 2000 it had not
	simulate(t, setup{after: years, quiet: true, rules: rules}, func(t *testing.T, w *world) {
		d := w.start(w.one("    allow: [everyone]\n    approval: waived\n"))
		time.Sleep(time.Minute)
		t0 := time.Now()
		w.sale("bj", "lamp")
		notice := w.sale("all", "closed today")
		time.Sleep(time.Minute)
		w.sale("bj", "chair")
		time.Sleep(30 * time.Minute)
		pushes, messages := w.executed(rongpush.Push.Path), w.executed(rongpush.BroadcastMessage.Path)
		if len(pushes) != 1 || len(messages) != 1 {
			t.Fatalf("%d pushes and %d messages within the hour, want one each", len(pushes), len(messages))
		}

		w.command(ledger.Command{Cmd: ledger.CmdRecall, Target: w.fates()[notice][0].Attempt, Expect: string(ledger.OK)})
		recalls := w.executed(rongpush.BroadcastRecall.Path)
		if len(recalls) != 1 || recalls[0].Recalls != messages[0].Seq {
			t.Fatalf("recalls %+v, want one of call %d", recalls, messages[0].Seq)
		}

		time.Sleep(45 * time.Minute)
		d.stop()
		sends := w.executed(rongpush.Push.Path, rongpush.BroadcastMessage.Path)
		if len(sends) != 3 || text(sends[2]) != "chair" || at(sends[2]).Before(t0.Add(time.Hour)) {
			t.Errorf("%d broadcasts, at %v, want the third when the hour of the first is over", len(sends), times(sends))
		}
		if st := w.vendor.Stats().RongCloud; st.RefusedByQuota != 0 || st.Overruns != 0 {
			t.Errorf("the vendor counted %+v", st)
		}
		w.books(3)
	})
}
