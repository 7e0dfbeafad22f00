package harness

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/notifier/notifier/test/chaos/audit"
	"github.com/notifier/notifier/test/chaos/rig"
)

// Accounts: two that do everything, and eight more so that many kills can meet an open broadcast, at 2 an hour each. At Getui the second has
// so few changes of tags a day that a long run leaves some undone.
func Accounts(vendor string) (all []rig.Account, shops []string) {
	getui := vendor == audit.Getui
	all = []rig.Account{{Name: "main", Tags: true, Getui: getui}, {Name: "second", Tags: true, Getui: getui}}
	if getui {
		all[1].TagDay = fewTagChanges
	}
	// Of gifts, which are marketing with one text for many: they go by lists. At both vendors' runs these two are at Getui.
	gifts := []rig.Account{{Name: audit.GiftCID, Getui: true}, {Name: audit.GiftAlias, Getui: true, Alias: true}}
	for i := range 8 {
		all = append(all, rig.Account{Name: fmt.Sprintf("cast-%d", i+1), Getui: getui})
	}
	for _, a := range all {
		shops = append(shops, a.Name)
	}
	return append(all, gifts...), shops
}

// fewTagChanges a day: a run of 100 kills wants from two times as many, where each call finds many users, to six times.
const fewTagChanges = 15

// VendorFaults make calls last, so that kills find them open, and some end unclear. A late call arrives within the second that the
// daemon still charges. The last two stand behind the others: most calls meet them. Of each of the rare ones the first comes early: at
// their own rate a run of 100 kills would be without one of them every few dozen runs, and prove too little.
func VendorFaults(vendor string) []rig.Fault {
	faults := slices.Clone(commonFaults)
	slow := rig.Fault{Path: "/push.json", Kind: "timeout_after", Probability: 0.9, DelayMS: 700}
	if vendor == audit.Getui {
		for i := range faults { // many pushes go in one call: fewer calls meet a fault
			faults[i].Probability *= 4
		}
		// A token that is refused, and a vendor that is busy: the first is renewed, the second waited for.
		faults = append(faults, rig.Fault{Kind: "code", Code: 10001, Probability: 0.016}, rig.Fault{Kind: "code", Code: 30019, Probability: 0.016})
		slow.Path, slow.Lane = "", "app_tag"
	}
	faults = append(faults, slow, rig.Fault{Kind: "timeout_after", Probability: 0.5, DelayMS: 250})
	for i := range faults {
		faults[i].Vendor, faults[i].Times = vendor, -1
	}
	rare := slices.Clone(faults[:len(faults)-2])
	for i := range rare {
		rare[i].Probability, rare[i].Times = earlyFault, 1
	}
	return append(rare, faults...)
}

// earlyFault is a call's chance to be the one that meets the first of a rare fault: after 600 calls one in 100,000 runs still waits for it.
const earlyFault = 0.02

// giftFaults are those of Getui in a run whose other accounts are at RongCloud.
func giftFaults() []rig.Fault {
	faults := append(slices.Clone(commonFaults), rig.Fault{Kind: "code", Code: 10001, Probability: 0.01}, rig.Fault{Kind: "code", Code: 30019, Probability: 0.01},
		rig.Fault{Kind: "timeout_after", Probability: 0.5, DelayMS: 250})
	for i := range faults {
		faults[i].Vendor, faults[i].Times = audit.Getui, -1
	}
	return faults
}

var commonFaults = []rig.Fault{
	{Kind: "late", Probability: 0.005, DelayMS: 600},
	{Kind: "timeout_after", Probability: 0.005},
	{Kind: "reset_after", Probability: 0.005},
	{Kind: "reset_before", Probability: 0.005},
	{Kind: "http_5xx", Probability: 0.005},
	{Kind: "stall", Probability: 0.004},
	{Kind: "stall_after", Probability: 0.004},
	{Kind: "truncate", Probability: 0.004},
	{Kind: "drip", Probability: 0.004, DelayMS: 40},
	{Kind: "redirect", Probability: 0.004, HTTP: 307},
	{Kind: "answer_after", Probability: 0.004, HTTP: 200, Body: `{"code":"200"`},
	{Kind: "answer_after", Probability: 0.004, HTTP: 504, Body: "<html>too late</html>"},
}

