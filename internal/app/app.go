// Package app wires the daemon: it makes every part from the settings, starts them in order, and stops them in reverse. It is
// the only package that knows them all; commands and tests start the daemon through it.
package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/plugin/kzap"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/notifier/notifier/internal/admin"
	"github.com/notifier/notifier/internal/consumer"
	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/embedded"
	"github.com/notifier/notifier/internal/getui"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/rongpush"
	"github.com/notifier/notifier/internal/rules"
	"github.com/notifier/notifier/internal/settings"
	"github.com/notifier/notifier/internal/systemd"
	"github.com/notifier/notifier/internal/trace"
)

// Version and Revision of the program; set by deploy/build.sh.
var (
	Version  = "dev"
	Revision = ""
)

// Options are what differs between a daemon, the demo and a test.
type Options struct {
	Settings *settings.Settings
	Log      *zap.Logger
	Registry *prometheus.Registry // nil: a new one

	RuleFiles func() ([]rules.File, error) // nil: the settings' folder

	Manager *systemd.Manager // who is told that the daemon runs, reloads, stops; nil: nobody
	Reload  <-chan os.Signal // each reads the rule files at once; nil: never

	// Tests in virtual time.
	Listen      func(network, addr string) (net.Listener, error)
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
	Broker      *embedded.Broker // a broker that the caller started

	SessionTimeout time.Duration
	Heartbeat      time.Duration
	FetchMaxWait   time.Duration
}

// App is one daemon.
type App struct {
	opt      Options
	s        *settings.Settings
	log      *zap.Logger
	reg      *prometheus.Registry
	live     *liveRules
	kafka    []kgo.Opt
	tls      *tlsFiles // nil: plain
	topics   ledger.Topics
	broker   *embedded.Broker
	ownsBrk  bool
	suffix   string
	dispatch *dispatch.Dispatcher
	consumer *consumer.Consumer
	admin    net.Listener
	clients  []closer
	running  atomic.Bool
	tracer   *trace.Tracer // nil: off

	credentials *prometheus.GaugeVec
}

// KafkaError means that Kafka cannot be reached or used: exit code 4.
type KafkaError struct{ Err error }

func (e *KafkaError) Error() string { return e.Err.Error() }
func (e *KafkaError) Unwrap() error { return e.Err }

// New makes a daemon and checks everything that can be checked before it starts: rules, brokers, topics. It fails fast; Close
// must be called also after Run.
func New(ctx context.Context, opt Options) (_ *App, err error) {
	a := &App{opt: opt, s: opt.Settings, log: opt.Log, reg: opt.Registry, topics: ledger.TopicsOf(opt.Settings.Kafka.Prefix)}
	if a.reg == nil {
		a.reg = prometheus.NewRegistry()
	}
	defer func() {
		if err != nil {
			a.Close()
		}
	}()
	a.reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "notifier_build_info", Help: "The running program."}, []string{"version", "revision", "goversion"})
	a.reg.MustRegister(build)
	v, revision, gov := BuildInfo()
	build.WithLabelValues(v, revision, gov).Set(1)
	if a.live, err = newLiveRules(opt, a.reg); err != nil {
		return nil, err
	}
	if err := a.connect(ctx); err != nil {
		return nil, err
	}
	if err := a.assemble(); err != nil {
		return nil, err
	}
	return a, nil
}

