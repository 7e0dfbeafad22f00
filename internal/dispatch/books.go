package dispatch

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/internal/ledger"
)

// books is what an actor writes to: the ledger.Writer of its partition, or what a Model has instead.
type books interface {
	Nonce() string
	Put(key string, v any)
	Delete(key string)
	Fate(f ledger.Fate)
	Intent(key string, value []byte)
	Answer(key string, v any)
	Dead(r *kgo.Record)
	Unhalt()
	WriteGenesis(g *ledger.Genesis)
	Touch()
	Dirty() bool
	Commit(ctx context.Context, pos ledger.Position) error
	AppendTime(ctx context.Context) (time.Time, error)
	Size(ctx context.Context) (ledger, intents int64, err error)
	LiveBytes(n ledger.Needs) int64
	Trim(ctx context.Context, below int64) error
	Release(ctx context.Context, pos ledger.Position, at time.Time) error
	Close()
}
