package kafka

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/test/kafka/broker"
	"github.com/notifier/notifier/test/kafka/feed"
	"github.com/notifier/notifier/test/kafka/fleet"
	"github.com/notifier/notifier/test/kafka/payloads"
)

var (
	nodesFlag  = flag.Int("nodes", 1, "Kafka nodes of the shared cluster, 1 or 3; with 3 a broker is killed too")
	binaryFlag = flag.String("notifier", "", "a notifier binary to test; default: build ../../cmd/notifier")
	keepFlag   = flag.String("keep", "", "keep logs, settings and the sandbox's journal in this folder")
	eventsFlag = flag.Int("events", 6000, "events of the real-input test")
	seedFlag   = flag.Uint64("seed", 1, "seed of the real-input test and of the storm")

	killsFlag       = flag.Int("kills", 6, "kills of daemons in the storm")
	brokerKillsFlag = flag.Int("broker-kills", 2, "kills of brokers in the storm")
)

// cache holds what is downloaded once: Kafka's jars and the npm package. It is in .gitignore.
const cache = ".cache"

// shared is what all tests use: one cluster, one binary.
var shared struct {
	lib      string
	dir      string
	cluster  *broker.Cluster
	secure   *broker.Cluster // nil until a test asks for it
	securing sync.Mutex      // guards secure
	notifier string
}

// TestMain fetches, builds and starts once. What is missing fails the run, with the name of the tool: a suite that
// skips itself silently proves nothing. Only -short leaves the real Kafka out.
func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		fmt.Println("kafka: -short given: nothing that needs java, mvn, npm or a built notifier runs")
		os.Exit(m.Run())
	}
	dir, err := os.MkdirTemp("", "notifier-kafka-")
	if err != nil {
		fatal(err)
	}
	if err := setUp(dir); err != nil {
		os.RemoveAll(dir)
		fatal(err)
	}
	code := m.Run()
	shared.cluster.Stop()
	if shared.secure != nil {
		shared.secure.Stop()
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

func fatal(err error) {
	fmt.Fprintf(os.Stderr, "kafka: cannot run: %v\n(`go test -short` runs only what needs none of this)\n", err)
	os.Exit(1)
}

func setUp(dir string) error {
	if err := errors.Join(broker.Tools(), payloads.Tools()); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute) // the first run downloads 54 MB
	defer cancel()
	if *nodesFlag != 1 && *nodesFlag != 3 {
		return fmt.Errorf("-nodes %d: 1 or 3", *nodesFlag)
	}
	shared.dir = dir
	var err error
	if shared.lib, err = broker.Fetch(ctx, cache); err != nil {
		return err
	}
	if shared.notifier, err = buildNotifier(ctx, dir); err != nil {
		return err
	}
	shared.cluster, err = broker.Start(ctx, shared.lib, dir, broker.Options{Nodes: *nodesFlag})
	return err
}

func buildNotifier(ctx context.Context, dir string) (string, error) {
	if *binaryFlag != "" {
		return filepath.Abs(*binaryFlag)
	}
	out := filepath.Join(dir, "notifier")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", out, "./cmd/notifier")
	cmd.Dir = filepath.Join("..", "..")
	if b, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build cmd/notifier: %w\n%s", err, b)
	}
	return out, nil
}

// realKafka returns the shared cluster's seed addresses; under -short the test ends here, visibly.
func realKafka(t *testing.T) []string {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: needs a real Kafka")
	}
	return shared.cluster.Brokers()
}

// workDir is where a test leaves logs: a temporary folder, or a folder under -keep.
func workDir(t *testing.T) string {
	t.Helper()
	if *keepFlag == "" {
		return t.TempDir()
	}
	dir, err := filepath.Abs(filepath.Join(*keepFlag, t.Name()))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func newClient(t *testing.T, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(realKafka(t)...)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func makeTopic(t *testing.T, client *kgo.Client, topic string, partitions int32, replicas int16, configs map[string]*string) {
	t.Helper()
	if _, err := kadm.NewClient(client).CreateTopic(t.Context(), partitions, replicas, configs, topic); err != nil {
		t.Fatalf("create topic %s: %v", topic, err)
	}
}

// feedTopics makes the input topics, unless another test has.
func feedTopics(t *testing.T, client *kgo.Client) {
	t.Helper()
	most := strconv.Itoa(feed.MaxRecord)
	got, err := kadm.NewClient(client).CreateTopics(t.Context(), 6, int16(shared.cluster.Nodes()), map[string]*string{"max.message.bytes": &most}, feed.Topics()...)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range got.Sorted() {
		if c.Err != nil && !errors.Is(c.Err, kerr.TopicAlreadyExists) {
			t.Fatalf("create topic %s: %v", c.Topic, c.Err)
		}
	}
}

// sandbox starts the vendor, as `notifier sandbox` is used by everybody.
func sandbox(t *testing.T, dir string, apps ...fleet.App) *fleet.Sandbox {
	t.Helper()
	s, err := fleet.StartSandbox(t.Context(), shared.notifier, dir, apps...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Kill()
		if info, err := os.Stat(s.Journal); err != nil || info.Size() > 0 { // some tests end before a call
			judge(t, s.Journal)
		}
	})
	return s
}

// judge holds every request that the vendor got to the schemas of its contract.
func judge(t *testing.T, journal string) {
	t.Helper()
	in, err := os.Open(journal)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	cmd := exec.Command("go", "run", "./test/schema/journal") // a cleanup: the test's context has ended
	cmd.Dir, cmd.Stdin = filepath.Join("..", ".."), in
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("the vendor's schemas: %v\n%.4000s", err, out)
		return
	}
	t.Logf("%s", out)
}

// runNotifier runs a command with a daemon's settings to its end.
func runNotifier(t *testing.T, d *fleet.Daemon, env []string, args ...string) (out string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), shared.notifier, append(args, "-c", d.Settings())...)
	cmd.Env = append(append(d.Environ(), "LANG=en_US.UTF-8"), env...)
	b, err := cmd.CombinedOutput()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		t.Fatal(err)
	}
	return string(b), cmd.ProcessState.ExitCode()
}
