package doctor

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/query"
	"github.com/notifier/notifier/internal/rules"
	"github.com/notifier/notifier/internal/settings"
)

// WriteBundle writes a gzipped tar for whoever helps: the report, the settings with secrets as ***, names and hashes of the rule files,
// topics with offsets and settings, what the owners hold in numbers. It holds no secret, no event, no user, no text of a rule, and
// nothing that an operator wrote. s may be nil.
func WriteBundle(ctx context.Context, w io.Writer, r *Report, s *settings.Settings) error {
	var human bytes.Buffer
	if err := r.WriteText(&human, diag.Both); err != nil {
		return err
	}
	files := map[string][]byte{"report.json": pretty(r), "report.txt": human.Bytes(), "version.txt": fmt.Appendf(nil, "notifier %s\n%s %s/%s\n", r.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)}
	if s != nil {
		var b bytes.Buffer
		for _, e := range s.Entries {
			fmt.Fprintf(&b, "%s\t%s\t%s\n", e.Path, e.Value, e.Origin)
		}
		files["settings.txt"] = b.Bytes()
		files["rules.txt"] = ruleFiles(s)
		opts, err := app.Connect(s)
		if err == nil {
			ctx, cancel := context.WithTimeout(ctx, bundleWait)
			defer cancel()
			files["topics.json"] = pretty(orError(topicsOf(ctx, opts, s)))
			files["status.json"] = pretty(orError(statusOf(ctx, opts, s)))
		}
	}
	zw := gzip.NewWriter(w)
	tw := tar.NewWriter(zw)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		b := scrub(files[name], s)
		if err := tw.WriteHeader(&tar.Header{Name: "notifier-doctor/" + name, Mode: 0o600, Size: int64(len(b)), ModTime: r.At.Truncate(time.Second)}); err != nil {
			return fmt.Errorf("write bundle: %w", err)
		}
		if _, err := tw.Write(b); err != nil {
			return fmt.Errorf("write bundle: %w", err)
		}
	}
	if err := tw.Close(); err != nil {
		return fmt.Errorf("write bundle: %w", err)
	}
	if err := zw.Close(); err != nil {
		return fmt.Errorf("write bundle: %w", err)
	}
	return nil
}

// bundleWait bounds the reading of ledgers, which may be long.
const bundleWait = 30 * time.Second

func orError(v any, err error) any {
	if err != nil {
		return map[string]string{"error": err.Error()}
	}
	return v
}

func pretty(v any) []byte {
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return fmt.Appendf(nil, "{\"error\": %q}\n", err)
	}
	return append(b, '\n')
}

// scrub is the second wall: nothing above writes a secret, but a broker, a vendor or a library may say one back in an error.
func scrub(b []byte, s *settings.Settings) []byte {
	if s == nil {
		return b
	}
	for _, x := range s.Secrets() {
		v := x.Reveal()
		if len(v) < 4 { // it would tear every text apart, and is no secret
			continue
		}
		b = bytes.ReplaceAll(b, []byte(v), []byte("***"))
		if j, err := json.Marshal(v); err == nil { // as a text in JSON
			b = bytes.ReplaceAll(b, j[1:len(j)-1], []byte("***"))
		}
	}
	return b
}

// ruleFiles tells which files there are and what the loader says of each place in them, without a word of their texts.
func ruleFiles(s *settings.Settings) []byte {
	var b bytes.Buffer
	files, _ := rules.Read([]string{s.Rules})
	for _, f := range files {
		fmt.Fprintf(&b, "%s\t%d bytes\tsha256 %x\n", f.Name, len(f.Data), sha256.Sum256(f.Data))
	}
	set, list := rules.Load([]string{s.Rules}, app.RuleOptions(s))
	if set != nil {
		fmt.Fprintf(&b, "rule set %s, %d rules\n", set.Hash, len(set.Rules))
	}
	for _, x := range list {
		fmt.Fprintf(&b, "%s\t%s\n", place(x), x.Severity)
	}
	return b.Bytes()
}

// topicState is one of our topics, or of the catalogue's.
type topicState struct {
	Topic      string            `json:"topic"`
	Error      string            `json:"error,omitempty"`
	Partitions []partitionState  `json:"partitions,omitempty"`
	Settings   map[string]string `json:"settings,omitempty"` // those that differ from the brokers' defaults
}

