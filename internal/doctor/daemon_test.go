package doctor

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"go.uber.org/zap"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/query"
	"github.com/notifier/notifier/internal/settings"
)

// The rights that doctor asks for are those that the daemon needs: with exactly them an event becomes a push, and commands read what
// became of it.
func TestTheDaemonWorksWithExactlyTheRightsThatAreListed(t *testing.T) {
	t.Parallel()
	r := newRig(t, exactly())
	s, list := settings.Load(filepath.Join(r.dir, "notifier.yaml"), []string{"NOTIFIER_ADMIN_LISTEN=127.0.0.1:0", "NOTIFIER_KAFKA_START=earliest"}, nil)
	if s == nil {
		t.Fatal(list)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	a, err := app.New(ctx, app.Options{Settings: s, Log: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	cl, err := kgo.NewClient(kgo.SeedBrokers(r.addrs...), kgo.SASL(plain.Auth{User: "admin", Pass: "admin"}.AsMechanism()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	value := fmt.Sprintf(`{"id":"e-1","at":%q,"user":"u-1","amount":200}`, time.Now().Format(time.RFC3339))
	if err := cl.ProduceSync(ctx, &kgo.Record{Topic: "orders", Value: []byte(value)}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	opts, err := app.Connect(s)
	if err != nil {
		t.Fatal(err)
	}
	rd := &query.Reader{Kafka: opts, Topics: ledger.TopicsOf("n")}
	for deadline := time.Now().Add(30 * time.Second); ; {
		sent := false
		if err := rd.Fates(ctx, query.Filter{}, func(f ledger.Fate) error { sent = sent || f.Fate == ledger.Sent; return nil }); err != nil {
			t.Fatal(err)
		}
		if sent {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the event became no push")
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
