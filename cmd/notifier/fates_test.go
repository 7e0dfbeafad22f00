package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/query"
)

// The rows of all partitions are one list in order of time, as far as they are held; none is lost behind that.
func TestFatesAreShownInOrderOfTime(t *testing.T) {
	at := time.Date(2026, 11, 21, 4, 0, 0, 0, time.UTC)
	for most, want := range map[int]string{5: "1 2 3 4 5", 6: "1 2 3 4 5", 3: "1 2 4 3 5"} {
		var got []string
		rows := &byTime{most: most, write: func(x ledger.Fate) error {
			got = append(got, fmt.Sprint(int(x.At.Sub(at).Minutes())))
			return nil
		}}
		for _, m := range []int{2, 4, 1, 3, 5} {
			if err := rows.add(ledger.Fate{At: at.Add(time.Duration(m) * time.Minute)}); err != nil {
				t.Fatal(err)
			}
		}
		if err := rows.flush(); err != nil {
			t.Fatal(err)
		}
		if s := strings.Join(got, " "); s != want || rows.n != 5 {
			t.Errorf("%d held: %s, want %s", most, s, want)
		}
	}
}

// A word that is none of the fates finds nothing, which would read as if nothing had that fate.
func TestAFateIsOneOfTheFates(t *testing.T) {
	t.Setenv("S", "x")
	inDir(t, map[string]string{"notifier.yaml": scopeSettings})
	code, _, _, err := runLine(t, "fates", "--fate", "sended")
	if code != exitUsage || err == nil || err.Error() != `unknown --fate "SENDED": SENT, COALESCED, SUPPRESSED, DEAD, UNKNOWN` {
		t.Errorf("exit %d, %v", code, err)
	}
}

// The books say the same in every format, and so does the exit code.
func TestTheBooksSayTheSameAsTextAndAsJSON(t *testing.T) {
	tally := &query.Tally{Events: 4, NoRule: 1, Dead: 1, Matched: 2, Intents: 2, Fates: 1, Pending: 1}
	sent := map[ledger.FateKind]int{ledger.Sent: 2}
	halts := map[int32]ledger.Halt{1: {Partition: 1, Instance: "a", What: "lost", At: time.Date(2026, 11, 21, 4, 0, 0, 0, time.UTC)}}
	for name, c := range map[string]struct {
		tally *query.Tally
		b     query.Books
		halts map[int32]ledger.Halt
		since time.Time
	}{
		"balanced":    {tally, query.Books{Intents: 3, Given: 2, Pending: 1, Kept: true, Fates: sent, Dead: 1}, nil, time.Time{}},
		"since":       {tally, query.Books{Intents: 3, Given: 2, Pending: 1, Kept: true, Fates: sent, Dead: 1}, nil, time.Unix(1, 0)},
		"short":       {tally, query.Books{Intents: 4, Given: 3, Pending: 1, Kept: true, Fates: sent}, nil, time.Time{}},
		"double":      {nil, query.Books{Intents: 3, Given: 2, Pending: 1, Fates: sent, Double: []intent.ID{"t/0/1/r/u"}}, nil, time.Time{}},
		"stopped":     {tally, query.Books{Intents: 3, Given: 2, Pending: 1, Kept: true, Fates: sent}, halts, time.Time{}},
		"both faults": {tally, query.Books{Intents: 5, Given: 2, Pending: 1, Fates: sent}, halts, time.Time{}},
	} {
		b := sumOf(c.tally, &c.b, c.halts, c.since, "n.fates")
		var out strings.Builder
		b.print(&out, diag.EN)
		if err := printJSON(&out, b); err != nil {
			t.Fatal(err)
		}
		if err := b.exit(); err == nil {
			out.WriteString("exit 0\n")
		} else {
			fmt.Fprintf(&out, "exit %d\n", exitCode(err, true))
		}
		holdGolden(t, filepath.Join("testdata", "fates", strings.ReplaceAll(name, " ", "-")+".txt"), out.String())
		if text := out.String(); strings.Contains(text, "✓") != strings.Contains(text, `"balanced": true`) || strings.Contains(text, "✓") != strings.HasSuffix(text, "exit 0\n") {
			t.Errorf("%s: not the same verdict everywhere\n%s", name, text)
		}
	}
	if err := (*books)(nil).exit(); err != nil {
		t.Error("a part of the fates has no books", err)
	}
}

// Fates come as they are given, those that are asked for alone, until somebody ends it.
func TestFatesAreFollowedUntilASignal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run()
	w.order("ord-1", "u-1")
	until(t, "the fate", func() bool {
		_, out, _ := once(t, w.dir, "fates", "ord-1")
		return strings.Contains(out, "SENT")
	})
	cmd := command(t, w.dir, "fates", "--follow", "--rule", "thanks", "--user", "u-1", "--since", "1h", "--format", "jsonl")
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stuck := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer stuck.Stop()
	sc := bufio.NewScanner(pipe)
	next := func() (f ledger.Fate) {
		t.Helper()
		if !sc.Scan() {
			t.Fatal("no line", sc.Err())
		}
		if err := json.Unmarshal(sc.Bytes(), &f); err != nil {
			t.Fatal(err)
		}
		return f
	}
	if f := next(); f.Event.ID != "ord-1" {
		t.Errorf("first %+v, want what is on record", f)
	}
	w.order("ord-2", "u-2") // of somebody else
	w.order("ord-3", "u-1")
	if f := next(); f.Event.ID != "ord-3" || f.Fate != ledger.Sent {
		t.Errorf("then %+v", f)
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if sc.Scan() {
		t.Errorf("behind the signal: %s", sc.Text())
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("ended with %v, want exit 0", err)
	}
}