// connect reaches Kafka, or starts the embedded broker, and sees to the topics.
func (a *App) connect(ctx context.Context) error {
	k := a.s.Kafka
	switch {
	case a.opt.Broker != nil:
		a.broker = a.opt.Broker
	case k.Embedded != "":
		b, err := embedded.Start(ctx, embedded.Options{Dir: k.Embedded, Lately: ledger.AskedLately, Logger: a.log.Named("embedded")})
		if err != nil {
			return err
		}
		a.broker, a.ownsBrk = b, true
		a.log.Info("embedded broker started", zap.Strings("addrs", b.Addrs()), zap.String("dir", k.Embedded))
	}
	opts, files, err := kafkaOptions(a.s)
	if err != nil {
		return err
	}
	a.tls = files
	if a.broker != nil {
		opts = append(opts, kgo.SeedBrokers(a.broker.Addrs()...))
		opts = append(opts, kgo.DisableClientMetrics()) // nobody collects them there
		a.suffix = a.broker.TxnSuffix()
	}
	if a.opt.DialContext != nil {
		opts = append(opts, kgo.Dialer(a.opt.DialContext))
	}
	if hb := a.opt.Heartbeat; hb > 0 { // a connection outlives the pause between two of them
		opts = append(opts, kgo.ConnIdleTimeout(3*hb))
	}
	a.kafka = append(opts, kgo.WithLogger(kzap.New(calmLog(a.log.Named("kafka")), kzap.Level(kgo.LogLevelWarn))))
	// The client answers what it was asked before from memory, for 5 s: also that a topic does not exist which was made since.
	cl, err := kgo.NewClient(append(slices.Clone(a.kafka), kgo.MetadataMinAge(100*time.Millisecond))...)
	if err != nil {
		return &KafkaError{fmt.Errorf("kafka client: %w", err)}
	}
	defer cl.Close()
	pc, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	if err := cl.Ping(pc); err != nil {
		return &KafkaError{fmt.Errorf("cannot reach Kafka at %s: %w; %s", strings.Join(k.Brokers, ","), err, atTheDoor(k, err))}
	}
	if err := a.listen(); err != nil { // before anything is made in Kafka
		return err
	}
	if err := a.checkStart(ctx, cl); err != nil {
		return err
	}
	if a.broker == nil && k.TLS == nil && !slices.ContainsFunc(k.Brokers, ofThisMachine) {
		a.log.Warn("the connection to Kafka is not encrypted: whoever is on the way can read events and the password of a login; set kafka.tls")
	}
	replication := k.Replication
	if a.broker != nil {
		replication = 1
	}
	tc, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := ensureTopics(tc, cl, a.topics, k.Partitions, replication, a.log); err != nil {
		return err
	}
	a.domainTopics(tc, cl)
	return nil
}

// NoStartError means that nobody said where a new group begins. Nothing has been made yet.
type NoStartError struct {
	Group string
	List  diag.List // with the place in the settings
}

func (e *NoStartError) Error() string {
	return fmt.Sprintf("kafka.start is not set and the group %s is new: set it to latest, earliest or a time", e.Group)
}

// checkStart asks whether the group of stage 1 is new, if the settings do not say where a new one begins.
func (a *App) checkStart(ctx context.Context, cl *kgo.Client) error {
	if a.s.Kafka.Start.Set {
		return nil
	}
	group := consumer.GroupOf(a.topics)
	committed, err := kadm.NewClient(cl).FetchOffsets(ctx, group)
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		return &KafkaError{fmt.Errorf("look whether group %s is new: %w", group, err)}
	}
	known := false
	committed.Each(func(o kadm.OffsetResponse) { known = known || o.Err == nil && o.At >= 0 })
	if known {
		return nil
	}
	return &NoStartError{group, a.s.Kafka.Start.Missing()}
}

// calmLog drops what a log says over and over: a dozen clients that find no broker say the same several times a second. Of each message a
// minute has the first three and then every hundredth.
func calmLog(log *zap.Logger) *zap.Logger {
	return log.WithOptions(zap.WrapCore(func(c zapcore.Core) zapcore.Core { return zapcore.NewSamplerWithOptions(c, time.Minute, 3, 100) }))
}

