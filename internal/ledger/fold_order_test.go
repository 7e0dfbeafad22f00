package ledger

import (
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/tagsync"
)

// Whatever a fetch brings at once, the state is that of all its records folded in one by one.
func TestAFetchIsFoldedLikeItsRecords(t *testing.T) {
	t0 := time.Unix(1_700_000_000, 0).UTC()
	value := map[string]func(n int) any{ // by kind of key
		"s": func(n int) any { return Position{Next: int64(n), Intents: int64(n)} },
		"o": func(n int) any { return Owner{V: 1, Nonce: fmt.Sprint("n", n%3), Round: 1 + n%2} },
		"p": func(n int) any {
			return Pending{Intent: &intent.Intent{V: 1, ID: "i", Target: "u", Rule: fmt.Sprint(n)}, Seq: int64(n), At: t0}
		},
		"a": func(n int) any {
			return Attempt{ID: "a", Account: "k", Lane: "push", Weight: n, State: []AttemptState{Started, OK, Unknown}[n%3], At: t0, NotAfter: t0}
		},
		"u": func(n int) any { return tagsync.User{Acked: []string{fmt.Sprint(n)}} },
		"d": func(n int) any { return Seen{Until: t0.Add(time.Duration(n))} },
		"w": func(n int) any { return Sends{Parts: []SendsPart{{At: t0, N: n}}} },
	}
	keys := []string{positionKey, ownerKey, PendingKey("i"), PendingKey("j"), AttemptKey("a"), AttemptKey("b"), UserKey("k", "u"), UserKey("k", "v"), SeenKey("h"), SendsKey("k/r/w")}
	rapid.Check(t, func(t *rapid.T) {
		var records []*kgo.Record
		for n := range rapid.IntRange(1, 40).Draw(t, "records") {
			key := rapid.SampledFrom(keys).Draw(t, "key")
			r := &kgo.Record{Key: []byte(key), Offset: int64(n), Timestamp: t0.Add(time.Duration(n) * time.Second)}
			if kind, _, _ := strings.Cut(key, "/"); rapid.IntRange(0, 3).Draw(t, "tombstone") > 0 {
				b, err := encode(value[kind](n))
				if err != nil {
					t.Fatal(err)
				}
				r.Value = b
			}
			records = append(records, r)
		}
		plain := NewState()
		for _, r := range records {
			if done, err := plain.fold([]*kgo.Record{r}, "n2"); err != nil {
				t.Fatal(err)
			} else if done {
				break
			}
		}
		got := NewState()
		for rest := records; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "fetch")
			done, err := got.fold(rest[:n], "n2")
			if err != nil {
				t.Fatal(err)
			}
			if rest = rest[n:]; done {
				break
			}
		}
		rows := cmp.Transformer("rows", func(t *tagsync.Table) map[string]*tagsync.User {
			out := map[string]*tagsync.User{}
			for user := range t.Users() {
				out[user] = t.Get(user)
			}
			return out
		})
		for _, st := range []*State{plain, got} { // a table that is empty and none are the same
			maps.DeleteFunc(st.Users, func(_ string, t *tagsync.Table) bool { return t.Len() == 0 })
		}
		if diff := cmp.Diff(plain, got, rows, cmpopts.IgnoreUnexported(State{}), cmpopts.IgnoreFields(State{}, "Sizes")); diff != "" {
			t.Fatalf("one by one (-), as a fetch (+):\n%s", diff)
		}
		if !reflect.DeepEqual(plain.Sizes, got.Sizes) {
			t.Fatal("the sizes of records differ")
		}
	})
}
