package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/notifier/notifier/internal/embedded"
	"github.com/notifier/notifier/internal/sandbox"
	"github.com/notifier/notifier/test/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The whole of it, as `notifier demo --for 15s --json` runs it: everything is shown, the books balance, and nothing is left behind.
func TestDemoShowsEverything(t *testing.T) {
	t.Parallel()
	var talk syncBuffer
	valid := 0
	r, err := Run(t.Context(), Options{For: 15 * time.Second, Seed: 3, Rate: 40, Progress: &talk, arrived: func(e *sandbox.Entry) {
		if err := schema.Request(e.Method, e.Path, e.Body); err != nil {
			t.Errorf("a call breaks the vendor's schema: %v\n%s", err, e.Body)
		}
		valid++
	}})
	if err != nil {
		t.Fatalf("%v\n%s", err, talk.String())
	}
	if !r.OK() {
		t.Errorf("problems %q\n%s", r.Problems, talk.String())
	}
	calls := 0
	for _, n := range r.Calls {
		calls += n
	}
	if valid != calls || calls == 0 {
		t.Errorf("%d calls were held to the schema, %d were made", valid, calls)
	}
	if r.Events != 600 || r.Dead != 2 || r.Ignored == 0 || r.NoMatch+r.Ignored != 600-60-2 {
		t.Errorf("%d events, %d no match, %d ignored, %d dead: 15 s at 40/s, of which one in ten matches and two are broken", r.Events, r.NoMatch, r.Ignored, r.Dead)
	}
	if q := r.Quota["main/broadcast"]; q.Hour.Used != 2 || r.Sent.Broadcast != 2 || r.Calls["/push.json"] != 2 {
		t.Errorf("quota %+v, %d broadcasts, calls %v: both slots of the hour are wanted", q, r.Sent.Broadcast, r.Calls)
	}
	if p := r.Pending; p.Merging != 0 || p.InFlight != 0 || p.Quota != r.Intents-r.Fates.Sent-r.Fates.Coalesced-r.Fates.Suppressed {
		t.Errorf("pending %+v: the end must wait until only quota holds something", p)
	}
	f := r.Fates
	waiting := r.Pending.Merging + r.Pending.Approval + r.Pending.Quiet + r.Pending.Quota + r.Pending.Paused + r.Pending.InFlight
	if got := f.Sent + f.Coalesced + f.Suppressed + f.Dead + f.Unknown + waiting; got != r.Intents {
		t.Errorf("%d fates and pending, %d intents", got, r.Intents)
	}
	if sent := r.Sent.Tags + r.Sent.Push + r.Sent.Message + r.Sent.Broadcast; sent != f.Sent {
		t.Errorf("%d sent by kind, %d SENT", sent, f.Sent)
	}
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var got, want map[string]any
	if err := errors.Join(json.Unmarshal(b, &got), json.Unmarshal([]byte(golden), &want)); err != nil {
		t.Fatal(err)
	}
	for _, m := range []map[string]any{got, want} { // their keys are data
		delete(m, "reasons")
		delete(m, "calls")
	}
	if diff := cmp.Diff(keys("", want), keys("", got)); diff != "" {
		t.Errorf("keys of the report (-want +got):\n%s", diff)
	}
}

