package app

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"

	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/rules"
)

// beaconEvery is how often a process looks whether what it says of itself still holds.
const beaconEvery = 5 * time.Second

// beacon says on the control topic which rules this process goes by, when that changes, and takes it back at the end.
func (a *App) beacon(ctx context.Context) error {
	cl, err := kgo.NewClient(slices.Clone(a.kafka)...)
	if err != nil {
		return err
	}
	defer cl.Close()
	now := time.Now().UTC()
	is := ledger.Instance{V: ledger.Version, Name: a.s.Kafka.Instance, Version: Version, Started: now}
	said := ledger.Instance{}
	t := time.NewTicker(beaconEvery)
	defer t.Stop()
	for {
		is = says(is, a.live.set(), a.live.failure(), time.Now().UTC())
		if is != said && a.tell(ctx, cl, &is) {
			said = is
		}
		select {
		case <-ctx.Done():
			ec, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			a.tell(ec, cl, nil)
			return nil
		case <-t.C:
		}
	}
}

// says brings up to date what a process says of itself.
func says(is ledger.Instance, set *rules.Set, failed string, now time.Time) ledger.Instance {
	if is.RuleSet != set.Hash {
		is.RuleSet, is.Since = set.Hash, now
	}
	switch {
	case failed == "":
		is.FailedAt = time.Time{}
	case is.Failed == "":
		is.FailedAt = now
	}
	is.Failed, is.Parked = failed, ""
	var parked []string
	for _, p := range set.ParkedRules() {
		parked = append(parked, p.Rule)
	}
	slices.Sort(parked)
	is.Parked = strings.Join(parked, ", ")
	return is
}

// tell writes the record, or takes it back.
func (a *App) tell(ctx context.Context, cl *kgo.Client, is *ledger.Instance) bool {
	r := &kgo.Record{Topic: a.topics.Control, Key: []byte(ledger.InstanceKey(a.s.Kafka.Instance))}
	if is != nil {
		v, err := json.Marshal(is)
		if err != nil { // texts and times
			panic("encode instance: " + err.Error())
		}
		r.Value = v
	}
	// The client does not give up a record that may have left, whatever its context says: without Kafka a process would never end.
	done := make(chan error, 1)
	cl.Produce(ctx, r, func(_ *kgo.Record, err error) { done <- err })
	var err error
	select {
	case err = <-done:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		if ctx.Err() == nil {
			a.log.Warn("this process could not say which rules it goes by: `notifier status --why` does not know", zap.Error(err))
		}
		return false
	}
	return true
}