type partitionState struct {
	Partition int32   `json:"partition"`
	Leader    int32   `json:"leader"`
	Replicas  []int32 `json:"replicas"`
	ISR       []int32 `json:"isr"`
	Start     int64   `json:"start"`
	End       int64   `json:"end"`
}

func topicsOf(ctx context.Context, opts []kgo.Opt, s *settings.Settings) (any, error) {
	cl, err := kgo.NewClient(append(slices.Clone(opts), kgo.RetryTimeout(kafkaWait/2))...)
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	t := ledger.TopicsOf(s.Kafka.Prefix)
	names := []string{t.Intents, t.Ledger, t.Fates, t.Dead, t.Control}
	if set, _ := rules.Load([]string{s.Rules}, app.RuleOptions(s)); set != nil {
		names = append(names, set.Topics()...)
	}
	have, err := adm.ListTopics(ctx, names...)
	if err != nil {
		return nil, err
	}
	starts, _ := adm.ListStartOffsets(ctx, names...) // what cannot be asked stays 0: the report says why
	ends, _ := adm.ListEndOffsets(ctx, names...)
	out := []topicState{}
	for _, name := range names {
		d := have[name]
		ts := topicState{Topic: name, Settings: map[string]string{}}
		if d.Err != nil {
			ts.Error = d.Err.Error()
		}
		for _, p := range d.Partitions.Sorted() {
			lo, _ := starts.Lookup(name, p.Partition)
			hi, _ := ends.Lookup(name, p.Partition)
			ts.Partitions = append(ts.Partitions, partitionState{p.Partition, p.Leader, p.Replicas, p.ISR, lo.Offset, hi.Offset})
		}
		if rcs, err := adm.DescribeTopicConfigs(ctx, name); err == nil {
			rc, _ := rcs.On(name, nil)
			for _, c := range rc.Configs {
				if !c.Sensitive && c.Source.String() == "DYNAMIC_TOPIC_CONFIG" {
					ts.Settings[c.Key] = c.MaybeValue()
				}
			}
		}
		out = append(out, ts)
	}
	return out, nil
}

// standing is what the owners hold, in numbers and names of ours. Reasons that people gave, and what vendors said, stay out: they may
// name users.
type standing struct {
	Partitions []app.PartitionView        `json:"partitions"`
	Halted     map[int32]ledger.HaltKind  `json:"halted"`
	Lanes      map[string]string          `json:"lanes"`  // reason
	Pauses     map[string]time.Time       `json:"pauses"` // since
	Kills      []string                   `json:"kills"`
	Unknown    int                        `json:"unknown"`
	Approvals  int                        `json:"approvals"`
	Balanced   bool                       `json:"balanced"`
	Instances  map[string]instanceRunning `json:"instances"`
}

type instanceRunning struct {
	Version string `json:"version"`
	RuleSet string `json:"rule_set"`
	Failed  bool   `json:"rules_failed"`
}

func statusOf(ctx context.Context, opts []kgo.Opt, s *settings.Settings) (any, error) {
	rd := &query.Reader{Kafka: append(slices.Clone(opts), kgo.RetryTimeout(kafkaWait/2)), Topics: ledger.TopicsOf(s.Kafka.Prefix)}
	states, err := rd.Ledgers(ctx)
	if err != nil {
		return nil, err
	}
	halts, err := rd.Halts(ctx)
	if err != nil {
		return nil, err
	}
	st := app.StatusOf(s, states, halts, time.Now())
	out := standing{Partitions: st.Partitions, Halted: map[int32]ledger.HaltKind{}, Lanes: map[string]string{}, Pauses: map[string]time.Time{}, Kills: slices.Sorted(maps.Keys(st.Kills)),
		Unknown: st.Unknown, Approvals: st.Approvals, Balanced: st.Balanced, Instances: map[string]instanceRunning{}}
	for p, h := range halts {
		out.Halted[p] = h.Kind
	}
	for lane, l := range st.Lanes {
		out.Lanes[lane] = fmt.Sprint(l.Reason)
	}
	for scope, p := range st.Pauses {
		out.Pauses[scope] = p.At
	}
	running, err := rd.Running(ctx)
	if err != nil {
		return nil, err
	}
	for _, i := range running {
		out.Instances[i.Name] = instanceRunning{i.Version, i.RuleSet, strings.TrimSpace(i.Failed) != ""}
	}
	return out, nil
}
