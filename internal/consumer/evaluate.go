package consumer

import (
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"

	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
)

// evaluator turns records of domain topics into what stage 1 writes. What it needs for one record it uses again for the next,
// so it belongs to one goroutine.
type evaluator struct {
	c     *Consumer
	rules Rules
	n     counts        // of the open transaction
	now   time.Time     // of this share of records: the client would ask the clock for every intent
	out   []*kgo.Record // intents and dead letters, in the order of the records
	room  []event.Event // of the record at hand
	heads []event.Header
	made  intent.Room // its intents
	marks []mark      // of the record at hand
	hits  []string    // the rules that matched it
	ids   map[intent.ID]int
	wire  []byte          // encoded intents are cut from it
	slab  []kgo.Record    // records are taken from it
	paths map[string]path // by account name

	traced traced // of the open transaction
}

// path is where an account's intents go.
type path struct {
	identity  string // the account's
	key       []byte // the same, of the record
	partition int32
}

// What an evaluator allocates at once.
const (
	wireSize = 64 << 10
	slabSize = 128
)

func (c *Consumer) newEvaluator(parts int) *evaluator {
	e := &evaluator{c: c, ids: map[intent.ID]int{}, paths: make(map[string]path, len(c.opt.Accounts))}
	for name, identity := range c.opt.Accounts {
		key := []byte(identity)
		e.paths[name] = path{identity: identity, key: key, partition: int32(ledger.HashPartition(key, parts))}
	}
	return e
}

// mark is what became of one event of the record at hand. It counts once the whole record is done.
type mark struct {
	event string
	result
}

// evaluate adds what one record becomes to out.
func (e *evaluator) evaluate(r *kgo.Record) {
	before := len(e.out)
	e.traced.record(e.c.opt.Tracer)
	e.marks, e.hits = e.marks[:0], e.hits[:0]
	defer e.count()
	defer func() {
		if x := recover(); x != nil { // one bad record must not stop the line
			e.c.log.Error("a record made the evaluation panic: it is a dead letter", zap.String("topic", r.Topic), zap.Int32("partition", r.Partition), zap.Int64("offset", r.Offset), zap.Any("panic", x), zap.ByteString("stack", debug.Stack()))
			e.out, e.marks, e.hits = e.out[:before], e.marks[:0], e.hits[:0]
			e.traced.undo()
			e.room = nil // whatever state it is in
			e.dead(r, "", string(ledger.Undecodable), fmt.Sprintf("panic: %v", x))
		}
	}()
	rec := recordOf(r, e.heads[:0])
	e.heads = rec.Headers
	events, err := e.rules.DecodeInto(e.room, rec)
	if cap(events) > cap(e.room) {
		e.room = events
	}
	if err != nil {
		reason, detail, name := string(ledger.Undecodable), err.Error(), ""
		if de, ok := errors.AsType[*event.DecodeError](err); ok {
			reason, detail, name = string(de.Reason), de.Detail, de.Event
		}
		e.dead(r, name, reason, detail)
	} else if len(events) == 0 {
		e.marks = append(e.marks, mark{"", ignored})
	}
	e.forgetIDs()
	e.made.Empty()
	for i := range events {
		ev := &events[i]
		intents := e.rules.EvaluateInto(&e.made, ev)
		if len(intents) == 0 {
			e.marks = append(e.marks, mark{ev.Spec.Name, noMatch})
			continue
		}
		if len(events) > 1 || !distinct(intents) {
			e.makeUnique(intents)
		}
		if again := e.c.madeAgain.of(r.Topic); again != "" {
			for _, in := range intents {
				in.ID += again
			}
		}
		span := e.carry(r, intents)
		whole := len(e.out)
		if err := e.intents(intents); err != nil { // all or none: an event has either intents or a dead letter
			e.out = e.out[:whole]
			e.dead(r, ev.Spec.Name, string(ledger.TooLarge), err.Error())
			continue
		}
		e.evaluated(span, r, ev.Spec.Name, len(intents), "")
		e.marks = append(e.marks, mark{ev.Spec.Name, matched})
		for _, in := range intents {
			e.hits = append(e.hits, in.Rule)
		}
	}
}

