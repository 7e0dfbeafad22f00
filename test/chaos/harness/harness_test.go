package harness

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/notifier/notifier/test/chaos/audit"
	"github.com/notifier/notifier/test/chaos/rig"
)

// full is a run that proves enough.
func full() *Result {
	res := &Result{Kills: 100, Hits: 80, Compacted: 9000, Drains: 3, Audited: 3, Unknown: 250, Repeats: 33, Failpoints: map[string]int{}, Faults: map[string]int{}, Freezes: map[string]int{"briefly": 2, "session": 1}, Input: map[string]int{"again": 4, "shop.orders": 5, "shop.profiles": 6},
		Lists: map[string]int{"/push/list/cid": 40, "/push/list/alias": 40}, ListsUnknown: 60,
		FirstCall: []time.Duration{300 * time.Millisecond, 1200 * time.Millisecond}}
	for _, f := range failpoints {
		res.Failpoints[f] = 3
	}
	for _, f := range VendorFaults("rongcloud") {
		res.Faults[f.Kind] = 2
	}
	return res
}

// What a run is asked for does not come by chance alone: each rare fault is armed once so that it comes early, before the rates take over.
func TestEachRareFaultComesEarly(t *testing.T) {
	for _, vendor := range []string{"rongcloud", audit.Getui} {
		early := map[string]int{}
		for _, f := range VendorFaults(vendor) {
			if f.Times == 1 && f.Probability == earlyFault && f.Path == "" && f.Lane == "" && f.Vendor == vendor {
				early[f.Kind]++
			}
		}
		for _, f := range VendorFaults(vendor) {
			if early[f.Kind] == 0 {
				t.Errorf("%s: nothing but chance brings %s", vendor, f.Kind)
			}
		}
	}
}

func TestTheLastLine(t *testing.T) {
	res := full()
	res.Lost, res.Doubled, res.Overruns = 1, 2, 3
	if got, want := res.Line(), "kills 100 lost 1 doubled 2 overruns 3 unknown/kill 2.50 dup-tags/kill 0.33 recovery p50 300ms p99 300ms"; got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

func TestARunThatProvesTooLittleIsNamed(t *testing.T) {
	root, err := Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if why := full().Vacuous(); why != "" {
		t.Errorf("a full run proves too little: %s", why)
	}
	for _, c := range []struct {
		want string
		harm func(*Result)
	}{
		{"only 29 of 100 kills", func(r *Result) { r.Hits = 29 }},
		{"failpoint answered", func(r *Result) { delete(r.Failpoints, "answered") }},
		{"fault drip", func(r *Result) { delete(r.Faults, "drip") }},
		{"freezes", func(r *Result) { delete(r.Freezes, "session") }},
		{"fault code", func(r *Result) { r.Vendor = "getui" }},
		{"changes of program map[roll back:1 upgrade:9]", func(r *Result) {
			r.Old, r.Changes, r.Callers = &Release{}, map[string]int{"upgrade": 9, "roll back": 1}, map[string]int{"old": 9, "new": 9}
		}},
		{"lives in which a call was made map[new:9 old:3]", func(r *Result) {
			r.Old, r.Changes, r.Callers = &Release{}, map[string]int{"upgrade": 9, "roll back": 9}, map[string]int{"old": 3, "new": 9}
			r.Kills = 20
		}},
		{"no call of /push/list/alias", func(r *Result) { delete(r.Lists, "/push/list/alias") }},
		{"no start compacted the ledger", func(r *Result) { r.Compacted = 0 }},
		{"no list was cut off", func(r *Result) { r.ListsUnknown = 0 }},
		{"0 drains under load", func(r *Result) { r.Audited = 0 }},
		{"nothing injected K10 (", func(r *Result) { delete(r.Input, "again") }},
	} {
		r := full()
		c.harm(r)
		if _, r.Never, err = r.Rows(root); err != nil {
			t.Fatal(err)
		}
		if why := r.Vacuous(); !strings.Contains(why, c.want) {
			t.Errorf("got %q, want %q", why, c.want)
		}
	}
}

// The names here are those of the product, and no moment is left out.
func TestFailpointsAreTheProducts(t *testing.T) {
	root, err := Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	src, err := os.ReadFile(filepath.Join(root, "internal", "failpoint", "failpoint.go"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range regexp.MustCompile(`(?m)^\t\w+ += "(.+?)"`).FindAllSubmatch(src, -1) {
		names = append(names, string(m[1]))
	}
	if !slices.Equal(names, failpoints) {
		t.Errorf("the product has %q, the harness %q", names, failpoints)
	}
}

func TestRowsCountWhatWasInjected(t *testing.T) {
	root, err := Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rows, never, err := full().Rows(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(never) > 0 {
		t.Errorf("a full run did not inject %v", never)
	}
	for _, want := range []string{"P2   L3      36  SIGKILL", "P1   L3       3  SIGTERM", "V9   L3       2  ", "K5   L3       3  ", "K10  L3       4  ", "K11  L3       6  ", "E1   L3       5  "} {
		if !strings.Contains(rows, want) {
			t.Errorf("no %q in\n%s", want, rows)
		}
	}
	for name := range maps.Keys(frozenFor) {
		if frozenFor[name] <= time.Second {
			t.Errorf("frozen for %s: a call may take a second", frozenFor[name])
		}
	}
}

// What a round does in any case, its last SIGTERM, stands for no drain under load.
func TestTheEndOfARoundIsNoDrainUnderLoad(t *testing.T) {
	root, err := Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	res := full()
	res.Audited = 0
	res.add(&round{drains: []audit.Moment{{}}, feeder: rig.NewFeeder(1, []string{"main"}, userOf("rongcloud"))}, &audit.Report{})
	if res.Drains != 4 || res.Audited != 0 {
		t.Errorf("%d drains, %d under load", res.Drains, res.Audited)
	}
	if _, never, err := res.Rows(root); err != nil || len(never) != 1 || !strings.HasPrefix(never[0], "P1 ") {
		t.Errorf("rows that nothing injected: %v, %v; want P1", never, err)
	}
}
