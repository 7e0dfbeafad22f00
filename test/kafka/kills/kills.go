// Package kills is a storm over a cluster of three nodes and two daemons: brokers and daemons are killed, all brokers are restarted one
// after the other, and the network between daemon and brokers is slow, silent or torn, while events flow and the vendor is full of faults.
// The audit of test/chaos judges what the vendor got.
//
// A run is divided into rounds, each with a cluster, a vendor and topics of its own.
package kills

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/test/chaos/audit"
	"github.com/notifier/notifier/test/chaos/harness"
	"github.com/notifier/notifier/test/chaos/rig"
	"github.com/notifier/notifier/test/kafka/broker"
)

// Options say what to run.
type Options struct {
	Kills       int // of daemons
	BrokerKills int
	Seed        uint64
	Root        string        // the source tree: rules under test, schemas
	Program     string        // notifier
	Lib         string        // Kafka's jars
	Dir         string        // for data, settings, logs and journals: one folder a round
	Keep        bool          // leave the folders of good rounds as well
	Drain       time.Duration // how long a round may come no nearer to rest
	Say         io.Writer
}

// roundKills bounds the kills of daemons in one round.
const roundKills = 100

// nodes and daemons of a round.
const (
	nodes   = 3
	daemons = 2
)

// Result is what all rounds came to. Storm counts what was done to the cluster and the network.
type Result struct {
	harness.Result
	BrokerKills int
	Storm       map[string]int
}

// Run does all the kills. An error means that the test itself failed and says nothing of the daemon.
func Run(ctx context.Context, o Options) (*Result, error) {
	res := &Result{Result: harness.Result{Vendor: "rongcloud", Faults: map[string]int{}}, Storm: map[string]int{}}
	rounds := (o.Kills + roundKills - 1) / roundKills
	for n := range rounds {
		share := func(all int) int { return all*(n+1)/rounds - all*n/rounds }
		dir := filepath.Join(o.Dir, fmt.Sprintf("round-%d", n))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
		began := time.Now()
		r, err := newRound(ctx, o, dir, o.Seed+uint64(n)<<32)
		if err != nil {
			return nil, fmt.Errorf("round %d: %w", n, err)
		}
		report, err := r.run(ctx, share(o.Kills), share(o.BrokerKills))
		if err != nil {
			return nil, fmt.Errorf("round %d: %w", n, err)
		}
		before := len(res.Problems)
		res.add(r, report)
		fmt.Fprintf(o.Say, "round %d: %d kills in %s, storm %v\n%s", n, len(r.kills), time.Since(began).Round(time.Second), r.storm, report)
		if !o.Keep && len(res.Problems) == before {
			if err := os.RemoveAll(dir); err != nil {
				return nil, err
			}
		}
	}
	slices.Sort(res.FirstCall)
	return res, nil
}

func (res *Result) add(r *round, report *audit.Report) {
	lost, doubled, overruns := report.Broken()
	res.Kills += len(r.kills)
	res.BrokerKills += r.storm[brokerKilled]
	res.Drains += r.drains
	res.Lost, res.Doubled, res.Overruns = res.Lost+lost, res.Doubled+doubled, res.Overruns+overruns
	res.Unknown, res.Repeats, res.Hits = res.Unknown+report.Unknown, res.Repeats+report.Repeats, res.Hits+r.hits
	res.FirstCall = append(res.FirstCall, r.firstCall...)
	res.Problems = append(append(res.Problems, r.problems...), report.Problems...)
	for k, n := range report.Faults {
		res.Faults[k] += n
	}
	for k, n := range r.storm {
		res.Storm[k] += n
	}
}

// Vacuous says why a run proves too little, or nothing. Weather counts only where a daemon met it.
func (res *Result) Vacuous() string {
	for _, what := range append([]string{brokerKilled, rolled}, weather...) {
		if res.Storm[what] == 0 {
			return "it had no " + what
		}
	}
	if res.Hits*10 < res.Kills*3 {
		return fmt.Sprintf("only %d of %d kills hit an open attempt or 50 pending intents", res.Hits, res.Kills)
	}
	if len(res.FirstCall) == 0 {
		return "no daemon made a call after its start"
	}
	for _, f := range harness.VendorFaults("rongcloud") {
		if res.Kills >= 60 && res.Faults[f.Kind] == 0 { // a small run is not asked for what chance must bring
			return "no call met the vendor's fault " + f.Kind
		}
	}
	return ""
}

