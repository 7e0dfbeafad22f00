package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/bench/load"
	"github.com/notifier/notifier/bench/report"
	"github.com/notifier/notifier/internal/rules"
)

// The bench's accounts, and the pushes that each is asked for before a kill: of the first half of them up to 30 ms before, so that the kill cuts off
// calls and the lanes of these accounts are held by design until such a call cannot arrive any more; of the others just before it, so that
// something may leave at once. All of it is far below the rate of the vendor, which nothing here waits for.
const (
	recoveryShops  = 8
	recoveryPushes = 3
)

const recoveryTopic = "bench.recovery"

// recovery kills a daemon with its own broker (SIGKILL) just after the broker took events in, starts it again, and measures from the start of
// the process to its first call at the vendor: program, rules, broker, both groups, take-over, plan, ledger, call.
func recovery(ctx context.Context, l *lab) ([]report.Result, error) {
	v, err := startVendor()
	if err != nil {
		return nil, err
	}
	defer v.close()
	k := &killer{vendor: v, random: rand.New(rand.NewPCG(1, 11)), data: filepath.Join(l.tmp, "recovery-data")}
	if k.daemon, err = l.newDaemonOf(ctx, "recovery", recoveryFiles(), recoverySettings(v, k.data)); err != nil {
		return nil, err
	}
	if _, err := k.start(ctx); err != nil {
		return nil, err
	}
	defer func() { k.Kill() }() // the process of then
	for range 3 {               // the first calls find everything cold
		if _, err := k.cycle(ctx); err != nil {
			return nil, fmt.Errorf("%w\n%s", err, k.Tail())
		}
	}
	if err := v.hold(ctx, l.root); err != nil {
		return nil, err
	}
	k.lost, k.idle = 0, 0
	kills := l.size(20, 4)
	var p50, p99 []float64
	for range l.rounds {
		var ms []float64
		for tries := 0; len(ms) < kills; tries++ {
			if tries > 4*kills {
				return nil, fmt.Errorf("of %d kills only %d left a push to make at once", tries, len(ms))
			}
			first, err := k.cycle(ctx)
			if err != nil {
				return nil, fmt.Errorf("%w\n%s", err, k.Tail())
			}
			if first > 0 {
				ms = append(ms, float64(first)/float64(time.Millisecond))
			}
		}
		p50, p99 = append(p50, report.Percentile(ms, 50)), append(p99, report.Percentile(ms, 99))
		fmt.Fprintf(os.Stderr, "   %d starts: p50 %.1f ms, the longest %.1f ms\n", len(ms), report.Percentile(ms, 50), report.Percentile(ms, 99))
	}
	detail := fmt.Sprintf("embedded broker, %d kills a round just after %d pushes of %d accounts were taken in; %d pushes were in calls that a kill cut off, and %d kills more left no push to make at once; checked: every other push arrived once",
		kills, recoveryShops*recoveryPushes, recoveryShops, k.lost, k.idle)
	where := shared().name + ", and so do the vendor and the feeder"
	var out []report.Result
	for _, x := range []struct {
		name   string
		rounds []float64
		goals  report.Goals
	}{{"p50", p50, report.Goals{}}, {"p99", p99, report.Goals{First: 100, Less: true}}} {
		r, err := report.New("recovery-"+x.name, "from the start of a process after a SIGKILL to its first vendor call, "+x.name, "ms", where, x.rounds, x.goals, detail)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

func recoveryFiles() []rules.File {
	var b strings.Builder
	b.WriteString("version: 1\nrules:\n")
	for i := range recoveryShops {
		fmt.Fprintf(&b, `  - name: shop-%d
    title: an order of shop %d
    event: order
    account: shop-%d
    mode: live
    class: service
    when: 'shop == "shop-%d"'
    push: {title: "Order ${event.id}", body: "${event.id} is on its way"}
    limits: {expire: 72h}
`, i, i, i, i)
	}
	return []rules.File{{Name: "rules/events.yaml", Data: []byte(`version: 1
events:
  order: {title: an order, topic: ` + recoveryTopic + `, id: id, time: at, user: user, fields: {shop: shop}}
`)}, {Name: "rules/shops.yaml", Data: []byte(b.String())}}
}

func recoverySettings(v *vendor, data string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `version: 1
kafka: {embedded: %q, prefix: recovery, partitions: 4, start: earliest, instance: bench}
rules: rules
log: {level: warn, format: json}
accounts:
`, data)
	for i := range recoveryShops { // a short time-out, so that lanes are held for 2.2 s and the next cycle begins soon
		fmt.Fprintf(&b, "  shop-%d: {vendor: rongcloud, hosts: [%q], app_key: %s-%d, secret: \"${env:BENCH_SECRET}\", timeout: 1s, brake: 1000000 in 10m}\n", i, v.url, load.App, i)
	}
	return b.String()
}

// killer kills and starts one daemon.
type killer struct {
	*daemon
	vendor *vendor
	random *rand.Rand
	data   string // of the embedded broker
	next   int    // order
	lost   int    // pushes that are UNKNOWN
	idle   int    // kills after which no lane that was not held had a push to make
}

// cycle asks for pushes, kills, starts, and waits until everything has its fate. It gives the time from the start to the first arrival of a push
// of an account whose lane is not held, 0 if none was left.
func (k *killer) cycle(ctx context.Context) (first time.Duration, err error) {
	k.vendor.reset()
	asked, err := k.ask(ctx)
	if err != nil {
		return 0, err
	}
	k.Kill()
	began := time.Now()
	if err := k.fork(); err != nil {
		return 0, err
	}
	unknown := map[string]int{}
	err = poll(ctx, 60*time.Second, 20*time.Millisecond, func() (bool, error) {
		select {
		case <-k.Done():
			return false, errors.New("the daemon ended")
		default:
		}
		says, err := k.metrics(ctx)
		if err != nil {
			return false, nil // it does not listen yet
		}
		done := says["notifier_pending"] == 0
		for shop, ids := range asked {
			unknown[shop] = int(says["notifier_fates_total/"+shop+"/UNKNOWN"]) // the process counts from 0: these were in a call that the kill cut off
			done = done && k.arrived(ids)+unknown[shop] >= len(ids)
		}
		return done, k.vendor.failure()
	})
	if err != nil {
		return 0, fmt.Errorf("not every push arrived: %w", err)
	}
	for shop, ids := range asked {
		if missing := len(ids) - k.arrived(ids); missing > unknown[shop] {
			return 0, fmt.Errorf("%d pushes of %s did not arrive, and %d are unknown", missing, shop, unknown[shop])
		}
		k.lost += unknown[shop]
		for _, id := range ids {
			at := k.vendor.arrived(id)
			if len(at) > 1 {
				return 0, fmt.Errorf("order %s arrived %d times", id, len(at))
			}
			if len(at) == 0 || unknown[shop] > 0 || at[0].Before(began) {
				continue
			}
			if d := at[0].Sub(began); first == 0 || d < first {
				first = d
			}
		}
	}
	if first == 0 {
		k.idle++
	}
	return first, nil
}

// arrived counts the orders that the vendor has.
func (k *killer) arrived(ids []string) (n int) {
	for _, id := range ids {
		if len(k.vendor.arrived(id)) > 0 {
			n++
		}
	}
	return n
}

// ask has the broker take events in, each with a push of its own, and gives their ids by account.
func (k *killer) ask(ctx context.Context) (asked map[string][]string, err error) {
	address, err := os.ReadFile(filepath.Join(k.data, "address"))
	if err != nil {
		return nil, err
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(strings.TrimSpace(string(address))))
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	asked = map[string][]string{}
	of := func(from int) (events []*kgo.Record) {
		for n := range recoveryShops / 2 * recoveryPushes {
			id, shop := load.OrderID(k.next), fmt.Sprintf("shop-%d", from+n%(recoveryShops/2))
			k.next++
			asked[shop] = append(asked[shop], id)
			events = append(events, &kgo.Record{Topic: recoveryTopic, Value: fmt.Appendf(nil, `{"id":%q,"at":%d,"user":"u-%d","shop":%q}`, id, time.Now().UnixMilli(), n, shop)})
		}
		return events
	}
	if err := cl.ProduceSync(ctx, of(0)...).FirstErr(); err != nil {
		return nil, err
	}
	select { // the schedule of the kill, not a wait for something
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(time.Duration(k.random.IntN(30)) * time.Millisecond):
	}
	return asked, cl.ProduceSync(ctx, of(recoveryShops/2)...).FirstErr()
}
