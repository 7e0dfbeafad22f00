package consumer

import (
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"

	"github.com/notifier/notifier/internal/ledger"
)

// dead makes the dead letter of a record.
func (c *Consumer) dead(r *kgo.Record, reason, detail string) *kgo.Record {
	d := ledger.NewDead(c.opt.Topics, r, ledger.Reason(reason), detail, c.opt.KeepDead, time.Now())
	c.log.Warn("dead letter", zap.String("topic", r.Topic), zap.Int32("partition", r.Partition), zap.Int64("offset", r.Offset), zap.String("reason", reason), zap.String("detail", detail))
	return d
}
