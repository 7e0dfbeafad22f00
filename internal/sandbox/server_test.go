package sandbox

import (
	"context"
	"encoding/json"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStartRefusesWhatItCannotServe(t *testing.T) {
	noDay := DefaultSwitches()
	noDay.DayZone = ""
	for name, c := range map[string]struct {
		o    Options
		want string
	}{
		"an address that is not loopback": {Options{Addr: "0.0.0.0:0"}, "loopback only"},
		"a name that is not localhost":    {Options{Addr: "example.com:80"}, "loopback only"},
		"an address without a port":       {Options{Addr: "127.0.0.1"}, "host:port"},
		"a port out of range":             {Options{Addr: "127.0.0.1:65535"}, "port"},
		"a Getui app without an appId":    {Options{Apps: []App{{Vendor: "getui", Key: "k", Secret: "s"}}}, "appId"},
		"an app twice":                    {Options{Apps: []App{{Vendor: "rongcloud", Key: "k", Secret: "s"}, {Vendor: "rongcloud", Key: "k", Secret: "t"}}}, "twice"},
		"an app without secret":           {Options{Apps: []App{{Vendor: "rongcloud", Key: "k", Secret: ""}}}, "empty"},
		"a Getui app with a slash":        {Options{Apps: []App{{Vendor: "getui", ID: "a/b", Key: "k", Secret: "s"}}}, "slash"},
		"an appId at RongCloud":           {Options{Apps: []App{{Vendor: "rongcloud", ID: "a", Key: "k", Secret: "s"}}}, "appId"},
		"an appId twice":                  {Options{Apps: []App{{Vendor: "getui", ID: "a", Key: "k", Secret: "s"}, {Vendor: "getui", ID: "a", Key: "l", Secret: "s"}}}, "twice"},
		"an app of a third vendor":        {Options{Apps: []App{{Vendor: "apple", Key: "k", Secret: "s"}}}, "must be rongcloud or getui"},
		"a third vendor":                  {Options{Vendor: "apple"}, "must be rongcloud, getui or both"},
		"an app that is not served":       {Options{Vendor: "getui", Apps: []App{{Vendor: "rongcloud", Key: "k", Secret: "s"}}}, "only getui"},
		"a knob out of range":             {Options{Knobs: &Knobs{DupMode: "maybe"}}, "dup_mode"},
		"a log in a missing directory":    {Options{Log: filepath.Join(t.TempDir(), "no", "log")}, "open log"},
		"a zone that is none":             {Options{Switches: &noDay}, "day_zone"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Start(context.Background(), c.o)
			if err == nil {
				_ = s.Close()
				t.Fatal("started")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %q, want it to say %q", err, c.want)
			}
		})
	}
}

func TestReadyLine(t *testing.T) {
	b := start(t, Options{})
	got := jsonMap(t, b.Ready())
	primary, _ := got["rongcloud"].(string)
	backup, _ := got["rongcloud_backup"].(string)
	if !strings.HasPrefix(primary, "http://127.0.0.1:") || !strings.HasPrefix(backup, "http://127.0.0.1:") {
		t.Errorf("ready %v", got)
	}
	want := map[string]any{"rongcloud": primary, "rongcloud_backup": backup, "getui": primary + "/v2", "control": primary + "/_sbx"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ready (-want +got):\n%s", diff)
	}
}

func TestOneVendorAlone(t *testing.T) {
	b := start(t, Options{Vendor: "rongcloud"})
	if got := jsonMap(t, b.Ready()); got["getui"] != nil || got["rongcloud"] == nil {
		t.Errorf("ready %v", got)
	}
	if status, code := b.post("/v2/check", jsonType, "{}"); status != 404 || code != 404 || b.last().Vendor != "rongcloud" {
		t.Errorf("Getui's path is RongCloud's to refuse: %d/%d", status, code)
	}

	b = start(t, Options{Vendor: "getui"})
	if got := jsonMap(t, b.Ready()); got["getui"] == nil || got["rongcloud"] != nil || got["rongcloud_backup"] != nil {
		t.Errorf("ready %v", got)
	}
	base := strings.TrimSuffix(b.Ready().Getui, "/v2")
	if status := b.control("POST", base+setTag, setTagBox, nil); status != 404 || len(b.Journal(0)) != 0 {
		t.Errorf("RongCloud's path: %d, %d journal entries", status, len(b.Journal(0)))
	}
	if status, _ := b.send(b.request(context.Background(), base, "/v2/nobody/auth", jsonType, "{}")); status != 400 || len(b.Journal(0)) != 1 {
		t.Errorf("Getui's path: %d, %d journal entries", status, len(b.Journal(0)))
	}
}

func TestTheServerEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s, err := Start(ctx, Options{})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := s.Wait(); err != nil {
		t.Errorf("Wait: %v", err)
	}
	if err := s.Close(); err != nil { // again is harmless
		t.Errorf("Close: %v", err)
	}
}

