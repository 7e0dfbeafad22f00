// Command up runs a real Apache Kafka of one node on this machine until Ctrl-C, for trying out what README.md shows: it needs Java 17
// and Maven, which fetches Kafka's jars once (55 MB, kept in test/kafka/.cache). Its data is gone when it ends.
//
//	go run ./test/kafka/up --port 19092 --topic shop.orders
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/test/kafka/broker"
)

// partitions of each topic that is made.
const partitions = 3

func main() {
	port := flag.Int("port", 19092, "port on the loopback address; 0: a free one")
	topics := flag.String("topic", "", "topics to make, with commas between")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := up(ctx, *port, strings.FieldsFunc(*topics, func(r rune) bool { return r == ',' })); err != nil {
		fmt.Fprintln(os.Stderr, "up: "+err.Error())
		os.Exit(1)
	}
}

// cacheDir is where the suite keeps Kafka's jars too, found from any folder of the checkout.
func cacheDir() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if suite := filepath.Join(dir, "test", "kafka"); exists(filepath.Join(suite, "up")) {
			return filepath.Join(suite, ".cache"), nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("run it in a folder of notifier's sources")
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func up(ctx context.Context, port int, topics []string) error {
	if err := broker.Tools(); err != nil {
		return err
	}
	cache, err := cacheDir()
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "fetching Kafka's jars, if they are not there yet …")
	lib, err := broker.Fetch(ctx, cache)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "notifier-up-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	c, err := broker.Start(ctx, lib, dir, broker.Options{Nodes: 1, Port: port})
	if err != nil {
		return err
	}
	defer c.Stop()
	if err := makeTopics(ctx, c.Brokers(), topics); err != nil {
		return err
	}
	fmt.Printf("kafka %s runs at %s; Ctrl-C ends it\n", broker.Version, strings.Join(c.Brokers(), ","))
	<-ctx.Done()
	return nil
}

func makeTopics(ctx context.Context, brokers, topics []string) error {
	if len(topics) == 0 {
		return nil
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	if err != nil {
		return err
	}
	defer cl.Close()
	made, err := kadm.NewClient(cl).CreateTopics(ctx, partitions, 1, nil, topics...)
	if err != nil {
		return fmt.Errorf("make topics: %w", err)
	}
	for _, t := range made.Sorted() {
		err = errors.Join(err, t.Err)
	}
	return err
}