// domainTopics names the topics of the catalogue that do not exist yet; they are read once they do. An embedded broker gets them.
func (a *App) domainTopics(ctx context.Context, cl *kgo.Client) {
	have, err := kadm.NewClient(cl).ListTopics(ctx, a.live.set().Topics()...)
	if err != nil {
		a.log.Warn("the catalogue's topics could not be checked", zap.Error(err))
		return
	}
	for _, t := range a.live.set().Topics() {
		if d, ok := have[t]; ok && d.Err == nil {
			continue
		}
		if a.broker == nil {
			a.log.Warn("a topic of the catalogue does not exist: its events are read once it does", zap.String("topic", t))
			continue
		}
		// An embedded broker is for trying out: there is nobody else to make the topics of the domain.
		if _, err := kadm.NewClient(cl).CreateTopic(ctx, int32(a.s.Kafka.Partitions), 1, nil, t); err != nil {
			a.log.Warn("a topic of the catalogue could not be made", zap.String("topic", t), zap.Error(err))
		}
	}
}

// assemble makes the two stages.
func (a *App) assemble() error {
	var err error
	if a.tracer, err = a.tracing(); err != nil {
		return err
	}
	identities := map[string]string{}
	var accounts []*dispatch.Account
	for i := range a.s.Accounts {
		ac := &a.s.Accounts[i]
		d, err := a.account(ac)
		if err != nil {
			return fmt.Errorf("account %s: %w", ac.Name, err)
		}
		accounts = append(accounts, d)
		identities[ac.Name] = d.Key
	}
	dm := dispatch.NewMetrics(a.reg)
	dm.Partitions(a.s.Kafka.Partitions)
	stage := stageTwo(a.s, accounts)
	stage.Rules, stage.Users = func() dispatch.Rules { return a.live.set() }, func() dispatch.Users { return a.live.set() }
	stage.Live, stage.Again = a.live.standing.Load, a.again
	stage.Kafka, stage.Topics, stage.TxnSuffix, stage.Instance = a.kafka, a.topics, a.suffix, a.s.Kafka.Instance
	stage.SessionTimeout, stage.Heartbeat, stage.FetchMaxWait = a.opt.SessionTimeout, a.opt.Heartbeat, a.opt.FetchMaxWait
	stage.Metrics, stage.Log, stage.Tracer = dm, a.log.Named("dispatch"), a.tracer
	a.dispatch = dispatch.New(stage)
	a.live.onLoad(func(*rules.Set) { a.dispatch.RulesChanged() })
	a.reg.MustRegister(newMissingFields(a.live))
	watchRules(a.reg, a.live)
	a.credentials = credentialsLoaded(a.reg, slices.Sorted(maps.Keys(identities)))
	cm := consumer.NewMetrics(a.reg)
	a.live.onLoad(func(s *rules.Set) {
		cm.Known(s.Topics(), eventNames(s), ruleNames(s))
		dm.Rules(ruleNames(s))
	})
	st := a.s.Kafka.Start
	a.consumer = consumer.New(consumer.Options{Kafka: a.kafka, Topics: a.topics, TxnSuffix: a.suffix, Instance: a.s.Kafka.Instance,
		Rules: func() consumer.Rules { return a.live.set() }, Accounts: identities, Start: consumer.Start{Set: st.Set, Earliest: st.Set && !st.Latest && st.At.IsZero(), At: st.At},
		KeepDead: a.s.KeepDead, SessionTimeout: a.opt.SessionTimeout, Heartbeat: a.opt.Heartbeat, FetchMaxWait: a.opt.FetchMaxWait, Metrics: cm, Log: a.log.Named("evaluate"),
		Tracer: a.tracer})
	a.live.onLoad(func(*rules.Set) { a.consumer.RulesChanged() })
	return nil
}

// ErrListen: the address of the admin listener cannot be had.
var ErrListen = errors.New("admin.listen")

// listen takes the port, which is served by Run.
func (a *App) listen() (err error) {
	listen := net.Listen
	if a.opt.Listen != nil {
		listen = a.opt.Listen
	}
	if a.admin, err = listen("tcp", a.s.Admin.Listen); err != nil {
		return fmt.Errorf("%w: %w", ErrListen, err)
	}
	return nil
}

