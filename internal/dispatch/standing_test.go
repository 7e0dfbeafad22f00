package dispatch

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
)

// stand writes a command that nobody obeys yet, under a key of its own or as given.
func (b *bundle) stand(c ledger.Command, key string) {
	b.t.Helper()
	c.V, c.Why, c.At = 1, "said by "+c.By, time.Now().UTC()
	if key == "" {
		key = c.Key()
	}
	v, err := json.Marshal(c)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := b.cl.ProduceSync(b.t.Context(), &kgo.Record{Topic: b.topics.Control, Key: []byte(key), Value: v}).FirstErr(); err != nil {
		b.t.Fatal(err)
	}
}

// Commands that were given while no owner ran are all obeyed in their order when one comes, also those about one thing: of two resolutions the
// first is final and the second is refused, two extensions add up, a kill is taken back by the revive behind it.
func TestOfCommandsThatStandNoneVanishes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(nil)
	at := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	a.obey(told(0, "p1", ledger.CmdPause, "rule/r", nil))
	a.obey(told(1, "p2", ledger.CmdPause, "rule/s", nil))
	take := func(in *intent.Intent) *intent.Intent { // the ledger's position must fit the topic's end
		b.produce(in)
		in.Policy.Expire = at
		a.admit(in, a.pos.Next)
		a.pos.Next++
		return in
	}
	take(b.intent("held", "r", "u1", intent.Push))
	twice := take(b.intent("twice", "r", "u2", intent.Push))
	take(b.intent("killed", "s", "u3", intent.Push))
	take(b.intent("lost", "t", "*", intent.Broadcast))
	calls := a.plan()
	if len(calls) != 1 {
		t.Fatalf("%d calls, want the broadcast", len(calls))
	}
	b.commit(a)
	a.resolve(result{calls[0], Outcome{Class: ClassUnknown}})
	b.commit(a)
	id := calls[0].attempt.ID

	resolve := func(by, as string) ledger.Command {
		return ledger.Command{ID: "resolve-" + by, Cmd: ledger.CmdResolve, Target: id, Args: map[string]string{"as": as}, Expect: string(ledger.Unknown), By: by}
	}
	b.stand(resolve("li", "sent"), "cmd/attempts-resolve/"+id) // of a release that kept one for each attempt
	b.stand(resolve("wang", "not-sent"), "")
	b.stand(resolve("zhao", "not-sent"), "")
	want := []string{"resolve-li true 1 intent is SENT now", "resolve-wang false the attempt is resolved as sent already, by li: said by li", "resolve-zhao false the attempt is resolved as sent already, by li: said by li"}
	for _, by := range []string{"li", "wang"} {
		b.stand(ledger.Command{ID: "extend-" + by, Cmd: ledger.CmdExtend, Target: "r", Args: map[string]string{ledger.ArgFor: "1h"}, By: by}, "")
		want = append(want, "extend-"+by+" true 2 intents expire 1h later")
	}
	for _, by := range []string{"li", "wang"} {
		b.stand(ledger.Command{ID: "cancel-" + by, Cmd: ledger.CmdCancel, Target: string(twice.ID), Args: map[string]string{ledger.ArgAccount: twice.Key}, By: by}, "")
	}
	want = append(want, "cancel-li true cancelled", "cancel-wang false it is not pending any more: it has its fate; next: notifier fates")
	b.stand(ledger.Command{ID: "kill", Cmd: ledger.CmdKill, Target: "s", By: "li"}, "")
	b.stand(ledger.Command{ID: "revive", Cmd: ledger.CmdRevive, Target: "s", By: "li"}, "")
	want = append(want, "kill true killed, 1 intent is given up", "revive true revived")

	before := len(b.answers())
	b.start(b.account(), nil)
	var said []string
	b.until("an answer to each", func() bool {
		said = nil
		for _, ans := range b.answers()[before:] {
			said = append(said, fmt.Sprintf("%s %t %s", ans.ID, ans.OK, ans.Text))
		}
		return len(said) >= len(want)
	})
	if !slices.Equal(said, want) {
		t.Errorf("answers %q, want %q", said, want)
	}
	st := b.state("both extensions", func(st *ledger.State) bool {
		return b.expires()["held"].Equal(at.Add(2*time.Hour)) && len(st.Extends) == 0
	})
	if len(st.Kills) != 0 || st.Attempts[id].By != "li" || !st.Balanced() {
		t.Errorf("kills %v, attempt by %q, balanced %t", st.Kills, st.Attempts[id].By, st.Balanced())
	}
}
