package dispatch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"

	"github.com/notifier/notifier/internal/ledger"
)

// errAssumed is why a member of the group leaves it and comes back: a stopped partition goes on by a take-over like any other.
var errAssumed = errors.New("operators have said how much quota of a stopped partition is used")

// assumption gives what operators said of a stopped partition: nil until all accounts of it that the settings have were named. One without
// an account goes on with any of them that names it.
func (d *Dispatcher) assumption(h ledger.Halt) *ledger.Assumption {
	d.mu.Lock()
	defer d.mu.Unlock()
	as, left := d.said(h)
	if len(left) > 0 {
		return nil
	}
	return as
}

// said gives the assumption so far, and the accounts of which nothing was said. d.mu is held.
func (d *Dispatcher) said(h ledger.Halt) (as *ledger.Assumption, left []string) {
	if h.ID == "" || h.Partitions == 0 {
		return nil, []string{"?"}
	}
	as = &ledger.Assumption{Accounts: map[string]ledger.Use{}}
	for _, ac := range d.opt.Accounts {
		if ledger.HashPartition([]byte(ac.Key), h.Partitions) != int(h.Partition) {
			continue
		}
		c := d.commands[ledger.Command{Cmd: ledger.CmdAssume, Target: ac.Key}.Key()]
		n, err := strconv.Atoi(c.Args[ledger.ArgUsed])
		if c.Expect != h.ID || err != nil || n < 0 || n > ledger.MaxCharge {
			left = append(left, ac.Name)
			continue
		}
		as.Accounts[ac.Key] = ledger.Use{N: n, By: c.By, Why: c.Why}
	}
	if len(as.Accounts)+len(left) > 0 {
		return as, left
	}
	for _, c := range d.commands {
		if c.Cmd == ledger.CmdAssume && slices.Contains(strings.Split(c.Args[ledger.ArgFree], ","), fmt.Sprintf("%d=%s", h.Partition, h.ID)) {
			return as, nil
		}
	}
	return as, []string{"?"}
}

// mind looks whether a command lets a stopped partition of ours go on: then the group is joined anew. If other accounts of the partition
// are still to be named, that is the answer. d.mu is held.
func (d *Dispatcher) mind(c command, rejoin context.CancelCauseFunc) (answers []ledger.Answer) {
	for _, p := range slices.Sorted(maps.Keys(d.halted)) {
		h := d.halted[p].Halt
		switch _, left := d.said(h); {
		case len(left) == 0:
			rejoin(errAssumed)
		case c.Expect == h.ID:
			answers = append(answers, ledger.Answer{V: ledger.Version, ID: c.ID, Partition: p, Instance: d.opt.Instance, OK: true, At: c.At,
				Text: fmt.Sprintf("noted; partition %d goes on once the same is said of %s", p, strings.Join(left, ", "))})
		}
	}
	return answers
}

// answer writes an answer for a partition on which no actor works.
func (d *Dispatcher) answer(ctx context.Context, ans ledger.Answer) {
	cl, err := kgo.NewClient(slices.Clone(d.opt.Kafka)...)
	if err == nil {
		defer cl.Close()
		err = cl.ProduceSync(ctx, ledger.AnswerRecord(d.opt.Topics, ans)).FirstErr()
	}
	if err != nil {
		d.log.Warn("a command could not be answered", zap.String("command", ans.ID), zap.Error(err))
	}
}

func (d *Dispatcher) owns(p int32) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.actors[p] != nil
}

// assumed charges what operators said, in the first commit with the genesis. An account that was not in the settings then is charged with
// all that its lanes allow, as long as that counts: nobody knows what it used.
func (a *actor) assumed() {
	as := a.gen.Assumed
	if as == nil || a.clock.now().Sub(as.At) > keepScarce {
		return
	}
	now, fresh := a.clock.now(), a.isNew
	gen, whole := *a.gen, *as
	whole.Accounts = maps.Clone(as.Accounts)
	for _, key := range slices.Sorted(maps.Keys(a.accounts)) {
		ac := a.accounts[key]
		use, named := as.Accounts[key]
		if named && !fresh {
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(ac.lanes)) {
			l := ac.lanes[name]
			n, at := use.N, now
			if !named {
				at = as.At
				for _, limit := range l.Limits {
					n = max(n, limit.N)
				}
			}
			a.assumeDay(l, at)
			if !l.scarce() || n == 0 {
				continue
			}
			x := a.external(l, at, n, "assumed after: "+as.What)
			x.By, x.Why = use.By, use.Why
			a.w.Put(ledger.AttemptKey(x.ID), x)
		}
		if !named {
			a.log.Error("an account that was not in the settings when its stopped partition went on is charged with all that its lanes allow", zap.String("account", ac.Name))
			whole.Accounts[key] = ledger.Use{}
		}
	}
	if len(whole.Accounts) > len(as.Accounts) {
		gen.Assumed = &whole
		a.gen, a.isNew = &gen, true
	}
	if fresh {
		a.sift()
	}
}

// answerAssumed answers whoever let the partition go on.
func (a *actor) answerAssumed(c command, ans *ledger.Answer) {
	as := a.gen.Assumed
	if as == nil || as.Halt != c.Expect {
		ans.OK, ans.Refused, ans.Text = false, true, "the partition is not stopped, or not by what was shown: look again; next: notifier status"
		return
	}
	ans.Text = fmt.Sprintf("partition %d goes on, %d slots of each scarce lane count as used", a.p, as.Accounts[c.Target].N)
	if as.Forgot {
		ans.Text += "; the ledger was lost: what waited and has no fate is UNKNOWN, users' tags, caps and repetitions begin empty"
	}
}
