package harness

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/notifier/notifier/test/chaos/audit"
)

// RunsFile holds a line of JSON for each run on record, from the root of the source tree. RELIABILITY.md sums them up.
const RunsFile = "test/chaos/runs.jsonl"

// Entry is one run on record, whatever came of it.
type Entry struct {
	Date      string        `json:"date"`              // of its end
	Vendor    string        `json:"vendor,omitempty"`  // "": RongCloud
	Upgrade   string        `json:"upgrade,omitempty"` // the commit that was upgraded and rolled back to
	Seed      uint64        `json:"seed"`
	Kills     int           `json:"kills"`
	Brokers   int           `json:"broker_kills,omitempty"` // of brokers: the run is one of test/kafka/storm
	Stops     int           `json:"stops"`                  // SIGSTOP
	Freezes   int           `json:"freezes,omitempty"`      // of twenty processes, if not 1
	Drains    int           `json:"drains"`                 // SIGTERM
	Lost      int           `json:"lost"`
	Doubled   int           `json:"doubled"`
	Overruns  int           `json:"overruns"`
	Problems  int           `json:"problems"` // all that the audit found, those three and others
	Hits      int           `json:"hits"`
	Unknown   int           `json:"unknown"`
	Repeats   int           `json:"repeats"`            // tag calls made again because of a kill; at Getui pushes that came again
	Rewrites  int           `json:"dup_tags,omitempty"` // of runs on record before calls were counted: users written again, whatever the reason
	Recovered time.Duration `json:"recovery_p50_ns"`    // start of a process to its first call
	Slowest   time.Duration `json:"recovery_p99_ns"`
}

// Entry is the record of a result.
func (res *Result) Entry(vendor string, seed uint64, at time.Time) Entry {
	r := Entry{Date: at.UTC().Format(time.DateOnly), Vendor: vendor, Seed: seed, Kills: res.Kills, Drains: res.Drains, Lost: res.Lost, Doubled: res.Doubled, Overruns: res.Overruns, Problems: len(res.Problems),
		Hits: res.Hits, Unknown: res.Unknown, Repeats: res.Repeats, Recovered: audit.Percentile(res.FirstCall, 50), Slowest: audit.Percentile(res.FirstCall, 99)}
	if res.Old != nil {
		r.Upgrade = cmp.Or(res.Old.Commit, "HEAD") // where there is no history both programs are this tree's
	}
	for _, n := range res.Freezes {
		r.Stops += n
	}
	return r
}

// Append adds a run to a file.
func (r Entry) Append(path string) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(append(line, '\n'))
	return errors.Join(err, f.Close())
}

// Entries reads the runs on record. Of runs with one seed the longest counts, of equal ones the last: the same input twice proves less than twice as much. One that
// found something always counts.
func Entries(path string) ([]Entry, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var all []Entry
	for i, line := range bytes.Split(bytes.TrimSpace(text), []byte("\n")) {
		var r Entry
		if err := json.Unmarshal(line, &r); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, i+1, err)
		}
		at := slices.IndexFunc(all, func(o Entry) bool {
			return o.Seed == r.Seed && o.Vendor == r.Vendor && o.Upgrade == r.Upgrade && o.Freezes == r.Freezes && (o.Brokers > 0) == (r.Brokers > 0) && o.Problems == 0
		})
		switch {
		case at < 0 || r.Problems > 0:
			all = append(all, r)
		case r.Kills >= all[at].Kills:
			all[at] = r
		}
	}
	return all, nil
}

// The block of RELIABILITY.md that go run ./test/chaos/figures writes.
const (
	blockBegin = "<!-- runs: written by `go run ./test/chaos/figures`, do not edit -->\n"
	blockEnd   = "<!-- end of runs -->\n"
)

// Table is the runs for RELIABILITY.md.
func Table(runs []Entry) string {
	var b strings.Builder
	b.WriteString("| command | date | SIGKILL (hit) | SIGSTOP | SIGTERM | lost | doubled | overruns | other findings | unknown/kill | repeats/kill | recovery p50, p99 |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	row := func(r Entry, command, date, recovery string) {
		perKill := func(n int) float64 { return float64(n) / float64(max(1, r.Kills)) }
		repeats := fmt.Sprintf("%.2f", perKill(r.Repeats))
		if r.Rewrites > 0 {
			repeats = fmt.Sprintf("%.2f users", perKill(r.Rewrites))
		}
		if recovery == "" { // the sum of different things
			repeats = ""
		}
		fmt.Fprintf(&b, "| %s | %s | %d (%d) | %d | %d | %d | %d | %d | %d | %.2f | %s | %s |\n", command, date, r.Kills, r.Hits, r.Stops, r.Drains, r.Lost, r.Doubled, r.Overruns,
			max(0, r.Problems-r.Lost-r.Doubled-r.Overruns), perKill(r.Unknown), repeats, recovery)
	}
	var sum Entry
	for _, r := range runs {
		vendor := ""
		if r.Vendor != "" {
			vendor = "--vendor " + r.Vendor + " "
		}
		if r.Upgrade != "" {
			vendor += "--upgrade " + r.Upgrade + " "
		}
		command := "./test/chaos " + vendor
		if r.Freezes > 0 {
			command += fmt.Sprintf("--freezes %d ", r.Freezes)
		}
		if r.Brokers > 0 {
			command = fmt.Sprintf("./test/kafka/storm --broker-kills %d ", r.Brokers)
		}
		row(r, fmt.Sprintf("`go run %s--kills %d --seed %d`", command, r.Kills, r.Seed), r.Date, fmt.Sprintf("%s, %s", r.Recovered, r.Slowest))
		sum.Kills, sum.Hits, sum.Stops, sum.Drains = sum.Kills+r.Kills, sum.Hits+r.Hits, sum.Stops+r.Stops, sum.Drains+r.Drains
		sum.Lost, sum.Doubled, sum.Overruns, sum.Problems = sum.Lost+r.Lost, sum.Doubled+r.Doubled, sum.Overruns+r.Overruns, sum.Problems+r.Problems
		sum.Unknown += r.Unknown
	}
	row(sum, fmt.Sprintf("**all %d**", len(runs)), "", "")
	return b.String()
}

// WithTable gives a page with its block anew.
func WithTable(page string, runs []Entry) (string, error) {
	before, rest, begun := strings.Cut(page, blockBegin)
	_, after, ended := strings.Cut(rest, blockEnd)
	if !begun || !ended {
		return "", fmt.Errorf("the page has no block between %q and %q", blockBegin, blockEnd)
	}
	return before + blockBegin + "\n" + Table(runs) + "\n" + blockEnd + after, nil
}
