package query

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
)

// Who follows sees what is on record if he asks for it, then each new fate once, and only those that he asks for.
func TestFatesAreFollowed(t *testing.T) {
	for name, c := range map[string]struct {
		f    Filter
		past bool
		want string
	}{
		"all, with the past": {Filter{}, true, "SENT SENT UNKNOWN | n0 n1 n2"},
		"only new ones":      {Filter{}, false, " | n0 n1 n2"},
		"of an event":        {Filter{Event: "e2"}, true, "SENT UNKNOWN | "},
		"since a time":       {Filter{Since: time.Now().Add(time.Hour)}, true, " | n0 n1 n2"},
		"of a rule":          {Filter{Rule: "r1"}, false, " | n1"},
	} {
		t.Run(name, func(t *testing.T) {
			r, _, cl := written(t)
			ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
			defer stop()
			var past, live []string
			caught := false
			err := r.Follow(ctx, c.f, c.past, func(x ledger.Fate) error {
				switch {
				case !caught:
					past = append(past, string(x.Fate))
				case x.Intent == "end":
					stop()
				default:
					live = append(live, x.Event.ID)
				}
				return nil
			}, func() error { // before the reader of new ones is there
				caught = true
				for _, n := range []string{"n0", "n1", "n2", "end"} {
					in := &intent.Intent{ID: intent.ID(n), Event: intent.EventRef{ID: n}, Rule: "r" + n[1:]}
					if n == "end" {
						in.Event.ID, in.Rule = cmp.Or(c.f.Event, n), c.f.Rule
					}
					f := ledger.NewFate(in, ledger.Sent, "", time.Now())
					if err := cl.ProduceSync(ctx, &kgo.Record{Topic: r.Topics.Fates, Key: []byte("one partition"), Value: f.Encode()}).FirstErr(); err != nil {
						return err
					}
				}
				return nil
			})
			slices.Sort(past)
			if got := strings.Join(past, " ") + " | " + strings.Join(live, " "); got != c.want || err != nil {
				t.Errorf("%q, %v, want %q", got, err, c.want)
			}
		})
	}
}
