package rig

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Broker is a broker in memory, of this process: it outlives the daemons, so that several may work at once.
type Broker struct {
	Addr    string
	cluster *kfake.Cluster
}

// StartBroker starts a broker with the topics of the domain.
func StartBroker(ctx context.Context) (*Broker, error) {
	never := strconv.FormatInt((365 * 24 * time.Hour).Milliseconds(), 10)
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(0), kfake.BrokerConfigs(map[string]string{
		"log.cleaner.backoff.ms": never, // it compacts what is not committed yet
		"message.max.bytes":      strconv.Itoa(8 << 20),
	}))
	if err != nil {
		return nil, fmt.Errorf("start a broker: %w", err)
	}
	b := &Broker{Addr: c.ListenAddrs()[0], cluster: c}
	if err := b.makeTopics(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return b, nil
}

func (b *Broker) makeTopics(ctx context.Context) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.Addr))
	if err != nil {
		return fmt.Errorf("topics of the domain: %w", err)
	}
	defer cl.Close()
	made, err := kadm.NewClient(cl).CreateTopics(ctx, partitions, 1, nil, EventTopics...)
	if err == nil {
		err = made.Error()
	}
	if err != nil {
		return fmt.Errorf("topics of the domain: %w", err)
	}
	return nil
}

// Stop ends the broker.
func (b *Broker) Stop() { b.cluster.Close() }
