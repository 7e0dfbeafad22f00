//go:build synctests

package sim

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/internal/embedded"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/query"
	"github.com/notifier/notifier/internal/rules"
	"github.com/notifier/notifier/internal/sandbox"
	"github.com/notifier/notifier/test/schema"
)

const (
	brokerPort = 9092
	vendorAddr = "127.0.0.1:8080" // the backup takes the next port
	prefix     = "n"
)

// Topics of the domain.
const (
	profiles = "user-profiles"
	sales    = "shop.sales"
	orders   = "shop.orders"
)

// world is everything around the daemon: a broker that outlives it, the vendor, and a producer of events.
type world struct {
	t      *testing.T
	net    kfake.VirtualNetwork
	broker *embedded.Broker
	vendor *sandbox.Server
	kafka  []kgo.Opt
	cl     *kgo.Client
	dir    string
	rules  []rules.File
	events map[string]int // ids given, by kind
	quiet  bool
	mu     sync.Mutex        // guards unsaid, read, and rules and own once a daemon runs
	unsaid []string          // of the log, when quiet
	own    map[string]string // the rule file of an instance that has not the others' yet
	read   map[string]string // the rule file that each running daemon found last
	sent   calls
	dial   func(ctx context.Context, network, addr string) (net.Conn, error) // of the daemons; nil: the world's network
	zone   string
	keys   string        // further settings
	prefix string        // of our topics
	begin  string        // kafka.start; "": not said
	live   time.Duration // session time-out of daemons; 0: the product's
	wait   time.Duration // for fetches; 0: the product's
}

// setup says what differs between the worlds of two tests; the zero value is one account with the default key.
type setup struct {
	after    time.Duration // how long after midnight UTC (08:00 in Shanghai) the world begins
	apps     []sandbox.App
	switches func(*sandbox.Switches)
	rules    string // instead of ruleFile
	zone     string // of the settings; "": their default
	keys     string // further settings, a line each
	quiet    bool   // the daemon's log only if the test fails
	parts    int    // of the topics of events; 0: 2
	hasty    bool   // time-outs as the product has them, which make days dear
}

// simulate runs f in a world of its own and tells how much time passed in it and outside.
func simulate(t *testing.T, s setup, f func(t *testing.T, w *world)) {
	t.Helper()
	real0, dir := time.Now(), t.TempDir()
	var virtual time.Duration
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(s.after)
		t0 := time.Now()
		w := &world{t: t, dir: dir, events: map[string]int{}, own: map[string]string{}, read: map[string]string{}, sent: calls{by: map[string]string{}, gaveUp: map[string]bool{}}, quiet: s.quiet, zone: s.zone, keys: s.keys,
			prefix: prefix, begin: "earliest", live: session, wait: fetchWait}
		if s.hasty {
			w.live, w.wait = 0, 0
		}
		defer w.tell()
		w.rules = []rules.File{{Name: "events.yaml", Data: []byte(catalogue)}, {Name: "rules.yaml", Data: []byte(ruleFile)}}
		if s.rules != "" {
			w.rules[1].Data = []byte(s.rules)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var err error
		if w.broker, err = embedded.Start(ctx, embedded.Options{Listen: w.net.Listen, Port: brokerPort}); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := w.broker.Close(); err != nil {
				t.Error("the broker failed:", err)
			}
		}()
		sw := sandbox.DefaultSwitches()
		if s.switches != nil {
			s.switches(&sw)
		}
		if w.vendor, err = sandbox.Start(ctx, sandbox.Options{Addr: vendorAddr, Apps: s.apps, Switches: &sw, Listen: w.net.Listen, Now: time.Now}); err != nil {
			t.Fatal(err)
		}
		defer w.vendor.Close()
		w.kafka = []kgo.Opt{kgo.SeedBrokers(w.broker.Addrs()...), kgo.Dialer(w.net.DialContext)}
		if w.cl, err = kgo.NewClient(w.kafka...); err != nil {
			t.Fatal(err)
		}
		defer w.cl.Close()
		if _, err := kadm.NewClient(w.cl).CreateTopics(ctx, int32(cmp.Or(s.parts, 2)), 1, nil, profiles, sales, orders); err != nil {
			t.Fatal(err)
		}
		f(t, w)
		w.holdToSchema()
		virtual = time.Since(t0)
		countWorld(w.vendor.Journal(0), &w.sent)
	})
	if took := time.Since(real0); virtual > 0 {
		injected.mu.Lock()
		injected.virtual, injected.real = injected.virtual+virtual, injected.real+took
		injected.mu.Unlock()
		t.Logf("%s of virtual time in %s, %.0f times as fast", virtual.Round(time.Second), took.Round(time.Millisecond), float64(virtual)/float64(took))
	}
}

// holdToSchema checks every call of the daemon's by the vendor's schemas.
func (w *world) holdToSchema() {
	w.t.Helper()
	seen := map[string]bool{}
	for _, e := range w.vendor.Journal(0) {
		if e.Headers["User-Agent"] != "notifier" || seen[e.Path+string(e.Body)] {
			continue // somebody else's, or one like it was checked
		}
		seen[e.Path+string(e.Body)] = true
		if err := schema.Request(e.Method, e.Path, e.Body); err != nil {
			w.t.Errorf("a call breaks the vendor's schema: %v\n%s", err, e.Body)
			return
		}
	}
	if len(seen) > 0 {
		w.t.Logf("%d different calls hold the vendor's schema", len(seen))
	}
}

// produce writes one event as its owner would: JSON, keyed by whom it is about.
func (w *world) produce(topic, key string, fields map[string]any) {
	w.t.Helper()
	b, err := json.Marshal(fields)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.cl.ProduceSync(w.t.Context(), &kgo.Record{Topic: topic, Key: []byte(key), Value: b}).FirstErr(); err != nil {
		w.t.Fatal(err)
	}
}