// What is done beside the kills of daemons, as test/faults.json names it.
const (
	brokerKilled = "broker killed"
	rolled       = "rolling restart"
	slow         = "slow link"
	silent       = "silent link"
	silentLong   = "silent link past the session"
	silentOne    = "silent link to one broker"
	torn         = "torn link"
)

var weather = []string{slow, silent, silentLong, silentOne, torn}

// round is one cluster, one vendor, two daemons.
type round struct {
	opt     Options
	all     []rig.Account
	shops   []string
	cluster *broker.Cluster
	sandbox *rig.Sandbox
	members []*rig.Daemon
	feeder  *rig.Feeder
	began   []bool // whether the process has made its first call

	kills, starts []audit.Moment
	hits, drains  int
	firstCall     []time.Duration

	mu       sync.Mutex // guards below: three hands shake the round at once
	storm    map[string]int
	problems []string
	seed     uint64
}

// hand gives each of those who shake the round a chance of its own, so that a seed repeats what each does.
func (r *round) hand(n uint64) *rand.Rand { return rand.New(rand.NewPCG(r.seed, n)) }

func (r *round) done(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.storm[what]++
}

func (r *round) problem(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.problems = append(r.problems, fmt.Sprintf(format, args...))
}

func newRound(ctx context.Context, o Options, dir string, seed uint64) (r *round, err error) {
	r = &round{opt: o, seed: seed, storm: map[string]int{}}
	r.all, r.shops = harness.Accounts("rongcloud")
	r.feeder = rig.NewFeeder(seed, r.shops, func(n int) string { return fmt.Sprintf("u%d", n) })
	if r.cluster, err = broker.Start(ctx, o.Lib, filepath.Join(dir, "kafka"), broker.Options{Nodes: nodes, Links: daemons, Heap: 384, Uncompacted: true}); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			r.end()
		}
	}()
	client, err := kgo.NewClient(kgo.SeedBrokers(r.cluster.Brokers()...))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	made, err := kadm.NewClient(client).CreateTopics(ctx, 6, nodes, nil, rig.EventTopics...)
	if err == nil {
		err = made.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("event topics: %w", err)
	}
	if r.sandbox, err = rig.StartSandbox(ctx, o.Program, dir, seed, r.all); err != nil {
		return nil, err
	}
	for _, f := range harness.VendorFaults("rongcloud") {
		if err := r.sandbox.Arm(ctx, f); err != nil {
			return nil, err
		}
	}
	for i := range daemons {
		name := fmt.Sprintf("member-%d", i)
		m, err := rig.NewDaemon(name, o.Program, rig.Setup{Dir: dir, Rules: filepath.Join(o.Root, "test", "chaos", "rules"), Vendor: r.sandbox, Accounts: r.all,
			Brokers: r.cluster.Link(i).Addresses()})
		if err != nil {
			return nil, err
		}
		r.members = append(r.members, m)
		r.began = append(r.began, false)
	}
	return r, nil
}

// end ends every process of the round.
func (r *round) end() {
	for _, m := range r.members {
		if m.Process != nil {
			m.Kill()
		}
	}
	if r.sandbox != nil {
		r.sandbox.Stop(5 * time.Second)
	}
	r.cluster.Stop()
}

// run shakes, drains and audits.
func (r *round) run(ctx context.Context, kills, brokerKills int) (*audit.Report, error) {
	defer r.end()
	for i := range r.members {
		if err := r.start(i); err != nil {
			return nil, err
		}
	}
	for i := range r.members {
		if err := r.awaitReady(ctx, i); err != nil {
			return nil, err
		}
	}
	if err := r.shake(ctx, kills, brokerKills); err != nil {
		return nil, err
	}
	if err := r.sandbox.Disarm(ctx); err != nil {
		return nil, err
	}
	for i := range r.members {
		if err := r.awaitReady(ctx, i); err != nil {
			return nil, err
		}
	}
	in, err := r.drain(ctx)
	if err != nil {
		return nil, err
	}
	for _, m := range r.members {
		if code := m.Stop(20 * time.Second); code != 0 {
			r.problem("after SIGTERM a daemon ended with code %d\n%s", code, m.Tail())
		}
		r.drains++
	}
	journal, err := os.Open(r.sandbox.Journal)
	if err != nil {
		return nil, err
	}
	defer journal.Close()
	in.Journal = journal
	report, err := audit.Check(in)
	if err != nil {
		return nil, err
	}
	problem, err := harness.Judge(ctx, r.opt.Root, r.sandbox.Journal)
	if problem != "" {
		r.problem("%s", problem)
	}
	return report, err
}

