package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/notifier/notifier/test/chaos/audit"
)

// Options say what to run.
type Options struct {
	Kills   int
	Seed    uint64
	Vendor  string        // rongcloud, or getui: where all accounts are
	Root    string        // the source tree: rules under test, schemas
	Program string        // notifier, built with the tag failpoints
	Old     *Release      // an upgrade from it and back, with two daemons; nil: one daemon with an embedded broker
	Dir     string        // for settings, logs, data and journals: one folder a round
	Keep    bool          // leave the folders of good rounds as well
	Drain   time.Duration // how long what is left of a round may say nothing new
	Freezes int           // of twenty processes so many are frozen: 1 to MaxFreezes; 0: 1
	Say     io.Writer     // progress and reports
}

// Drain is longer than a call at Getui waits to be made again, 5 minutes.
const Drain = 7 * time.Minute

// MaxFreezes is how many of twenty processes can be frozen.
const MaxFreezes = 4

// listPaths are the calls of gifts to many.
var listPaths = []string{"/push/list/cid", "/push/list/alias"}

// roundKills bounds the kills of one round.
const roundKills = 200

// Result is what all rounds came to.
type Result struct {
	Vendor                  string
	Old                     *Release
	Kills, Drains           int
	Audited                 int // of the drains: the last of a round ends without load, when the audit has read all it judges
	Lost, Doubled, Overruns int
	Unknown, Repeats        int            // without lists, of which one call makes up to 30
	Undone                  int            // Getui: profile intents that wait for the next day
	Compacted               int            // records of the ledger that a start took away
	Hits                    int            // kills with an open attempt of the killed process, or 50 intents pending
	Failpoints              map[string]int // kills by the moment at which the process died
	Faults                  map[string]int // arrivals at the vendor that a fault met
	Freezes                 map[string]int // by how long: briefly, session
	Input                   map[string]int // faults of the input, as rig.Feeder names them
	Never                   []string       // rows of test/faults.json that this test is to inject, and nothing did
	FirstCall               []time.Duration
	Lists                   map[string]int // executed, by path
	ListsUnknown            int            // of gifts that went by a list
	Changes                 map[string]int // of a daemon's program: upgrade, roll back
	Callers                 map[string]int // lives in which a call was made, by release: old, new
	Ready                   []time.Duration
	Problems                []string
	missed                  map[string]int // failpoints that did not come in time, and the process was killed anyway
}

// Run does all the kills. An error means that the test itself failed and says nothing of the daemon.
func Run(ctx context.Context, o Options) (*Result, error) {
	res := &Result{Vendor: o.Vendor, Old: o.Old, Lists: map[string]int{}, Changes: map[string]int{}, Callers: map[string]int{}, Failpoints: map[string]int{}, Faults: map[string]int{}, Freezes: map[string]int{}, Input: map[string]int{}, missed: map[string]int{}}
	for n := 0; res.Kills < o.Kills; n++ {
		kills := min(roundKills, o.Kills-res.Kills)
		dir := filepath.Join(o.Dir, fmt.Sprintf("round-%d", n))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
		began := time.Now()
		r, err := newRound(ctx, o, dir, o.Seed+uint64(n)<<32, kills)
		if err != nil {
			return nil, fmt.Errorf("round %d: %w", n, err)
		}
		report, err := r.run(ctx)
		if err != nil {
			return nil, fmt.Errorf("round %d: %w", n, err)
		}
		before := len(res.Problems)
		res.add(r, report)
		fmt.Fprintf(o.Say, "round %d: %d kills in %s\n%s", n, kills, time.Since(began).Round(time.Second), report)
		if !o.Keep && len(res.Problems) == before {
			if err := os.RemoveAll(dir); err != nil {
				return nil, err
			}
		}
	}
	slices.Sort(res.FirstCall)
	slices.Sort(res.Ready)
	return res, nil
}

func (res *Result) add(r *round, report *audit.Report) {
	lost, doubled, overruns := report.Broken()
	hits, _, _ := report.Hits()
	res.Kills += len(r.kills)
	res.Drains += len(r.drains)
	res.Audited += report.Drains
	res.Lost, res.Doubled, res.Overruns = res.Lost+lost, res.Doubled+doubled, res.Overruns+overruns
	res.Unknown, res.Repeats, res.Hits = res.Unknown+report.Unknown-report.ListsUnknown, res.Repeats+report.Repeats, res.Hits+hits
	res.Undone += report.Undone
	res.Compacted += r.compacted
	res.ListsUnknown += report.ListsUnknown
	for _, path := range listPaths {
		res.Lists[path] += report.Calls[path]
	}
	res.FirstCall, res.Ready = append(res.FirstCall, report.FirstCall...), append(res.Ready, r.ready...)
	res.Problems = append(append(res.Problems, r.problems...), report.Problems...)
	for _, part := range []struct{ to, from map[string]int }{{res.Failpoints, r.fired}, {res.missed, r.missed}, {res.Faults, report.Faults}, {res.Freezes, r.freezes}, {res.Input, r.feeder.Met},
		{res.Changes, r.changes}, {res.Callers, report.Callers}} {
		for k, n := range part.from {
			part.to[k] += n
		}
	}
}