// round is one daemon, one vendor and their topics, from the first start to the audit.
type round struct {
	opt     Options
	want    int // kills
	random  *rand.Rand
	all     []rig.Account
	shops   []string
	sandbox *rig.Sandbox
	broker  *rig.Broker // nil: the daemon has its own
	daemons []*rig.Daemon
	daemon  *rig.Daemon // whose turn it is
	feeder  *rig.Feeder

	ledger    map[place]audit.Record // what was in it before a start that might compact it
	compacted int                    // records of it that a start has taken away

	kills, starts, drains []audit.Moment
	turn                  int            // of the failpoints
	freezes               map[string]int // by how long
	fired, missed         map[string]int // by failpoint
	changes               map[string]int // of a process's program: upgrade, roll back
	ready                 []time.Duration
	problems              []string // that the audit cannot see
}

// newRound starts the vendor, and the broker if it is to outlive the daemon. The caller runs the round, which ends them.
func newRound(ctx context.Context, o Options, dir string, seed uint64, kills int) (_ *round, err error) {
	r := &round{opt: o, want: kills, random: rand.New(rand.NewPCG(seed, 2)), fired: map[string]int{}, missed: map[string]int{}, freezes: map[string]int{}, changes: map[string]int{}, ledger: map[place]audit.Record{}}
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	r.all, r.shops = Accounts(o.Vendor)
	r.feeder = rig.NewFeeder(seed, r.shops, userOf(o.Vendor))
	r.feeder.Gifts = true
	r.turn = r.random.IntN(len(failpoints))
	if r.sandbox, err = rig.StartSandbox(ctx, o.Program, dir, seed, r.all); err != nil {
		return nil, err
	}
	for _, a := range r.all {
		if a.Alias {
			if err := r.sandbox.Bind(ctx, a, rig.Aliases()); err != nil {
				return nil, err
			}
		}
	}
	faults := VendorFaults(o.Vendor)
	if o.Vendor != audit.Getui {
		faults = append(faults, giftFaults()...)
	}
	for _, f := range faults {
		if err := r.sandbox.Arm(ctx, f); err != nil {
			return nil, err
		}
	}
	if err := r.sandbox.Turn(ctx, map[string]any{"tag_minute_limit": rig.TagMinute}); err != nil {
		return nil, err
	}
	rules := filepath.Join(dir, "rules")
	for _, from := range []string{"rules", "gifts"} {
		if err := os.CopyFS(rules, os.DirFS(filepath.Join(o.Root, "test", "chaos", from))); err != nil {
			return nil, err
		}
	}
	names, program, brokers := []string{"one"}, o.Program, []string(nil)
	if o.Old != nil {
		names, program = []string{"one", "two"}, o.Old.Program
		if r.broker, err = rig.StartBroker(ctx); err != nil {
			return nil, err
		}
		brokers = []string{r.broker.Addr}
	}
	for _, name := range names {
		d, err := rig.NewDaemon(name, program, rig.Setup{Dir: dir, Rules: rules, Vendor: r.sandbox, Accounts: r.all, Brokers: brokers})
		if err != nil {
			return nil, err
		}
		r.daemons = append(r.daemons, d)
	}
	r.daemon = r.daemons[0]
	return r, nil
}

// close ends what newRound and the cycles have started.
func (r *round) close() {
	for _, d := range r.daemons {
		if d.Process != nil {
			d.Kill()
		}
	}
	if r.broker != nil {
		r.broker.Stop()
	}
	if r.sandbox != nil {
		r.sandbox.Stop(5 * time.Second)
	}
}

// userOf names the n-th user: at Getui a device that its sandbox knows.
func userOf(vendor string) func(int) string {
	if vendor == audit.Getui {
		return rig.Device
	}
	return func(n int) string { return fmt.Sprintf("u%d", n) }
}

// run kills, drains and audits.
func (r *round) run(ctx context.Context) (*audit.Report, error) {
	defer r.close()
	cycle := r.cycle
	if r.opt.Old != nil {
		if err := r.startAll(ctx); err != nil {
			return nil, err
		}
		cycle = r.change
	}
	for n := 0; len(r.kills) < r.want; n++ {
		if err := cycle(ctx, n); err != nil {
			return nil, err
		}
	}
	if err := r.sandbox.Disarm(ctx); err != nil {
		return nil, err
	}
	if err := r.settle(ctx); err != nil {
		return nil, err
	}
	report, err := r.judge(ctx)
	if err != nil {
		return nil, err
	}
	problem, err := Judge(ctx, r.opt.Root, r.sandbox.Journal)
	if problem != "" {
		r.problem("%s", problem)
	}
	return report, err
}