// count adds the marks of a record that is done.
func (e *evaluator) count() {
	for _, m := range e.marks {
		e.n.add(m.event, m.result)
	}
	for _, rule := range e.hits {
		e.n.match(rule)
	}
}

// makeUnique keeps ids apart within a record, which may be several events, and a profile event has an intent for each account.
func (e *evaluator) makeUnique(intents []*intent.Intent) {
	for _, in := range intents {
		if e.ids[in.ID]++; e.ids[in.ID] > 1 {
			in.ID += intent.ID("#" + strconv.Itoa(e.ids[in.ID]))
		}
	}
}

// distinct reports whether a few intents have different ids, as nearly always; of more it does not know.
func distinct(intents []*intent.Intent) bool {
	if len(intents) > 8 {
		return false
	}
	for i, in := range intents {
		for _, other := range intents[:i] {
			if in.ID == other.ID {
				return false
			}
		}
	}
	return true
}

func (e *evaluator) forgetIDs() {
	if len(e.ids) > slabSize { // clearing takes as long as the map was once large
		e.ids = map[intent.ID]int{}
	}
	clear(e.ids)
}

// intents encodes the intents of one event.
func (e *evaluator) intents(intents []*intent.Intent) error {
	for _, in := range intents {
		to := e.paths[in.Account]
		in.Key = to.identity
		b, err := e.encode(in)
		if err != nil {
			return fmt.Errorf("rule %s: %w", in.Rule, err)
		}
		if len(b) > intent.MaxBytes && in.Trace != "" { // what it delivers goes first
			in.Trace = ""
			if b, err = e.encode(in); err != nil {
				return fmt.Errorf("rule %s: %w", in.Rule, err)
			}
		}
		if len(b) > intent.MaxBytes {
			return fmt.Errorf("rule %s makes an intent of %d bytes, the most is %d", in.Rule, len(b), intent.MaxBytes)
		}
		r := e.record()
		r.Topic, r.Partition, r.Key, r.Value, r.Timestamp = e.c.opt.Topics.Intents, to.partition, to.key, b, e.now
		e.out = append(e.out, r)
	}
	return nil
}

// encode gives the wire form of an intent, cut from memory that many share.
func (e *evaluator) encode(in *intent.Intent) ([]byte, error) {
	if cap(e.wire)-len(e.wire) < wireSize/16 {
		e.wire = make([]byte, 0, wireSize)
	}
	from := len(e.wire)
	b, err := in.Append(e.wire)
	if err != nil {
		return nil, err
	}
	if cap(b) != cap(e.wire) { // outgrown: a block that grew with what it holds would grow without bound
		e.wire = nil
		return slices.Clone(b[from:]), nil
	}
	e.wire = b
	return b[from:len(b):len(b)], nil
}

func (e *evaluator) record() *kgo.Record {
	if len(e.slab) == 0 {
		e.slab = make([]kgo.Record, slabSize)
	}
	r := &e.slab[0]
	e.slab = e.slab[1:]
	return r
}

func (e *evaluator) dead(r *kgo.Record, eventName, reason, detail string) {
	e.evaluated(e.carry(r, nil), r, eventName, 0, reason)
	e.marks = append(e.marks, mark{eventName, dead})
	e.out = append(e.out, e.c.dead(r, reason, detail))
}

// RecordOf is a Kafka record as the decoder takes it.
func RecordOf(r *kgo.Record) event.Record { return recordOf(r, nil) }

// recordOf is RecordOf with the headers in memory of the caller's.
func recordOf(r *kgo.Record, heads []event.Header) event.Record {
	rec := event.Record{Position: event.Position{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset}, Key: r.Key, Value: r.Value, Headers: heads, Time: r.Timestamp}
	for _, h := range r.Headers {
		rec.Headers = append(rec.Headers, event.Header{Key: h.Key, Value: h.Value})
	}
	return rec
}