// Vacuous says why a run proves too little, or nothing. Small runs are not asked for what chance must bring.
func (res *Result) Vacuous() string {
	if res.Old != nil && (min(res.Changes["upgrade"], res.Changes["roll back"]) < 2 || min(res.Callers["old"], res.Callers["new"]) < 4) {
		return fmt.Sprintf("changes of program %v, and lives in which a call was made %v", res.Changes, res.Callers)
	}
	least := 60
	if res.Vendor == audit.Getui { // it makes a third of the calls
		least = 100
	}
	if res.Kills < least {
		return ""
	}
	if res.Hits*10 < res.Kills*3 {
		return fmt.Sprintf("only %d of %d kills hit an open attempt or 50 pending intents", res.Hits, res.Kills)
	}
	for _, f := range failpoints {
		if res.Failpoints[f] == 0 {
			return "no process died at failpoint " + f
		}
	}
	for _, f := range VendorFaults(res.Vendor) {
		if res.Faults[f.Kind] == 0 {
			return "no call met the vendor's fault " + f.Kind
		}
	}
	if res.Vendor == audit.Getui && res.Undone == 0 {
		return "the day's changes of tags were enough"
	}
	for _, path := range listPaths {
		if res.Lists[path] == 0 {
			return "no call of " + path
		}
	}
	if res.Old == nil && res.Compacted == 0 {
		return "no start compacted the ledger"
	}
	if res.ListsUnknown == 0 {
		return "no list was cut off"
	}
	if res.Freezes["briefly"] == 0 || res.Freezes["session"] == 0 || res.Audited == 0 {
		return fmt.Sprintf("freezes %v and %d drains under load", res.Freezes, res.Audited)
	}
	if len(res.Never) > 0 {
		return "nothing injected " + strings.Join(res.Never, ", ")
	}
	return ""
}

// Cells lists what was injected how often.
func (res *Result) Cells() string {
	var b strings.Builder
	if res.Old != nil {
		fmt.Fprintf(&b, "%d upgrades from %s and %d roll backs; calls were made in %d lives of the old program and %d of the new one\n", res.Changes["upgrade"], res.Old, res.Changes["roll back"], res.Callers["old"], res.Callers["new"])
	}
	fmt.Fprintf(&b, "%d kills hit something, freezes %v, %d drains under load; restart to ready p50 %s p99 %s; %d records of the ledger were compacted\n", res.Hits, res.Freezes, res.Audited, audit.Percentile(res.Ready, 50), audit.Percentile(res.Ready, 99), res.Compacted)
	for _, f := range failpoints {
		fmt.Fprintf(&b, "  %6d died at %s, %d did not get there\n", res.Failpoints[f], f, res.missed[f])
	}
	for _, k := range slices.Sorted(maps.Keys(res.Faults)) {
		fmt.Fprintf(&b, "  %6d calls met %s\n", res.Faults[k], k)
	}
	return b.String()
}

// Rows counts what was injected of each row of test/faults.json that L3 injects, and names those of which nothing was. Rows that only tests
// of their own inject are left out.
func (res *Result) Rows(root string) (table string, never []string, err error) {
	text, err := os.ReadFile(filepath.Join(root, "test", "faults.json"))
	if err != nil {
		return "", nil, err
	}
	var rows []struct {
		Row, Layer, Fault string
		By                []string
	}
	if err := json.Unmarshal(text, &rows); err != nil {
		return "", nil, fmt.Errorf("test/faults.json: %w", err)
	}
	count := map[string]int{"test/chaos/audit torn drain": res.Audited}
	for _, part := range []map[string]int{res.Failpoints, res.Faults, res.Freezes} {
		for name, n := range part {
			count["test/chaos/harness "+name] += n
		}
	}
	for name, n := range res.Input {
		count["test/chaos/rig "+name] += n
	}
	var b strings.Builder
	for _, r := range rows {
		if !slices.Contains(strings.Fields(r.Layer), "L3") {
			continue
		}
		n, ours := 0, false
		for _, by := range r.By {
			n += count[by]
			room, name, _ := strings.Cut(by, " ")
			ours = ours || strings.HasPrefix(room, "test/chaos") && !strings.HasPrefix(name, "Test")
		}
		if !ours { // a test of its own injects it
			continue
		}
		fmt.Fprintf(&b, "  %-4s L3 %7d  %s\n", r.Row, n, r.Fault)
		if n == 0 {
			never = append(never, fmt.Sprintf("%s (%s)", r.Row, r.Fault))
		}
	}
	return b.String(), never, nil
}

// Line is the result in one line.
func (res *Result) Line() string {
	perKill := func(n int) float64 { return float64(n) / float64(max(1, res.Kills)) }
	repeats := "dup-tags" // tag calls that were made again because of a kill; at Getui pushes that the vendor had already
	if res.Vendor == audit.Getui {
		repeats = "repeats"
	}
	return fmt.Sprintf("kills %d lost %d doubled %d overruns %d unknown/kill %.2f %s/kill %.2f recovery p50 %s p99 %s", res.Kills, res.Lost, res.Doubled, res.Overruns,
		perKill(res.Unknown), repeats, perKill(res.Repeats), audit.Percentile(res.FirstCall, 50), audit.Percentile(res.FirstCall, 99))
}