// The same at Getui: what it can do is shown, each call holds the vendor's schema, and no device gets a push twice.
func TestDemoAtGetui(t *testing.T) {
	t.Parallel()
	var talk syncBuffer
	valid := 0
	r, err := Run(t.Context(), Options{Vendor: "getui", For: 15 * time.Second, Seed: 3, Rate: 40, Progress: &talk, arrived: func(e *sandbox.Entry) {
		if err := schema.Request(e.Method, e.Path, e.Body); err != nil {
			t.Errorf("a call breaks the vendor's schema: %v\n%s", err, e.Body)
		}
		valid++
	}})
	if err != nil {
		t.Fatalf("%v\n%s", err, talk.String())
	}
	if !r.OK() || !r.Balanced {
		t.Errorf("problems %q\n%s", r.Problems, talk.String())
	}
	calls := 0
	for _, n := range r.Calls {
		calls += n
	}
	if valid != calls || calls == 0 {
		t.Errorf("%d calls were held to the schema, %d were made", valid, calls)
	}
	if q := r.Quota["main/app"]; q.Minute == nil || q.Minute.Used != 2 || r.Sent.Broadcast != 2 || r.Calls["/push/all"]+r.Calls["/push/tag"] != 2 {
		t.Errorf("quota %+v, %d broadcasts, calls %v: both slots of the minute are wanted", q, r.Sent.Broadcast, r.Calls)
	}
	if r.Sent.Push == 0 || r.Fates.Coalesced == 0 || r.Pending.Quota == 0 || r.Fates.Dead+r.Fates.Unknown != 0 {
		t.Errorf("sent %+v, fates %+v, pending %+v", r.Sent, r.Fates, r.Pending)
	}
	if !strings.Contains(talk.String(), "without messages.yaml: ") {
		t.Errorf("what Getui cannot do is not named:\n%s", talk.String())
	}
}

// Ctrl-C ends a demo without an end: what was made until then is in the report. Started again on the same data it goes on.
func TestDemoIsInterruptedAndGoesOn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var last *Report
	for run := range 2 {
		ctx, cancel := context.WithCancel(t.Context())
		talk := &syncBuffer{when: regexp.MustCompile(`SENT ([5-9]|\d\d)`), then: cancel} // in a line of the log
		r, err := Run(ctx, Options{Seed: 5, Rate: 60, Data: dir, Progress: talk})
		cancel()
		if err != nil {
			t.Fatalf("run %d: %v\n%s", run, err, talk.String())
		}
		if !r.OK() || r.Events == 0 || r.Intents == 0 {
			t.Errorf("run %d: %d events, %d intents, problems %q\n%s", run, r.Events, r.Intents, r.Problems, talk.String())
		}
		if last != nil {
			if r.Events <= last.Events || r.Intents <= last.Intents || r.Fates.Sent <= last.Fates.Sent {
				t.Errorf("the second run has %d events, %d intents, %d SENT; the first had %d, %d, %d", r.Events, r.Intents, r.Fates.Sent, last.Events, last.Intents, last.Fates.Sent)
			}
			if n := r.Calls["/push.json"]; r.Sent.Broadcast > 2 || r.Sent.Broadcast != last.Sent.Broadcast+n {
				t.Errorf("%d broadcasts, %d of the first run, %d calls: both runs share the hour's 2 slots", r.Sent.Broadcast, last.Sent.Broadcast, n)
			}
			if r.Reasons["duplicate"] > 0 {
				t.Errorf("reasons %v: the second run repeats the events of the first", r.Reasons)
			}
		}
		last = r
	}
}

func TestDemoDataIsLocked(t *testing.T) {
	dir := t.TempDir()
	b, err := embedded.Start(t.Context(), embedded.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	_, err = Run(t.Context(), Options{For: time.Second, Rate: 1, Data: dir})
	if !errors.Is(err, embedded.ErrLocked) || !strings.Contains(err.Error(), dir) {
		t.Errorf("got %v, want that %s is in use", err, dir)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

// A stream too short to show everything says so, and does not wait for what cannot come.
func TestDemoNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	r, err := Run(t.Context(), Options{For: time.Second, Rate: 20})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"nothing SENT of push", "nothing SENT of message", "nothing SENT of broadcast", "nothing COALESCED", "no intent waits for quota", "the stream had 20 events, everything is shown by 200: --rate 14 --for 15s, or longer"}, r.Problems); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	if !r.Balanced {
		t.Error("the books do not balance")
	}
}

// syncBuffer is a writer of several goroutines; it calls then when something is written that matches.
type syncBuffer struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	when *regexp.Regexp
	then func()
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.when != nil && b.when.Match(p) {
		b.then()
	}
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