// judge drains, ends the daemons and audits.
func (r *round) judge(ctx context.Context) (*audit.Report, error) {
	in, arrived, err := r.drain(ctx)
	if err != nil {
		return nil, err
	}
	for _, r.daemon = range r.daemons {
		r.terminate()
	}
	journal, err := os.Open(r.sandbox.Journal)
	if err != nil {
		return nil, err
	}
	defer journal.Close()
	in.Journal = io.LimitReader(journal, arrived)
	return audit.Check(in)
}

func (r *round) problem(format string, args ...any) {
	r.problems = append(r.problems, fmt.Sprintf(format, args...))
}

// drain waits until stage 1 has read everything and only broadcasts without a slot are pending, and reads it all. If what is left says
// nothing new for as long as Options.Drain, the audit judges what there is: a busy machine and a rate of the vendor's take their time.
// arrived is how many bytes of the vendor's journal belong to it: slots go on opening, and of a later call the topics as read know nothing.
func (r *round) drain(ctx context.Context) (in audit.Input, arrived int64, err error) {
	reader, err := rig.NewReader(r.daemon.Address())
	if err != nil {
		return in, 0, err
	}
	defer reader.Close()
	p := rig.Patience{Most: r.opt.Drain}
	for calm := 0; ; {
		var left string
		if err := r.alive(); err != nil {
			return in, 0, fmt.Errorf("while the rest drained: %w", err)
		}
		if arrived, err = r.sandbox.Arrived(); err != nil {
			return in, 0, err
		}
		if in, left, err = r.look(ctx, reader); err != nil {
			return in, 0, err
		}
		over := left != "" && p.Over(left, time.Now())
		if left == "" || over {
			odd, err := r.vendorSays(ctx, &in)
			if err != nil {
				return in, 0, err
			}
			now, err := r.sandbox.Arrived()
			if err != nil {
				return in, 0, err
			}
			if calm++; now == arrived || calm == mostCalls { // what the vendor says is of the same moment
				if over {
					r.problem("not drained: %s", left)
				}
				r.problems = append(r.problems, odd...)
				return in, arrived, nil
			}
		}
		select {
		case <-ctx.Done():
			return in, 0, context.Cause(ctx)
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// mostCalls is how often a call may leave while everything is read.
const mostCalls = 20

// vendorSays adds what the vendor holds, and what the program says of the tags. odd is what no audit can see.
func (r *round) vendorSays(ctx context.Context, in *audit.Input) (odd []string, err error) {
	in.Tags, in.Told = map[string]map[string][]string{}, map[string]audit.Told{}
	for _, a := range r.all {
		if !a.Tags {
			continue
		}
		if a.TagDay > 0 {
			if in.Told[a.Name], err = r.daemon.Told(ctx, a.Name); err != nil {
				return nil, err
			}
		}
		if in.Tags[a.Name], err = r.sandbox.Tags(ctx, a); err != nil {
			return nil, err
		}
	}
	for _, vendor := range []string{"rongcloud", audit.Getui} {
		stats, err := r.sandbox.Stats(ctx, vendor)
		if err != nil {
			return nil, err
		}
		in.Overruns, in.Doubles = in.Overruns+stats.Overruns, in.Doubles+stats.Doubles+stats.DuplicateDeliveries
		if n := stats.RequestIDConflicts + stats.WithoutOverlay; n > 0 {
			odd = append(odd, fmt.Sprintf("request ids: the sandbox counts %+v", stats))
		}
	}
	return odd, nil
}

// look reads what the topics hold now and says what is left to do.
func (r *round) look(ctx context.Context, reader *rig.Reader) (in audit.Input, left string, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	unread, err := reader.Unread(ctx)
	if err != nil {
		return in, "", err
	}
	if err := reader.CatchUp(ctx); err != nil {
		return in, "", err
	}
	in = r.input(reader)
	if left, err = audit.Left(in); unread > 0 {
		left = fmt.Sprintf("stage 1 has %d records to read; %s", unread, left)
	}
	return in, left, err
}

func (r *round) input(reader *rig.Reader) audit.Input {
	in := audit.Input{Vendor: r.opt.Vendor, Shops: r.shops, Acked: r.feeder.Acked, Kills: r.kills, Starts: r.starts, Drains: r.drains}
	in.TagDay = map[string]int{}
	for _, a := range r.all {
		if a.TagDay > 0 {
			in.TagDay[a.Name] = a.TagDay
		}
	}
	for _, t := range rig.EventTopics {
		in.Events = append(in.Events, reader.Topic[t]...)
	}
	own := func(name string) []audit.Record { return reader.Topic[rig.Prefix+"."+name] }
	in.Intents, in.Fates, in.Dead, in.Ledger = own("intents"), own("fates"), own("dead"), r.whole(own("ledger"))
	return in
}
