package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/embedded"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/query"
	"github.com/notifier/notifier/internal/rules"
	"github.com/notifier/notifier/internal/sandbox"
	"github.com/notifier/notifier/internal/settings"
	shipped "github.com/notifier/notifier/rules"
)

// Options say what to show.
type Options struct {
	Vendor string        // rongcloud or getui; "": rongcloud
	For    time.Duration // how long the stream runs; 0: until the context ends
	Seed   int64
	Rate   float64 // events/s
	Data   string  // directory of the broker that is kept; "": a broker in memory
	Rules  string  // folder; "": the rules that ship and that the vendor can serve

	Progress io.Writer // what happens meanwhile, and the daemon's warnings
	Screen   *Screen   // a live view on a terminal; nil: a line a second

	arrived func(*sandbox.Entry) // tests look at every call of the vendor's journal
}

// MaxRate bounds Options.Rate: more than one core can make.
const MaxRate = 20_000

// Bounds of what is waited for after the stream.
const (
	patience     = 60 * time.Second // until the daemon has nothing to do; 3 s (open merges) unless the machine is slow or the rate beyond the vendor's
	interrupted  = 3 * time.Second  // after Ctrl-C, to catch up with the stream
	drainTime    = 30 * time.Second // the vendor's time-out of settingsFile and the commits around it
	auditTime    = time.Minute
	lookInterval = 250 * time.Millisecond
)

// demo is one running demo.
type demo struct {
	opt      Options
	zone     *time.Location
	settings *settings.Settings
	path     string // of the settings file
	kafka    []kgo.Opt
	topics   ledger.Topics
	sandbox  *sandbox.Server
	reg      *prometheus.Registry
	set      *rules.Set // at the start
	files    func() ([]rules.File, error)
	arrivals *arrivals
	ledger   *books
	began    time.Time    // of the stream
	streamed atomic.Int64 // nanoseconds that the stream took; 0 while it flows
	screen   *Screen
}