// tracing makes what sends spans; nil without an endpoint. Nothing of it runs before Run.
func (a *App) tracing() (*trace.Tracer, error) {
	s := a.s.Tracing
	if s.Endpoint == "" {
		return nil, nil
	}
	o := trace.Options{Endpoint: s.Endpoint, Share: s.Share, DialContext: a.opt.DialContext, Log: a.log.Named("tracing"), Resource: []trace.Attribute{
		trace.Text("service.name", "notifier"), trace.Text("service.version", Version), trace.Text("service.instance.id", a.s.Kafka.Instance)}}
	if s.Authorization != nil {
		o.Authorization = s.Authorization.Reveal
	}
	return trace.New(o)
}

// The end of a drain: its 10 s are over lastSpansBy after it began, and a collector that does not answer has lastSpans of them at most.
const (
	lastSpans   = 2 * time.Second
	lastSpansBy = 9500 * time.Millisecond
)

// sendSpans sends until the function that it gives is called, which is when nothing makes spans any more.
func (a *App) sendSpans(ctx context.Context) (stop func()) {
	if a.tracer == nil {
		return func() {}
	}
	late, cancel := context.WithCancel(context.Background())
	context.AfterFunc(ctx, func() { time.AfterFunc(lastSpansBy, cancel) })
	go a.tracer.Run() // Close waits for it
	return func() {
		defer cancel()
		end, done := context.WithTimeout(late, lastSpans)
		defer done()
		a.tracer.Close(end)
	}
}

// account makes an account's client and lanes.
func (a *App) account(ac *settings.Account) (*dispatch.Account, error) {
	v, cl, err := connected(ac, a.opt.DialContext)
	if err != nil {
		return nil, err
	}
	a.clients = append(a.clients, cl)
	return stageAccount(ac, v), nil
}

// stageAccount is what stage 2 is told of an account.
func stageAccount(ac *settings.Account, v dispatch.Vendor) *dispatch.Account {
	out := &dispatch.Account{Name: ac.Name, Key: Identity(ac), Vendor: v, Lanes: lanesOf(ac), Timeout: ac.Timeout, TagDelay: ac.Tags.Delay, KeepForeign: ac.Tags.KeepForeign, MaxChange: ac.Tags.MaxChange,
		Brake:       intent.Cap{N: ac.Brake.N, In: ac.Brake.In},
		VerifyUsers: ac.Tags.Verify.N, VerifyIn: ac.Tags.Verify.In, MaxTags: rongpush.MaxTags, Rotations: ac.Secret.Changes}
	switch ac.Vendor {
	case "rongcloud":
		out.Writable = func(tag string) bool { return rongpush.ValidTag(tag) == nil }
	case "getui":
		out.MaxTags, out.Fit = getui.MaxTags, fitTags
	}
	return out
}

// stageTwo is what the settings say of stage 2, for the daemon and for a model of it.
func stageTwo(s *settings.Settings, accounts []*dispatch.Account) dispatch.Options {
	return dispatch.Options{Accounts: accounts, Render: rules.RenderMerged, Zone: s.Zone,
		Consent: dispatch.Consent{Never: s.Consent.Never, Marketing: s.Consent.Marketing, Service: s.Consent.Service}, ClassCaps: s.UserLimits,
		DuplicatesUsers: s.Events.DuplicateUsers, DuplicatesBroadcasts: s.Events.DuplicateBroadcasts}
}

// Identity is what a lane belongs to: the vendor and the App Key, never the account's name (design.md 2).
func Identity(ac *settings.Account) string { return ac.Vendor + ":" + ac.AppKey }