func TestLogHasEveryArrivalInOrder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	b := start(t, Options{FixedClock: true, Log: path})
	for i := range 3 {
		b.post(setTag, jsonType, setTagBox)
		raw, err := os.ReadFile(path)
		if err != nil || strings.Count(string(raw), "\n") != i+1 {
			t.Fatalf("after answer %d the log is %q, %v", i+1, raw, err)
		}
	}
	b.arm(`{"kind":"http_5xx"}`)
	b.post(setTag, jsonType, setTagBox)

	var calls sync.WaitGroup // requests are made here, since the helper is not for several goroutines
	for range 20 {
		r := b.request(context.Background(), b.Ready().Primary, setTag, jsonType, setTagBox)
		calls.Go(func() {
			if resp, err := b.client.Do(r); err != nil {
				t.Error(err)
			} else {
				_ = resp.Body.Close()
			}
		})
	}
	calls.Wait()
	b.post(pushPath, jsonType, pushBox)

	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var logged []Entry
	for line := range strings.Lines(string(raw)) {
		if strings.Contains(line, "ignature") || strings.Contains(line, DefaultSecret) {
			t.Errorf("the log shows a signature or secret: %s", line)
		}
		var e Entry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		logged = append(logged, e)
	}
	if len(logged) != 25 {
		t.Fatalf("%d lines, want 25", len(logged))
	}
	if diff := cmp.Diff(b.Journal(0), logged); diff != "" {
		t.Errorf("log differs from journal (-journal +log):\n%s", diff)
	}
	for i, e := range logged {
		if e.Seq != int64(i+1) || e.Executed != (i != 3) {
			t.Errorf("line %d: seq %d, executed %v", i+1, e.Seq, e.Executed)
		}
	}
}

func TestLogIsAppended(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	for range 2 {
		b := start(t, Options{FixedClock: true, Log: path})
		b.post(setTag, jsonType, setTagBox)
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if raw, err := os.ReadFile(path); err != nil || strings.Count(string(raw), "\n") != 2 {
		t.Errorf("log %q, %v; want two lines", raw, err)
	}
}

// A call that cannot be put on record gets no answer, and Close says why.
func TestABrokenLogStopsAnswers(t *testing.T) {
	s, err := Start(context.Background(), Options{FixedClock: true, Log: filepath.Join(t.TempDir(), "log")})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{Server: s, t: t, client: newClient()}
	if err := s.log.file.Close(); err != nil {
		t.Fatal(err)
	}
	if resp, err := b.client.Do(b.request(context.Background(), b.Ready().Primary, setTag, jsonType, setTagBox)); err == nil {
		_ = resp.Body.Close()
		t.Errorf("answered %d without a log", resp.StatusCode)
	}
	if err := s.Close(); err == nil || !strings.Contains(err.Error(), "write log") {
		t.Errorf("Close: %v, want the log's failure", err)
	}
}

func TestJournalIsBounded(t *testing.T) {
	var j journal
	for range journalEntries + 10 {
		j.add(&Entry{Body: json.RawMessage(`1`)})
	}
	got := j.after(0)
	if len(got) != journalEntries || got[0].Seq != 11 || j.bytes != journalEntries {
		t.Errorf("%d entries from seq %d, %d bytes", len(got), got[0].Seq, j.bytes)
	}
	if got := j.after(journalEntries + 8); len(got) != 2 {
		t.Errorf("%d entries after the last but two", len(got))
	}
	if got := j.after(1 << 40); len(got) != 0 {
		t.Errorf("%d entries from the future", len(got))
	}

	j = journal{}
	big := json.RawMessage(make([]byte, journalBytes/4))
	for range 10 {
		j.add(&Entry{Body: big})
	}
	if got := j.after(0); len(got) != 4 || got[0].Seq != 7 {
		t.Errorf("%d entries from seq %d, want 4 from 7", len(got), got[0].Seq)
	}
}

func TestTooLargeABodyIsRefusedAndJournalled(t *testing.T) {
	b := start(t, Options{FixedClock: true})
	r := b.request(context.Background(), b.Ready().Primary, setTag, jsonType, strings.Repeat("x", maxBody+1))
	if status, out := b.send(r); status != 400 || codeOf(out) != codeTooLong {
		t.Errorf("got %d %s", status, out)
	}
	if e := b.last(); e.Executed || e.Code != codeTooLong {
		t.Errorf("journal %+v", e)
	}
}

// The sandbox must share no code with the clients it judges.
func TestImportsNothingOfThisModule(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range f.Imports {
			if strings.Contains(i.Path.Value, "notifier/notifier") {
				t.Errorf("%s imports %s", name, i.Path.Value)
			}
		}
	}
}
