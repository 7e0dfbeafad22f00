package audit

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Crash is one kill as the ledger shows it.
type Crash struct {
	At      time.Time
	Open    int // attempts of the killed process without outcome at the kill
	Scarce  int // of these, broadcasts
	Pending int // intents without fate at the kill
}

// Hit reports whether the kill counts: an attempt was open, or at least 50 intents were pending.
func (c Crash) Hit() bool { return c.Open > 0 || c.Pending >= 50 }

// ledger is the fold of the ledger topic, with its state at every kill.
type ledger struct {
	started   map[string]time.Time // when the record of an attempt was committed, by its id
	attempts  map[string]*attempt  // those on record at the end
	ever      map[string]*attempt  // every attempt, as last written
	orphans   map[string]bool      // attempts that were open when their process was killed
	unknown   map[string]bool      // attempts that were ever on record as unknown
	unknownAt map[string]time.Time // since when
	pending   map[string]bool
	users     map[string]userRow
	positions map[int32]position
	owners    map[int32]owner
	crashes   []Crash
	end       time.Time // of the last record
	drains    int       // ends in peace that the fold has passed
	torn      []string  // attempts that were open at one
}

func readLedger(records []Record, starts, kills, drains []Moment) (*ledger, error) {
	l := &ledger{started: map[string]time.Time{}, attempts: map[string]*attempt{}, ever: map[string]*attempt{}, orphans: map[string]bool{}, unknown: map[string]bool{}, unknownAt: map[string]time.Time{}, pending: map[string]bool{}, users: map[string]userRow{}, positions: map[int32]position{}, owners: map[int32]owner{}}
	rs := slices.Clone(records)
	slices.SortStableFunc(rs, func(a, b Record) int { return a.Time.Compare(b.Time) }) // keys never change partition
	for _, r := range rs {
		for len(kills) > len(l.crashes) && r.Time.After(kills[len(l.crashes)].At) {
			l.crash(starts, kills)
		}
		for len(drains) > l.drains && r.Time.After(drains[l.drains].At) {
			l.drain(starts, drains)
		}
		if err := l.apply(r); err != nil {
			return nil, fmt.Errorf("ledger: %w", err)
		}
		l.end = r.Time
	}
	for len(kills) > len(l.crashes) {
		l.crash(starts, kills)
	}
	for len(drains) > l.drains {
		l.drain(starts, drains)
	}
	return l, nil
}

// crash notes the state at the next kill, of its process, which started last before it.
func (l *ledger) crash(starts, kills []Moment) {
	end := kills[len(l.crashes)]
	c := Crash{At: end.At, Pending: len(l.pending)}
	for _, a := range l.attempts {
		if l.left(a, starts, end) {
			c.Open++
			l.orphans[a.ID] = true
			if a.Lane == "broadcast" || a.Lane == "app" {
				c.Scarce++
			}
		}
	}
	l.crashes = append(l.crashes, c)
}

// left says whether a process that ended then has made an attempt in its last life and left it open.
func (l *ledger) left(a *attempt, starts []Moment, end Moment) bool {
	return a.State == "started" && a.of(end.Process) && l.started[a.ID].After(began(starts, end))
}

// began is when the process that ended then was started.
func began(starts []Moment, end Moment) (at time.Time) {
	for _, s := range starts {
		if s.Process == end.Process && s.At.Before(end.At) {
			at = s.At
		}
	}
	return at
}

// drain notes the attempts that the process which ended in peace then has left open. A change of tags at Getui whose answer was lost stays on
// record, and its users held, until it can no longer arrive, whoever is the owner then. What another process had taken before the drain began is
// that one's to resolve.
func (l *ledger) drain(starts, drains []Moment) {
	end := drains[l.drains]
	for _, a := range l.attempts {
		lost := strings.HasPrefix(a.Account, "getui:") && a.Lane == "tag" && a.Detail != ""
		o := l.owners[a.partition]
		taken := o.Nonce != a.Owner && o.Since.Before(end.Began)
		if l.left(a, starts, end) && !lost && !taken {
			l.torn = append(l.torn, a.ID)
		}
	}
	l.drains++
}

func (l *ledger) apply(r Record) error {
	kind, rest, _ := strings.Cut(r.Key, "/")
	switch kind {
	case "a":
		if r.Value == nil {
			delete(l.attempts, rest)
			return nil
		}
		a, err := decode[attempt](r)
		if err != nil {
			return err
		}
		a.partition = r.Partition
		l.attempts[rest], l.ever[rest] = &a, &a
		switch a.State {
		case "started":
			if _, ok := l.started[rest]; !ok {
				l.started[rest] = r.Time
			}
		case "unknown":
			if l.unknown[rest] = true; l.unknownAt[rest].IsZero() {
				l.unknownAt[rest] = r.Time
			}
		}
	case "p":
		if r.Value == nil {
			delete(l.pending, rest)
		} else {
			l.pending[rest] = true
		}
	case "u":
		if r.Value == nil {
			delete(l.users, rest)
			return nil
		}
		u, err := decode[userRow](r)
		if err != nil {
			return err
		}
		l.users[rest] = u
	case "o":
		o, err := decode[owner](r)
		if err != nil {
			return err
		}
		if o.Nonce != l.owners[r.Partition].Nonce {
			o.Since = r.Time
			l.owners[r.Partition] = o
		}
	case "s":
		p, err := decode[position](r)
		if err != nil {
			return err
		}
		l.positions[r.Partition] = p
	}
	return nil
}
