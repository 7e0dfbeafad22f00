// Command first writes one event into the embedded broker of docs/first/notifier.yaml, or into the Kafka that NOTIFIER_KAFKA_BROKERS
// names: what README.md's first notification is made of. In your house the events come from your own programs; this one is only for trying out.
//
//	go run ./docs/first shop.orders '{"id": "o-1", "user": "u-1", "amount": 812}'
//
// NOTIFIER_KAFKA_EMBEDDED names another data directory, as it does for notifier itself.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/internal/embedded"
)

func main() {
	dir := cmp.Or(os.Getenv("NOTIFIER_KAFKA_EMBEDDED"), "docs/first/data")
	if err := produce(dir, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "first: "+err.Error())
		os.Exit(1)
	}
}

// produce writes args[1] as one record of topic args[0] and waits until the broker on dir has it.
func produce(dir string, args []string) error {
	if len(args) != 2 {
		return errors.New(`usage: go run ./docs/first TOPIC 'JSON', for example shop.orders '{"id": "o-1", "user": "u-1", "amount": 812}'`)
	}
	topic, value := args[0], []byte(args[1])
	if !json.Valid(value) {
		return fmt.Errorf("the event is not JSON: %s", value)
	}
	addr := os.Getenv("NOTIFIER_KAFKA_BROKERS")
	if addr == "" {
		var err error
		if addr, err = embedded.Address(dir); err != nil {
			return err
		}
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(addr, ",")...))
	if err != nil {
		return err
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	r, err := cl.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: value}).First()
	if err != nil {
		return fmt.Errorf("produce to %s: %w; is it a topic of docs/first/rules/events.yaml?", topic, err)
	}
	fmt.Printf("produced %s[%d]@%d\n", r.Topic, r.Partition, r.Offset)
	return nil
}
