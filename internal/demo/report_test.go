package demo

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/query"
	"github.com/notifier/notifier/internal/sandbox"
)

// facts are what compose is given; good ones make a report without problems.
type facts struct {
	in      input
	books   query.Books
	pending map[string]int
	vendor  sandbox.VendorStats
}

func good() facts {
	return facts{
		in: input{events: 300, ignored: 40, noMatch: 208, matched: 50},
		books: query.Books{Intents: 60, Given: 54, Kept: true, Pending: 6, Dead: 2, Fates: map[ledger.FateKind]int{ledger.Sent: 40, ledger.Coalesced: 8, ledger.Suppressed: 5, ledger.FateUnknown: 1},
			Reasons: map[ledger.Reason]int{ledger.Unchanged: 5}, Sent: map[string]int{"tags": 20, "push": 15, "message": 3, "broadcast": 2}},
		pending: map[string]int{"quota": 6},
	}
}

func (f facts) report() *Report {
	quota := app.QuotaView{Accounts: []app.QuotaAccount{{Account: "main", Lanes: []app.QuotaLane{{Lane: "main/broadcast", Next: time.Date(2026, 11, 21, 3, 2, 20, 5, time.UTC),
		Windows: []app.QuotaWindow{{Window: "1h rolling", Used: 2, Limit: 2}, {Window: "day Etc/GMT-7", Used: 2, Limit: 3}, {Window: "day UTC", Used: 1, Limit: 3}}}}}}}
	return compose(&f.in, &f.books, f.pending, map[string]int{"/push.json": 2}, f.vendor, quota)
}

func TestProblems(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*facts)
		want  string // "" for none
		short string // without the facts of a whole stream
	}{
		"nothing is wrong":             {func(*facts) {}, "", ""},
		"an event is lost":             {func(f *facts) { f.in.matched-- }, "do not balance", "do not balance"},
		"an event is there twice":      {func(f *facts) { f.in.noMatch++ }, "do not balance", "do not balance"},
		"a dead letter is lost":        {func(f *facts) { f.books.Dead-- }, "do not balance", "do not balance"},
		"an intent is lost":            {func(f *facts) { f.books.Intents++ }, "do not balance", "do not balance"},
		"an intent has two fates":      {func(f *facts) { f.books.Double = []intent.ID{"x"} }, "do not balance|there twice", "do not balance|there twice"},
		"the vendor refused":           {func(f *facts) { f.vendor.RefusedByQuota = 1 }, "refused 1", "refused 1"},
		"the vendor was overrun":       {func(f *facts) { f.vendor.Overruns = 2 }, "executed 2", "executed 2"},
		"a call was sent twice":        {func(f *facts) { f.vendor.Doubles = 1 }, "1 calls or fates are there twice", "there twice"},
		"no tags were sent":            {func(f *facts) { delete(f.books.Sent, "tags") }, "nothing SENT of tags", ""},
		"no push was sent":             {func(f *facts) { delete(f.books.Sent, "push") }, "nothing SENT of push", ""},
		"no message was sent":          {func(f *facts) { delete(f.books.Sent, "message") }, "nothing SENT of message", ""},
		"no broadcast was sent":        {func(f *facts) { delete(f.books.Sent, "broadcast") }, "nothing SENT of broadcast", ""},
		"nothing was merged":           {func(f *facts) { f.books.Fates[ledger.Suppressed] += 8; delete(f.books.Fates, ledger.Coalesced) }, "nothing COALESCED", ""},
		"nothing waits for quota":      {func(f *facts) { f.pending = map[string]int{"merging": 6} }, "no intent waits", ""},
		"stage 1 did not get to all":   {func(f *facts) { f.in.left = 3 }, "3 records were not read", ""},
		"several things at once":       {func(f *facts) { f.vendor.Overruns = 1; delete(f.books.Sent, "tags") }, "executed 1|SENT of tags", "executed 1"},
		"a used slot is not a mistake": {func(f *facts) { f.vendor.Executed = 100 }, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := good()
			c.spoil(&f)
			r := f.report()
			r.left = f.in.left
			for whole, want := range map[bool]string{true: c.want, false: c.short} {
				got := r.judge(whole)
				var wants []string
				if want != "" {
					wants = strings.Split(want, "|")
				}
				if len(got) != len(wants) {
					t.Fatalf("whole=%v: got %q, want %q", whole, got, wants)
				}
				for i := range wants {
					if !strings.Contains(got[i], wants[i]) {
						t.Errorf("whole=%v: got %q, want %q", whole, got[i], wants[i])
					}
				}
			}
			r.Problems = r.judge(true)
			if r.OK() != (c.want == "") {
				t.Errorf("OK is %v with problems %q", r.OK(), r.Problems)
			}
		})
	}
}

// golden is the shape that scripts read; adding a key is no break, losing one is.
const golden = `{"schema":"notifier.demo/v1","seed":42,"seconds":15,"events":300,"no_match":208,"ignored":40,"dead":2,
 "intents":60,"fates":{"SENT":40,"COALESCED":8,"SUPPRESSED":5,"DEAD":0,"UNKNOWN":1},"reasons":{"unchanged":5},
 "sent":{"tags":20,"push":15,"message":3,"broadcast":2},"calls":{"/push.json":2},
 "quota":{"main/broadcast":{"hour":{"used":2,"limit":2},"day":{"used":2,"limit":3},"next":"2026-11-21T03:02:20Z"}},
 "pending":{"merging":0,"approval":0,"quiet":0,"quota":6,"paused":0,"in_flight":0},"refused_by_quota":0,"overruns":0,"doubles":0,"balanced":true,"problems":[]}`

func TestReportAsJSON(t *testing.T) {
	r := good().report()
	r.Seed, r.Seconds = 42, 15
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.ReplaceAll(golden, "\n ", ""), string(b)); diff != "" {
		t.Errorf("the report changed its shape (-want +got):\n%s", diff)
	}
}

func TestReportAsText(t *testing.T) {
	f := good()
	if text := f.report().Text(); !strings.Contains(text, "300 events = 208 no match + 40 ignored + 2 dead + 50 with intents") || !strings.Contains(text, "60 intents = 40 SENT + 8 COALESCED + 5 SUPPRESSED + 0 DEAD + 1 UNKNOWN + 6 pending") ||
		!strings.Contains(text, "balance ✓") {
		t.Errorf("text:\n%s", text)
	}
	f.vendor.Overruns = 1
	r := f.report()
	r.Problems = r.judge(true)
	if text := r.Text(); !strings.Contains(text, "problem: the vendor executed 1") || strings.Contains(text, "✓") {
		t.Errorf("text:\n%s", text)
	}
}

// keys gives the paths of an object's keys, sorted.
func keys(prefix string, v any) (out []string) {
	m, ok := v.(map[string]any)
	if !ok {
		return nil
	}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(append(out, prefix+k), keys(prefix+k+".", m[k])...)
	}
	return out
}