// Run works until ctx ends, then drains: what is in flight is resolved, the ledger is released. It returns nil after a clean drain.
func (a *App) Run(ctx context.Context) error {
	defer a.sendSpans(ctx)()
	g, gctx := NewTasks(ctx)
	a.running.Store(true)
	// Stage 1 stops first: what it has committed, stage 2 of somebody takes.
	g.Go(func() error { return a.consumer.Run(gctx) })
	g.Go(func() error { return a.dispatch.Run(gctx) })
	g.Go(func() error { return a.live.watch(gctx) })
	g.Go(func() error { return a.reloadWhenAsked(gctx) })
	g.Go(func() error { return a.refreshSecrets(gctx) })
	g.Go(func() error { return a.beacon(gctx) })
	g.Go(func() error {
		return admin.Serve(gctx, admin.Options{Listener: a.admin, Token: a.token(), Gatherer: a.reg, Live: a.liveness, Ready: a.readiness,
			Status: func() any { return statusOf(a.dispatch.Status(), a.live.set()) }, Log: a.log.Named("admin")})
	})
	if a.broker != nil {
		g.Go(func() error {
			select {
			case <-gctx.Done():
				return nil
			case <-a.broker.Done():
				return cmp.Or(a.broker.Err(), errors.New("the embedded broker stopped, see the log"))
			}
		})
	}
	a.log.Info("notifier runs", zap.String("version", Version), zap.String("instance", a.s.Kafka.Instance), zap.String("prefix", a.s.Kafka.Prefix),
		zap.Int("rules", len(a.live.set().Rules)), zap.String("rule_set", a.live.set().Hash), zap.Stringer("admin", a.admin.Addr()))
	a.told(a.opt.Manager.Ready(a.live.summary()))
	g.Go(func() error { // a task, so that it is told before the process can end
		<-gctx.Done()
		a.told(a.opt.Manager.Stopping("draining"))
		return nil
	})
	err := g.Wait()
	if ctx.Err() != nil && (err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.Cause(ctx))) {
		a.log.Info("notifier has drained")
		return nil
	}
	return err
}

// Close lets go of what New opened.
func (a *App) Close() {
	for _, c := range a.clients {
		c.Close()
	}
	if a.admin != nil {
		_ = a.admin.Close()
	}
	if a.ownsBrk {
		if err := a.broker.Close(); err != nil {
			a.log.Warn("embedded broker", zap.Error(err))
		}
	}
}

// AdminAddr is where health and metrics are.
func (a *App) AdminAddr() string { return a.admin.Addr().String() }

// Registry has the daemon's metrics.
func (a *App) Registry() *prometheus.Registry { return a.reg }

func (a *App) token() func() string {
	if a.s.Admin.Token == nil {
		return nil
	}
	return a.s.Admin.Token.Reveal
}

// liveness asks whether the loops turn. A loop that has ended ends the process; one that is stuck cannot be ended from inside.
func (a *App) liveness() admin.Health {
	now := time.Now()
	h := admin.Health{OK: a.running.Load(), Detail: a.dispatch.Stuck(now)}
	if what := a.consumer.Stuck(now); what != "" {
		h.Detail = append(h.Detail, what)
	}
	h.OK = h.OK && len(h.Detail) == 0
	return h
}

// liveStatus is GET /status of one instance.
type liveStatus struct {
	dispatch.Status
	Parked []rules.Parked `json:"parked_rules,omitempty"`
}

func statusOf(st dispatch.Status, s *rules.Set) liveStatus { return liveStatus{st, s.ParkedRules()} }

func (a *App) readiness() admin.Health {
	st := a.dispatch.Status()
	h := admin.Health{OK: st.Ready}
	switch {
	case st.Newer != "":
		h.Detail = append(h.Detail, "a newer release has written the ledger, this process takes no partition: "+st.Newer)
	case !st.Ready:
		h.Detail = append(h.Detail, "no partition assigned yet")
	}
	for _, what := range []string{a.consumer.Down(), a.consumer.Unsettled()} {
		if what != "" {
			h.OK = false
			h.Detail = append(h.Detail, what)
		}
	}
	for p, what := range st.Halted {
		h.Detail = append(h.Detail, fmt.Sprintf("partition %d is stopped: %s", p, what))
	}
	h.Detail = append(h.Detail, a.consumer.NotRead(time.Now())...)
	h.Detail = append(h.Detail, heldBack(a.reg)...)
	for _, p := range a.live.set().ParkedRules() {
		h.Detail = append(h.Detail, p.String())
	}
	if msg := a.live.failure(); msg != "" {
		h.Detail = append(h.Detail, "the rule files have errors, the last good set is live: "+msg)
	}
	slices.Sort(h.Detail)
	return h
}