// Run runs the demo until its time is over or ctx ends, and audits it. The report of a run that ctx ended is a full one: its
// events are those that were made until then. An error means that there is no report; errors of the embedded broker, of the
// rule files and of the settings come as they are.
func Run(ctx context.Context, o Options) (*Report, error) {
	if o.Rate <= 0 || math.IsNaN(o.Rate) || math.IsInf(o.Rate, 0) {
		return nil, fmt.Errorf("the rate must be above 0, it is %v", o.Rate)
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	o.Progress = zapcore.Lock(zapcore.AddSync(o.Progress)) // the log and our own lines go there
	dir, err := os.MkdirTemp("", "notifier-demo-")
	if err != nil {
		return nil, fmt.Errorf("a directory for the demo's settings: %w", err)
	}
	defer os.RemoveAll(dir)
	zone, err := time.LoadLocation(morning(time.Now()))
	if err != nil {
		return nil, fmt.Errorf("the demo's time zone: %w", err)
	}
	d := &demo{opt: o, zone: zone, reg: prometheus.NewRegistry(), ledger: &books{states: map[int32]*ledger.State{}}, screen: o.Screen}

	log := d.logger()
	broker, err := embedded.Start(ctx, embedded.Options{Dir: o.Data, Lately: ledger.AskedLately, Logger: log.Named("embedded")})
	if err != nil {
		return nil, err
	}
	r, err := d.with(ctx, broker, dir, log)
	return r, cmp.Or(err, broker.Close()) // a broker that stopped says the same again
}

// logger gives the daemon's log: its warnings, beside our lines or in the view.
func (d *demo) logger() *zap.Logger {
	to := zapcore.AddSync(d.opt.Progress)
	if d.screen != nil {
		to = zapcore.AddSync(d.screen)
	}
	enc := zap.NewProductionEncoderConfig()
	enc.EncodeTime = func(t time.Time, e zapcore.PrimitiveArrayEncoder) { e.AppendString(t.In(d.zone).Format(time.TimeOnly)) }
	return zap.New(zapcore.NewCore(zapcore.NewConsoleEncoder(enc), zapcore.Lock(to), zap.WarnLevel))
}

func (d *demo) with(ctx context.Context, broker *embedded.Broker, dir string, log *zap.Logger) (_ *Report, err error) {
	sw := sandbox.DefaultSwitches()
	sw.DayZone = d.zone.String()
	vendor := sandbox.App{Vendor: "rongcloud", Key: appKey, Secret: appSecret}
	if d.opt.Vendor == vendorGetui {
		vendor.Vendor, vendor.ID = vendorGetui, appID
	}
	life, end := context.WithCancel(context.WithoutCancel(ctx)) // of sandbox and daemon: they outlive ctx by the drain
	defer end()
	d.sandbox, err = sandbox.Start(life, sandbox.Options{Seed: d.opt.Seed, Apps: []sandbox.App{vendor}, Switches: &sw})
	if err != nil {
		return nil, fmt.Errorf("start the sandbox: %w", err)
	}
	defer func() { err = errors.Join(err, d.sandbox.Close()) }()
	if d.opt.Vendor == vendorGetui {
		if err := d.sandbox.AddDevices(appID, everybody()...); err != nil {
			return nil, err
		}
	}
	d.arrivals = &arrivals{server: d.sandbox, each: d.opt.arrived, calls: map[string]int{}}

	folder := "rules"
	if d.opt.Rules != "" {
		if folder, err = filepath.Abs(d.opt.Rules); err != nil {
			return nil, fmt.Errorf("the folder of rules: %w", err)
		}
	}
	if d.settings, d.path, err = writeSettings(dir, d.opt.Vendor, d.zone.String(), broker.Addrs()[0], folder, d.sandbox.Ready()); err != nil {
		return nil, err
	}
	d.topics = ledger.TopicsOf(d.settings.Kafka.Prefix)
	if d.kafka, err = app.KafkaOptions(d.settings); err != nil {
		return nil, err
	}
	if d.opt.Rules == "" {
		able, err := d.able()
		if err != nil {
			return nil, err
		}
		d.files = func() ([]rules.File, error) { return able, nil }
	} else {
		d.files = func() ([]rules.File, error) {
			files, list := rules.Read([]string{folder})
			if list.Errors() > 0 {
				return nil, &app.RulesError{List: list}
			}
			return files, nil
		}
	}
	a, err := app.New(ctx, app.Options{Settings: d.settings, Log: log, Registry: d.reg, Broker: broker, RuleFiles: d.files})
	if err != nil {
		return nil, err
	}
	defer a.Close()
	if d.set, err = d.load(); err != nil {
		return nil, err
	}
	pending, err := d.run(ctx, life, a.Run)
	if err != nil {
		return nil, err
	}
	r, err := d.audit(ctx, pending)
	if err != nil {
		return nil, err
	}
	r.Problems = r.judge(d.opt.For > 0)
	return r, nil
}

// able gives the files that ship, without those that hold a rule which the vendor cannot serve. It writes them into the folder of the
// settings too: commands that look at the demo find the rules there.
func (d *demo) able() ([]rules.File, error) {
	files, err := rules.ReadFS(shipped.Files)
	if err != nil {
		return nil, err
	}
	_, list := rules.LoadFiles(files, app.RuleOptions(d.settings))
	files = slices.DeleteFunc(files, func(f rules.File) bool {
		i := slices.IndexFunc(list, func(x diag.Diagnostic) bool { return x.File == f.Name && x.Code == notPossible })
		if i >= 0 {
			fmt.Fprintf(d.opt.Progress, "without %s: %s\n", f.Name, list[i].Message.In(diag.Both))
		}
		return i >= 0
	})
	for _, f := range files {
		to := filepath.Join(d.settings.Rules, f.Name)
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return nil, fmt.Errorf("write the demo's rules: %w", err)
		}
		if err := os.WriteFile(to, f.Data, 0o600); err != nil {
			return nil, fmt.Errorf("write the demo's rules: %w", err)
		}
	}
	return files, nil
}

// notPossible is the finding that a vendor cannot do what a rule wants.
const notPossible = "N407"

func (d *demo) load() (*rules.Set, error) {
	files, err := d.files()
	if err != nil {
		return nil, err
	}
	set, list := rules.LoadFiles(files, app.RuleOptions(d.settings))
	if set == nil {
		return nil, &app.RulesError{List: list}
	}
	return set, nil
}

// run lets the daemon work while the stream flows, waits until what it must do is done, and drains it. It gives what was pending
// then, by state.
func (d *demo) run(ctx, life context.Context, daemon func(context.Context) error) (pending map[string]int, err error) {
	g, gctx := app.NewTasks(life)
	dctx, drain := context.WithCancel(gctx)
	defer drain()
	d.began = time.Now()
	g.Go(func() error {
		if err := daemon(dctx); err != nil {
			return fmt.Errorf("the daemon: %w", err)
		}
		if dctx.Err() == nil {
			return errors.New("the daemon ended by itself")
		}
		return nil
	})
	g.Go(func() error { return d.ledger.follow(dctx, d.kafka, d.topics.Ledger) })
	g.Go(func() error { return d.show(dctx) })
	g.Go(func() error {
		defer drain()
		sctx, stop := context.WithCancel(gctx)
		defer stop()
		defer context.AfterFunc(ctx, stop)()
		total := int(math.Ceil(d.opt.For.Seconds() * d.opt.Rate))
		topics := map[string]bool{}
		for _, t := range d.set.Topics() {
			topics[t] = true
		}
		stream := NewStream(d.opt.Seed, strconv.FormatInt(d.began.Unix(), 36))
		if err := feed(sctx, d.kafka, stream, topics, d.opt.Rate, total); err != nil {
			return err
		}
		d.streamed.Store(int64(time.Since(d.began)))
		var err error
		pending, err = d.settle(ctx, gctx)
		return err
	})
	failed := make(chan error, 1)
	go func() { failed <- g.Wait() }()
	select {
	case err = <-failed:
		return pending, err
	case <-dctx.Done():
	}
	t := time.NewTimer(drainTime)
	defer t.Stop()
	select {
	case err = <-failed:
		return pending, err
	case <-t.C:
		return nil, fmt.Errorf("the daemon did not drain within %s", drainTime)
	}
}