// shake lets events flow, and three hands do their worst until the daemons and the brokers have been killed as often as they should.
func (r *round) shake(ctx context.Context, kills, brokerKills int) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	fctx, dry := context.WithCancel(ctx)
	kctx, calm := context.WithCancel(ctx)
	var feeding, killing, blowing sync.WaitGroup
	note := func(err error) {
		if err != nil {
			stop(err)
		}
	}
	feeding.Go(func() { note(r.feeder.Run(fctx, r.cluster.Brokers()...)) })
	blowing.Go(func() { r.blow(ctx, kctx) })
	killing.Go(func() { note(r.killBrokers(ctx, brokerKills)) })
	killing.Go(func() { note(r.killDaemons(ctx, kills)) })
	killing.Wait()
	calm()
	blowing.Wait()
	dry()
	feeding.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return r.cluster.InSync(ctx)
}

// pause is a part of the schedule, not a wait for something; false once ctx has ended.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// killBrokers kills one node after the other, and first restarts all in turn; the next goes only when all copies are in step again.
func (r *round) killBrokers(ctx context.Context, n int) error {
	random := r.hand(3)
	for i := range n {
		if i%20 == 0 {
			if err := r.roll(ctx); err != nil {
				return err
			}
		}
		if err := r.cluster.InSync(ctx); err != nil {
			return err
		}
		pause(ctx, time.Duration(random.IntN(2000))*time.Millisecond)
		node := random.IntN(nodes)
		r.cluster.Kill(node)
		r.done(brokerKilled)
		pause(ctx, time.Duration(random.IntN(6000))*time.Millisecond)
		if err := r.cluster.Restart(ctx, node); err != nil {
			return err
		}
	}
	return nil
}

// roll restarts all brokers in turn, as an upgrade does.
func (r *round) roll(ctx context.Context) error {
	for node := range nodes {
		if err := r.cluster.InSync(ctx); err != nil {
			return err
		}
		r.cluster.Leave(node)
		if err := r.cluster.Restart(ctx, node); err != nil {
			return err
		}
	}
	r.done(rolled)
	return nil
}

// blow makes the way of one daemon to the brokers bad for a while, each kind of weather in turn until it is to be calm. What nobody met, because
// the daemon was not there, does not count: then it goes on a little longer, so that each kind has been met at least once.
func (r *round) blow(ctx, calm context.Context) {
	random := r.hand(4)
	met := map[string]bool{}
	for n := 0; ctx.Err() == nil && (calm.Err() == nil || n < 3*len(weather) && len(met) < len(weather)); n++ {
		link, what := r.cluster.Link(random.IntN(daemons)), weather[n%len(weather)]
		for_ := time.Duration(1+random.IntN(4)) * time.Second
		switch what {
		case slow:
			link.Slow(time.Duration(20+random.IntN(180)) * time.Millisecond)
		case silent:
			link.Silence()
		case silentLong:
			for_ = 13 * time.Second
			link.Silence()
		case silentOne:
			link.Silence(random.IntN(nodes))
		case torn:
			link.Tear()
		}
		time.Sleep(for_) // also at the end: a wind that has begun blows
		if link.Heal() > 0 {
			met[what] = true
			r.done(what)
		}
		pause(calm, time.Duration(random.IntN(3000))*time.Millisecond)
	}
}

// killDaemons kills one daemon or the other, most often when it has calls open, and starts it again, at once or, one time in ten, when
// the other has taken over.
func (r *round) killDaemons(ctx context.Context, n int) error {
	random := r.hand(5)
	for len(r.kills) < n && ctx.Err() == nil {
		i := random.IntN(daemons)
		m := r.members[i]
		begun := 1 + random.IntN(12)
		deadline := time.Now().Add(15 * time.Second) // a cluster that loses a leader, and a link that is silent, take their time
		load := rig.Load{}
		for time.Now().Before(deadline) && !m.Ended() {
			load = m.Load(ctx)
			r.watchFirst(i, load)
			if load.Begun >= begun && load.InFlight > 0 || load.Pending >= 50 {
				break
			}
			pause(ctx, 5*time.Millisecond)
		}
		if m.Ended() {
			if err := r.again(ctx, i); err != nil {
				return err
			}
			continue
		}
		r.kills = append(r.kills, audit.Moment{At: m.Kill(), Process: m.Name})
		if !m.Killed() {
			r.problem("a daemon ended by itself just before it was killed\n%s", m.Tail())
		}
		if load.InFlight > 0 || load.Pending >= 50 {
			r.hits++
		}
		if random.IntN(10) == 0 {
			pause(ctx, 12*time.Second)
		}
		if err := r.start(i); err != nil {
			return err
		}
	}
	return nil
}

