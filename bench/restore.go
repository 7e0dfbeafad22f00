package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"time"

	"github.com/notifier/notifier/bench/load"
	"github.com/notifier/notifier/bench/report"
	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/ledger"
)

// restore sets the fold of a ledger's pending intents beside encoding/json over the same as lines: what a new owner does before it is
// ready, but for reading the topic.
func restore(_ context.Context, l *lab) ([]report.Result, error) {
	n := l.size(1_000_000, 20_000)
	records, lines, err := pendingRecords(n)
	if err != nil {
		return nil, err
	}
	size := 0
	for _, r := range records {
		size += len(r.key) + len(r.value)
	}
	var st *ledger.State
	var plain map[string]*ledger.Pending
	ours := func(t int) error {
		if t == 0 {
			st = ledger.NewState()
		}
		for _, r := range records[t*n/turns : (t+1)*n/turns] {
			if err := st.Apply(r.key, r.value); err != nil {
				return err
			}
		}
		return nil
	}
	decode := func(t int) error {
		if t == 0 {
			plain = map[string]*ledger.Pending{}
		}
		s := bufio.NewScanner(bytes.NewReader(lines[t]))
		s.Buffer(nil, 1<<20)
		for s.Scan() {
			p := new(ledger.Pending)
			if err := json.Unmarshal(s.Bytes(), p); err != nil {
				return err
			}
			plain[string(p.Intent.ID)] = p
		}
		return s.Err()
	}
	var ratio, a, b []float64
	for range l.rounds {
		st, plain = nil, nil
		took, err := byTurns(decode, ours)
		if err != nil {
			return nil, err
		}
		if len(st.Pending) != n || len(plain) != n {
			return nil, fmt.Errorf("%d intents are restored, %d decoded, want %d", len(st.Pending), len(plain), n)
		}
		for id, p := range plain {
			if !reflect.DeepEqual(st.Pending[id], p) {
				return nil, fmt.Errorf("%s: restored %+v, encoding/json gives %+v", id, st.Pending[id], p)
			}
		}
		a, b = append(a, took[0].cpu.Seconds()), append(b, took[1].cpu.Seconds())
		ratio = append(ratio, took[1].cpu.Seconds()/took[0].cpu.Seconds())
		fmt.Fprintf(os.Stderr, "   %d pending intents: encoding/json %.2f s, the fold %.2f s\n", n, a[len(a)-1], b[len(b)-1])
	}
	r, err := report.New("restore-decode", fmt.Sprintf("CPU time to fold the ledger's records of %d pending intents / to decode the same as JSON lines with encoding/json", n), "x", "in process", ratio,
		report.Goals{First: 0.6, Goal: 0.33, Moonshot: 0.1, Less: true},
		fmt.Sprintf("encoding/json %.2f s, the fold %.2f s (medians), %d bytes a record; the topic is read by neither; checked: the same intents", report.Median(a), report.Median(b), size/n))
	return []report.Result{r}, err
}

type ledgerRecord struct {
	key   string
	value []byte
}

// pendingRecords are pushes with rendered texts as the ledger holds them, and the same as JSON lines, in turns parts.
func pendingRecords(n int) (records []ledgerRecord, lines [turns][]byte, err error) {
	set, err := load.Load(1)
	if err != nil {
		return nil, lines, err
	}
	r := rand.New(rand.NewPCG(1, 9))
	at := time.UnixMilli(1_700_000_000_000).UTC()
	for t := range turns {
		var text bytes.Buffer
		for i := t * n / turns; i < (t+1)*n/turns; i++ {
			evs, err := set.Decode(event.Record{Position: event.Position{Topic: load.Topic, Partition: 1, Offset: int64(i)}, Value: load.Order(r, load.OrderID(i), load.Hit, at.UnixMilli()), Time: at})
			if err != nil {
				return nil, lines, err
			}
			ins := set.Evaluate(&evs[0])
			if len(ins) != 1 {
				return nil, lines, fmt.Errorf("%d intents of a hit", len(ins))
			}
			ins[0].Key = account
			p := &ledger.Pending{Intent: ins[0], Seq: int64(i), At: at}
			b, err := p.Encode()
			if err != nil {
				return nil, lines, err
			}
			line, err := json.Marshal(p)
			if err != nil {
				return nil, lines, err
			}
			text.Write(append(line, '\n'))
			records = append(records, ledgerRecord{ledger.PendingKey(string(ins[0].ID)), b})
		}
		lines[t] = text.Bytes()
	}
	return records, lines, nil
}