// settle waits until the daemon has nothing to do, and gives what is pending then. After Ctrl-C it only lets it catch up with the
// stream.
func (d *demo) settle(ctx, life context.Context) (map[string]int, error) {
	tick := time.NewTicker(lookInterval)
	defer tick.Stop()
	began := time.Now()
	for {
		left, err := behind(life, d.kafka, d.topics, d.set.Topics())
		if err != nil {
			return nil, err
		}
		all := left == 0
		if all {
			x, err := readIntents(life, d.kafka, d.topics)
			if err != nil {
				return nil, err
			}
			all = d.taken(x.next)
		}
		s, err := gather(d.reg) // last: what was taken in is in it
		if err != nil {
			return nil, err
		}
		waited := time.Since(began)
		now := time.Now()
		if all && s.idle(d.lanes(now), now) || waited > patience || ctx.Err() != nil && (all || waited > interrupted) {
			return s.pending, nil
		}
		select {
		case <-life.Done():
			return s.pending, nil // the daemon's error is the one to tell
		case <-tick.C:
		}
	}
}

// lanes gives the scarce lanes, from the ledger as far as it was followed.
func (d *demo) lanes(now time.Time) (out []app.QuotaLane) {
	d.ledger.read(func(states map[int32]*ledger.State) {
		for _, a := range d.slots(states, now).Accounts {
			out = append(out, a.Lanes...)
		}
	})
	return out
}

// taken reports whether stage 2 has taken in all intents before next.
func (d *demo) taken(next map[int32]int64) bool {
	ok := true
	d.ledger.read(func(states map[int32]*ledger.State) {
		for p, n := range next {
			ok = ok && states[p] != nil && states[p].Position.Next >= n
		}
	})
	return ok
}

// audit counts everything again, from the topics and the vendor's side.
func (d *demo) audit(ctx context.Context, pending map[string]int) (*Report, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), auditTime)
	defer cancel()
	now, err := d.load()
	if err != nil { // edited meanwhile and wrong: the set of the start stayed live
		now = d.set
	}
	in, err := recount(ctx, d.kafka, d.topics, d.set, now)
	if err != nil {
		return nil, err
	}
	r := &query.Reader{Kafka: d.kafka, Topics: d.topics}
	b, err := r.Books(ctx)
	if err != nil {
		return nil, err
	}
	states, err := r.Ledgers(ctx)
	if err != nil {
		return nil, err
	}
	d.arrivals.look()
	calls, _ := d.arrivals.seen()
	rep := compose(in, b, pending, calls, d.vendorStats(), d.slots(states, time.Now()))
	rep.Seed, rep.left, rep.shows = d.opt.Seed, in.left, d.shows()
	rep.Seconds = int(math.Round(time.Duration(d.streamed.Load()).Seconds()))
	return rep, nil
}

// vendorStats is what the vendor counted; a push that Getui delivered twice, or could have taken for another one, is a double.
func (d *demo) vendorStats() sandbox.VendorStats {
	all := d.sandbox.Stats()
	if d.opt.Vendor != vendorGetui {
		return all.RongCloud
	}
	st := all.Getui.VendorStats
	st.Doubles += all.Getui.DuplicateDeliveries + all.Getui.RequestIDConflicts
	return st
}

// shows lists what a whole stream must have sent something of. At Getui that is what the rules that could be loaded send.
func (d *demo) shows() []string {
	if d.opt.Vendor != vendorGetui {
		return kinds
	}
	return slices.DeleteFunc(slices.Clone(kinds), func(kind string) bool {
		return !slices.ContainsFunc(d.set.Rules, func(r *rules.Rule) bool { return string(r.Action) == kind })
	})
}

// slots is the quota of the lanes that the demo uses: nobody in it takes a broadcast back.
func (d *demo) slots(states map[int32]*ledger.State, now time.Time) app.QuotaView {
	v := app.QuotaOf(d.settings, nil, states, now)
	for i := range v.Accounts {
		v.Accounts[i].Lanes = slices.DeleteFunc(v.Accounts[i].Lanes, func(l app.QuotaLane) bool { return strings.HasSuffix(l.Lane, "/recall") })
	}
	return v
}