// id gives each event of a topic an id of its own.
func (w *world) id(kind string) string {
	w.events[kind]++
	return fmt.Sprintf("%s-%d", kind, w.events[kind])
}

func now() string { return time.Now().UTC().Format(time.RFC3339Nano) }

// sale asks for a broadcast to a city; the text carries the product, so that it is found again at the vendor.
func (w *world) sale(city, product string) (event string) {
	event = w.id("sale")
	w.produce(sales, event, map[string]any{"sale_id": event, "opened_at": now(), "city": city, "product": product})
	return event
}

// profile changes fields of a user.
func (w *world) profile(user string, fields map[string]any) (event string) {
	event = w.id("profile")
	w.produce(profiles, user, map[string]any{"event_id": event, "ts": now(), "user_id": user, "profile": fields})
	return event
}

// order asks for a push to a user.
func (w *world) order(user, product string) (event string) {
	event = w.id("order")
	w.produce(orders, user, map[string]any{"order_id": event, "paid_at": now(), "user_id": user, "product": product})
	return event
}

// ruleFiles are the files as a daemon finds them.
func (w *world) ruleFiles(instance string) ([]rules.File, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	files := slices.Clone(w.rules)
	if text, ok := w.own[instance]; ok {
		files[1].Data = []byte(text)
	}
	now := string(files[1].Data)
	if was, ok := w.read[instance]; ok && was != now { // a daemon that runs finds another file
		hit("C3", 1)
		for other, text := range w.read {
			if other != instance && text != now {
				hit("C4", 1)
				break
			}
		}
	}
	w.read[instance] = now
	return files, nil
}

// edit saves another rule file; running daemons take it within seconds.
func (w *world) edit(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rules[1].Data = []byte(text)
	clear(w.own)
}

// editFor saves another rule file for one instance: the others have it later.
func (w *world) editFor(instance, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.own[instance] = text
}

// left forgets what a daemon that ended has read of the rules, and who it was.
func (w *world) left(instance string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.read, instance)
}

// calls are what daemons sent to the vendor, by the id of the request.
type calls struct {
	mu     sync.Mutex
	by     map[string]string // the instance
	gaveUp map[string]bool   // the daemon left before anything came back
}

func (w *world) reader() *query.Reader {
	return &query.Reader{Kafka: w.kafka, Topics: ledger.TopicsOf(w.prefix)}
}

// fates gives every fate by event id; the same intent twice is an error at once.
func (w *world) fates() map[string][]ledger.Fate {
	w.t.Helper()
	out, seen := map[string][]ledger.Fate{}, map[string]ledger.Fate{}
	err := w.reader().Fates(w.t.Context(), query.Filter{}, func(f ledger.Fate) error {
		if first, twice := seen[string(f.Intent)]; twice && f.Resolves == "" {
			w.t.Errorf("intent %s has two fates: %s(%s) at %s and %s(%s) at %s", f.Intent, first.Fate, first.Reason, first.At, f.Fate, f.Reason, f.At)
		}
		seen[string(f.Intent)] = f
		out[f.Event.ID] = append(out[f.Event.ID], f)
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// words gives the one fate of each event as FATE or FATE(reason).
func (w *world) words() map[string]string {
	w.t.Helper()
	out := map[string]string{}
	for id, fs := range w.fates() {
		var words []string
		for _, f := range fs {
			s := string(f.Fate)
			if f.Reason != "" {
				s += "(" + string(f.Reason) + ")"
			}
			words = append(words, s)
		}
		slices.Sort(words)
		out[id] = strings.Join(words, " ")
	}
	return out
}

// pending gives the events of all intents that have no fate, sorted.
func (w *world) pending() (events []string) {
	w.t.Helper()
	states, err := w.reader().Ledgers(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, st := range states {
		for _, p := range st.Pending {
			events = append(events, p.Intent.Event.ID)
		}
	}
	slices.Sort(events)
	return events
}

// books fails the test unless intents = fates + pending, and one fate each.
func (w *world) books(intents int) {
	w.t.Helper()
	b, err := w.reader().Books(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	if !b.Balanced() || b.Intents != intents || b.Dead != 0 {
		w.t.Errorf("books: %+v, want %d intents, balanced, no dead letter", b, intents)
	}
}

// ledgerEnd is how long the ledger is, over its partitions.
func (w *world) ledgerEnd() (n int64) {
	w.t.Helper()
	ends, err := kadm.NewClient(w.cl).ListEndOffsets(w.t.Context(), w.prefix+".ledger")
	if err != nil {
		w.t.Fatal(err)
	}
	ends.Each(func(o kadm.ListedOffset) { n += o.Offset })
	return n
}

// executed gives the vendor's journal of calls that took effect on the given paths.
func (w *world) executed(paths ...string) (out []sandbox.Entry) {
	for _, e := range w.vendor.Journal(0) {
		if e.Executed && slices.Contains(paths, e.Path) {
			out = append(out, e)
		}
	}
	return out
}

// arrivals counts what reached the vendor on a path, executed or not.
func (w *world) arrivals(path string) (n int) {
	for _, e := range w.vendor.Journal(0) {
		if e.Path == path {
			n++
		}
	}
	return n
}

// text is the notification's text in a request body.
func text(e sandbox.Entry) string {
	var body struct {
		Notification struct{ Alert, PushContent string }
	}
	_ = json.Unmarshal(e.Body, &body)
	return body.Notification.Alert + body.Notification.PushContent
}

func at(e sandbox.Entry) time.Time { return time.UnixMilli(e.AtMS).UTC() }

// write makes a file in the world's directory.
func (w *world) write(name, text string) string {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return path
}