func (r *round) start(i int) error {
	r.began[i] = false
	if err := r.members[i].Start(); err != nil {
		return err
	}
	r.starts = append(r.starts, audit.Moment{At: r.members[i].Started, Process: r.members[i].Name})
	return nil
}

// unreachable is the exit code of a daemon that did not find Kafka at its start.
const unreachable = 4

// again does what a process manager does when a daemon has ended by itself. At its start it may, while Kafka cannot be reached.
func (r *round) again(ctx context.Context, i int) error {
	m := r.members[i]
	if code := m.Stop(time.Second); code != unreachable || r.began[i] {
		r.problem("a daemon ended by itself with code %d\n%s", code, m.Tail())
	}
	r.done("ended at its start, without Kafka")
	pause(ctx, time.Second)
	return r.start(i)
}

// watchFirst notes when a process makes its first call, as its metrics tell.
func (r *round) watchFirst(i int, l rig.Load) {
	if l.Begun > 0 && !r.began[i] {
		r.began[i] = true
		r.firstCall = append(r.firstCall, time.Since(r.members[i].Started))
	}
}

func (r *round) awaitReady(ctx context.Context, i int) error {
	deadline := time.Now().Add(4 * time.Minute)
	for {
		if ok, _ := r.members[i].Ready(ctx); ok {
			break
		}
		if r.members[i].Ended() {
			if err := r.again(ctx, i); err != nil {
				return err
			}
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("after %d kills a daemon is not ready\n%s", len(r.kills), r.members[i].Tail())
		}
		if !pause(ctx, 50*time.Millisecond) {
			return context.Cause(ctx)
		}
	}
	return nil
}

// drain waits until stage 1 has read everything and only broadcasts without a slot are pending, and reads it all. A backlog of long outages
// takes its time at the vendor's rate; one that does not become smaller for as long as Options.Drain is judged as it is.
func (r *round) drain(ctx context.Context) (in audit.Input, err error) {
	reader, err := rig.NewReader(r.cluster.Brokers()...)
	if err != nil {
		return in, err
	}
	defer reader.Close()
	p := rig.Patience{Most: r.opt.Drain}
	for {
		var left string
		if in, left, err = r.look(ctx, reader); err != nil {
			return in, err
		}
		if left == "" {
			break
		}
		if p.Over(left, time.Now()) {
			r.problem("not drained: %s", left)
			break
		}
		for i, m := range r.members {
			if m.Ended() {
				return in, fmt.Errorf("daemon %d ended while it drained\n%s", i, m.Tail())
			}
		}
		if !pause(ctx, 500*time.Millisecond) {
			return in, context.Cause(ctx)
		}
	}
	in.Tags = map[string]map[string][]string{}
	for _, a := range r.all {
		if a.Tags {
			if in.Tags[a.Name], err = r.sandbox.Tags(ctx, a); err != nil {
				return in, err
			}
		}
	}
	stats, err := r.sandbox.Stats(ctx, "rongcloud")
	in.Overruns, in.Doubles = stats.Overruns, stats.Doubles+stats.DuplicateDeliveries
	if stats.RequestIDConflicts > 0 {
		r.problem("request ids: the sandbox counts %+v", stats)
	}
	return in, err
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
	own := func(name string) []audit.Record { return reader.Topic[rig.Prefix+"."+name] }
	in = audit.Input{Shops: r.shops, Acked: r.feeder.Acked, Kills: r.kills, Starts: r.starts, Intents: own("intents"), Fates: own("fates"), Dead: own("dead"), Ledger: own("ledger")}
	for _, t := range rig.EventTopics {
		in.Events = append(in.Events, reader.Topic[t]...)
	}
	if left, err = audit.Left(in); unread > 0 {
		left = fmt.Sprintf("stage 1 has %d records to read; %s", unread, left)
	}
	return in, left, err
}

// Cells lists what was done how often.
func (res *Result) Cells() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d kills hit something, %d drains\n", res.Hits, res.Drains)
	for _, part := range []map[string]int{res.Storm, res.Faults} {
		for _, k := range slices.Sorted(maps.Keys(part)) {
			fmt.Fprintf(&b, "  %6d %s\n", part[k], k)
		}
	}
	return b.String()
}
