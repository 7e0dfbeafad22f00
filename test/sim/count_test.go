//go:build synctests

package sim

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/sandbox"
)

// What the tests of this package injected, by row of test/faults.json, and how much time passed in their worlds and outside.
var injected = struct {
	mu            sync.Mutex
	rows          map[string]int
	virtual, real time.Duration
}{rows: map[string]int{}}

// hit counts faults where they are injected, or where it is certain that they were met.
func hit(row string, n int) {
	injected.mu.Lock()
	defer injected.mu.Unlock()
	injected.rows[row] += n
}

// TestMain counts: a run of the whole package in which a fault of this layer never came fails, for it proves nothing of that fault.
func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	missing, err := layerRows(os.Stdout, "../faults.json", injected.rows)
	if err != nil {
		fmt.Println("count the faults:", err)
		code = 1
	}
	if injected.real > 0 {
		fmt.Printf("%s of virtual time, %.0f times as fast as it passed, %.0f times by the processor's clock\n", injected.virtual.Round(time.Minute),
			float64(injected.virtual)/float64(injected.real), float64(injected.virtual)/float64(processor()))
	}
	whole := !slices.ContainsFunc([]string{"test.run", "test.skip", "test.list"}, func(name string) bool { return flag.Lookup(name).Value.String() != "" })
	if whole && len(missing) > 0 {
		fmt.Println("FAIL: never injected in the whole run:", strings.Join(missing, " "))
		code = 1
	}
	os.Exit(code)
}

// processor is the time that this process has had a processor for: a machine with other work slows a run, not this.
func processor() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// layerRows prints a line for each row that L2 injects, and gives those that nothing injected.
func layerRows(to io.Writer, file string, counts map[string]int) (missing []string, err error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var rows []struct{ Row, Layer, Fault string }
	if err := json.Unmarshal(b, &rows); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	known := map[string]bool{}
	for _, r := range rows {
		if !slices.Contains(strings.Fields(r.Layer), "L2") {
			continue
		}
		known[r.Row] = true
		fmt.Fprintf(to, "%-4s L2 %7d  %s\n", r.Row, counts[r.Row], r.Fault)
		if counts[r.Row] == 0 {
			missing = append(missing, r.Row)
		}
	}
	for row := range counts {
		if !known[row] {
			return missing, fmt.Errorf("%s is counted here, and %s does not give it to L2", row, file)
		}
	}
	return missing, nil
}

func TestAFaultThatNeverCameIsNamed(t *testing.T) {
	counts := map[string]int{}
	missing, err := layerRows(io.Discard, "../faults.json", counts)
	if err != nil {
		t.Fatal(err)
	}
	if len(missing) < 30 {
		t.Fatalf("%d rows belong to L2: %v", len(missing), missing)
	}
	for _, row := range missing[1:] {
		counts[row] = 1
	}
	var b strings.Builder
	if got, err := layerRows(&b, "../faults.json", counts); err != nil || !slices.Equal(got, missing[:1]) {
		t.Errorf("missing %v, %v, want %v", got, err, missing[:1])
	}
	if first := missing[0] + "   L2       0  "; !strings.HasPrefix(b.String(), first) {
		t.Errorf("the table begins with %.40q, want %q", b.String(), first)
	}
	counts["E2"] = 1
	if _, err := layerRows(io.Discard, "../faults.json", counts); err == nil {
		t.Error("a row of another layer was counted without a word")
	}
}

// faultRows are the rows of what the sandbox did to a call.
var faultRows = map[string][]string{
	"stall_after": {"V2", "P5"}, "http_5xx": {"V3"}, "truncate": {"V7"}, "redirect": {"V12"}, "drip": {"V9"}, "late": {"V16"},
}

// slowRows are those of calls that were slow, where the daemon has not waited for the answer.
var slowRows = map[string][]string{"stall": {"V1", "P5"}, "timeout_after": {"V2"}}

// countWorld counts what a world's vendor did, who took the slots that others had left, and how many days of broadcasts ended in it.
func countWorld(journal []sandbox.Entry, sent *calls) {
	sent.mu.Lock()
	defer sent.mu.Unlock()
	last := map[string]sandbox.Entry{} // broadcast, by app
	for _, e := range journal {
		for _, row := range faultRows[e.Fault] {
			hit(row, 1)
		}
		id := e.Headers["X-Request-Id"]
		if sent.gaveUp[id] {
			for _, row := range slowRows[e.Fault] {
				hit(row, 1)
			}
		}
		if e.Executed && (e.Path == "/push.json" || e.Path == "/message/broadcast.json") {
			before, ok := last[e.App]
			if ok && at(e).Sub(at(before)) < 24*time.Hour {
				if by, was := sent.by[id], sent.by[before.Headers["X-Request-Id"]]; by != "" && was != "" && by != was {
					hit("Q1", 1)
				}
				for _, zone := range []*time.Location{shanghai, time.UTC} {
					if at(e).In(zone).YearDay() != at(before).In(zone).YearDay() {
						hit("T3", 1)
					}
				}
			}
			last[e.App] = e
		}
		switch {
		case e.Vendor != "rongcloud":
		case e.Code == 1000 || e.Code == 1050:
			hit("V3", 1)
		case e.Code == 1004:
			hit("V6", 1)
		case e.Code == 1008 && e.Fault != "" && (e.Path == "/push.json" || e.Path == "/message/broadcast.json"): // our books were free, or it had not left
			hit("V4", 1)
			hit("Q2", 1)
		case e.Code == 1009:
			hit("V5", 1)
		case e.Fault == "answer" && bytes.HasPrefix(e.Answer, []byte(`"`)): // what is no JSON is kept as a text
			hit("V7", 1)
		}
	}
}