// heldBack reads from the metrics which lanes send nothing or are used by somebody else, and which rules their brake has paused.
func heldBack(g prometheus.Gatherer) (out []string) {
	mfs, err := g.Gather()
	if err != nil {
		return []string{err.Error()}
	}
	foreign := map[string]float64{}
	for _, mf := range mfs {
		brake, used, contested := mf.GetName() == "notifier_brake_tripped", mf.GetName() == "notifier_quota_used", mf.GetName() == "notifier_quota_contested"
		if mf.GetName() != "notifier_lane_held" && !brake && !used && !contested {
			continue
		}
		for _, m := range mf.GetMetric() {
			if m.GetGauge().GetValue() == 0 {
				continue
			}
			l := map[string]string{}
			for _, p := range m.GetLabel() {
				l[p.GetName()] = p.GetValue()
			}
			if used {
				if l["source"] == "external" {
					foreign[l["lane"]] = max(foreign[l["lane"]], m.GetGauge().GetValue())
				}
				continue
			}
			if contested {
				out = append(out, fmt.Sprintf("somebody else uses %s: the vendor refused %.0f calls as too many although we kept its limit: see docs/runbook.md#app-key", l["lane"], m.GetGauge().GetValue()))
				continue
			}
			if brake {
				out = append(out, fmt.Sprintf("rule %s is paused by its brake: notifier resume rule/%s --why TEXT", l["rule"], l["rule"]))
				continue
			}
			out = append(out, fmt.Sprintf("lane %s is stopped: %s", l["lane"], l["reason"]))
		}
	}
	for lane, n := range foreign {
		out = append(out, fmt.Sprintf("somebody else used %.0f slots of %s: see docs/runbook.md#app-key", n, lane))
	}
	return out
}

// secretsEvery is how often files of secrets are read again; the promise is 10 s until a rotated one is in use.
const secretsEvery = 5 * time.Second

// refreshSecrets reads referenced files again, so that a rotated secret takes effect without a restart: the vendors' with the next call,
// the admin token with the next request, Kafka's with the next connection.
func (a *App) refreshSecrets(ctx context.Context) error {
	t := time.NewTicker(secretsEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		a.readSecrets()
	}
}

func (a *App) readSecrets() {
	for _, x := range a.s.Secrets() {
		changed, err := x.Refresh()
		if err != nil {
			a.log.Warn("a secret could not be read again, the last one stays", zap.String("setting", x.Path), zap.Error(err))
		}
		if !changed {
			continue
		}
		a.log.Info("secret rotated", zap.String("setting", x.Path))
		for i := range a.s.Accounts {
			if ac := &a.s.Accounts[i]; ac.Secret == x.Secret {
				a.credentials.WithLabelValues(ac.Name).SetToCurrentTime()
				a.dispatch.CredentialsChanged()
			}
		}
		if k := a.s.Kafka.SASL; k != nil && k.Password == x.Secret {
			a.kafkaRotated()
		}
	}
	if a.tls == nil {
		return
	}
	changed, err := a.tls.refresh()
	if err != nil {
		a.log.Warn("the files of kafka.tls could not be read again, the last ones stay", zap.Error(err))
	} else if changed {
		a.log.Info("certificates of Kafka rotated")
		a.kafkaRotated()
	}
}

// kafkaRotated lets both stages try at once: they may pause because the brokers refused what was.
func (a *App) kafkaRotated() {
	a.consumer.KafkaRotated()
	a.dispatch.KafkaRotated()
}

func ruleNames(s *rules.Set) (out []string) {
	for _, r := range s.Rules {
		out = append(out, r.Name)
	}
	return append(out, rules.TagsRule)
}

func eventNames(s *rules.Set) (out []string) {
	for _, sp := range s.Catalogue.Specs {
		out = append(out, sp.Name)
	}
	return out
}
