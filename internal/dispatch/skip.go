package dispatch

import (
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
)

// errSkipped is why a member of the group leaves it and comes back: the records behind the skipped one were passed over in memory.
var errSkipped = errors.New("a record of the intents was skipped by an operator: reading begins anew behind it")

// skip passes the record of the intents at which the partition stands: one of a newer release, or a batch that cannot be unpacked. It
// becomes a dead letter, and if it can be read as an intent its fate is DEAD. It is false when the record is not of this partition.
func (a *actor) skip(c command, ans *ledger.Answer) bool {
	at, err := ledger.ParsePlace(c.Target)
	if err != nil || at.Topic != a.opt.Topics.Intents || at.Partition != a.p {
		return false
	}
	refuse := func(format string, args ...any) bool {
		ans.OK, ans.Refused, ans.Text = false, true, fmt.Sprintf(format, args...)
		return true
	}
	stands := func(offset int64) bool {
		return refuse("the partition stands at offset %d: only the record at which it stands can be skipped", offset)
	}
	if at.Offset < a.pos.Next {
		return stands(a.pos.Next)
	}
	r, first, next, err := ledger.ReadRecord(a.ctx, a.opt.Kafka, ledger.Place{Topic: at.Topic, Partition: at.Partition, Offset: a.pos.Next})
	switch {
	case err != nil && at.Offset > a.pos.Next:
		return stands(a.pos.Next)
	case err != nil:
		return refuse("%v", err)
	case at.Offset > first:
		return stands(first)
	}
	at.Offset = first // where it stands there may be a marker of a transaction
	detail := fmt.Sprintf("by %s: %s", c.By, c.Why)
	if r == nil {
		r = &kgo.Record{Topic: at.Topic, Partition: at.Partition, Offset: at.Offset}
		detail += fmt.Sprintf(" (a batch up to offset %d, too large to be unpacked)", next-1)
	} else if in, err := intent.Decode(r.Value); err == nil && !a.waits(in) {
		a.pos.Intents++
		a.opt.Metrics.intents.WithLabelValues(string(in.Action)).Inc()
		f := ledger.NewFate(in, ledger.Dead, ledger.SkippedByOperator, a.clock.now())
		f.Kind, f.By, f.Why = "operator", c.By, c.Why
		a.record(f)
	}
	a.w.Dead(ledger.NewDead(a.opt.Topics, r, ledger.SkippedByOperator, detail, true, a.clock.now()))
	a.pos.Next, a.rejoin = next, errSkipped
	ans.Text = fmt.Sprintf("skipped offsets %d to %d, reading goes on at %d", at.Offset, next-1, next)
	a.log.Warn("record skipped by an operator", zap.Stringer("record", at), zap.Int64("next", next))
	return true
}
