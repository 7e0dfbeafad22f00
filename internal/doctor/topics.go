package doctor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/query"
)

// leastMessage is what the client's batches may take: Kafka's own default.
const leastMessage = 1048588

// topicSettings checks our topics as the daemon does at its start, and looks for those of the catalogue.
func (d *doctor) topicSettings(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, kafkaWait)
	defer cancel()
	before := len(d.findings)
	copies := min(d.brokers, d.s.Kafka.Replication)
	own := app.OwnTopics(d.own(), d.s.Kafka.Partitions, copies)
	names := slices.Clone(d.topics)
	for _, t := range own {
		names = append(names, t.Name)
	}
	have, err := d.look(ctx, names)
	if err != nil {
		d.bad("topics", Unknown, d.bootstrap, text("cannot be asked: %v", "无法查询：%v", err), diag.Text{}, d.tool("kafka-topics.sh", "--list"))
		return
	}
	uneven := app.Uneven(own, have)
	if uneven != "" {
		d.bad("topics", Error, d.own().Prefix, text("%s: partitions were added to one of them", "两个主题的分区数不一样（%s）：有人给其中一个加了分区", uneven),
			text("no setting mends that: see docs/runbook.md#stopped-partition", "改设置没有用：见 docs/runbook.zh-CN.md#stopped-partition"), "notifier status --partitions")
	}
	for _, t := range own {
		t.Exact = t.Exact && uneven == ""
		is := have[t.Name]
		switch {
		case absent(is):
			d.bad("topics", Warning, t.Name, text("is not there yet: the daemon makes it, if it has the right Create", "还不存在：程序启动时会创建（需要 Create 权限）"), diag.Text{}, d.create(t, copies))
		case is.Err != nil: // rights has told
		default:
			d.topic(ctx, t, is, copies)
		}
	}
	for _, name := range d.topics {
		if absent(have[name]) {
			d.bad("topics", Warning, name, text("the catalogue names it and it is not there: its events are read once it is", "事件目录里写了它，但它还不存在：创建后才会读取其中的事件"), diag.Text{},
				d.tool("kafka-topics.sh", fmt.Sprintf("--create --topic %s --partitions %d --replication-factor %d", name, d.s.Kafka.Partitions, copies)))
		}
	}
	if len(d.findings) == before {
		rd := &query.Reader{Kafka: d.opts, Topics: d.own()}
		if _, err := rd.Ledgers(ctx); errors.Is(err, ledger.ErrNewer) { // rights has told of others, and what takes too long says nothing
			d.bad("topics", Error, d.own().Ledger, text("a newer release has written it: %v", "新版本写过它：%v", err),
				text("upgrade this program, or start one of the newer release: docs/upgrade.md#too-old", "请升级本程序，或启动一个新版本的进程：docs/upgrade.zh-CN.md#too-old"), "notifier version")
		}
	}
	if len(d.findings) == before {
		d.well("topics", d.own().Prefix, text("ours: %d, of the catalogue: %d, as they must be", "自有主题 %d 个，事件目录的主题 %d 个，都符合要求", len(own), len(d.topics)))
	}
}

// look asks for each topic alone: for several, one that we may not see hides the others.
func (d *doctor) look(ctx context.Context, names []string) (kadm.TopicDetails, error) {
	out := kadm.TopicDetails{}
	for _, name := range names {
		have, err := d.adm.ListTopics(ctx, name)
		if denied(err) {
			have, err = kadm.TopicDetails{name: {Topic: name, Err: kerr.TopicAuthorizationFailed}}, nil
		}
		if err != nil {
			return nil, err
		}
		out[name] = have[name]
	}
	return out, nil
}

func absent(t kadm.TopicDetail) bool {
	return t.Topic == "" || errors.Is(t.Err, kerr.UnknownTopicOrPartition)
}

func (d *doctor) create(t app.Topic, copies int) string {
	args := fmt.Sprintf("--create --topic %s --partitions %d --replication-factor %d", t.Name, t.Partitions, copies)
	for _, k := range slices.Sorted(maps.Keys(t.Make)) {
		args += " --config " + k + "=" + t.Make[k]
	}
	return d.tool("kafka-topics.sh", args)
}

// topic looks at one of ours.
func (d *doctor) topic(ctx context.Context, t app.Topic, is kadm.TopicDetail, copies int) {
	describe := d.tool("kafka-topics.sh", "--describe --topic "+t.Name)
	if n := len(is.Partitions); t.Exact && n != t.Partitions {
		d.bad("topics", Error, t.Name, text("has %d partitions, kafka.partitions is %d", "有 %d 个分区，kafka.partitions 是 %d", n, t.Partitions),
			text("set kafka.partitions: %d in the settings", "请在设置里写 kafka.partitions: %d", n), "notifier config check -c "+quoted(d.Path))
	}
	for _, p := range is.Partitions.Sorted() {
		switch {
		case p.Leader < 0 || p.Err != nil:
			d.bad("topics", Error, t.Name, text("partition %d has no leader", "分区 %d 没有 leader", p.Partition), text("bring its brokers back", "请恢复它所在的 broker"), describe)
		case len(p.ISR) < len(p.Replicas):
			d.bad("topics", Warning, t.Name, text("partition %d: %d of %d copies are in sync", "分区 %d：%d/%d 个副本同步", p.Partition, len(p.ISR), len(p.Replicas)), diag.Text{}, describe)
		case len(p.Replicas) < copies:
			d.bad("topics", Warning, t.Name, text("partition %d has %d copies, kafka.replication is %d", "分区 %d 有 %d 个副本，kafka.replication 是 %d", p.Partition, len(p.Replicas), d.s.Kafka.Replication),
				text("add copies with kafka-reassign-partitions.sh", "用 kafka-reassign-partitions.sh 增加副本"), describe)
		default:
			continue
		}
		break // one partition speaks for the others
	}
	rcs, err := d.adm.DescribeTopicConfigs(ctx, t.Name)
	rc, on := rcs.On(t.Name, nil)
	if err = errors.Join(err, on, rc.Err); err != nil {
		if !errors.Is(err, kerr.TopicAuthorizationFailed) { // rights has told
			d.bad("topics", Unknown, t.Name, text("its settings cannot be read: %v", "无法读取设置：%v", err), diag.Text{}, d.tool("kafka-configs.sh", "--describe --topic "+t.Name))
		}
		return
	}
	got := map[string]string{}
	for _, c := range rc.Configs {
		got[c.Key] = c.MaybeValue()
	}
	set := func(state State, key, must string) {
		d.bad("topics", state, t.Name, text("has %s=%s, it must be %s", "%s=%s，应为 %s", key, got[key], must), diag.Text{},
			d.tool("kafka-configs.sh", "--alter --entity-type topics --entity-name "+t.Name+" --add-config "+key+"="+must))
	}
	for _, k := range slices.Sorted(maps.Keys(t.Must)) {
		if got[k] != t.Must[k] {
			set(Error, k, t.Must[k])
		}
	}
	if n, err := strconv.Atoi(got["max.message.bytes"]); err == nil && n < leastMessage {
		set(Error, "max.message.bytes", strconv.Itoa(leastMessage))
	}
	if want := t.Make["min.insync.replicas"]; want != "" && strings.TrimSpace(got["min.insync.replicas"]) == "1" {
		set(Warning, "min.insync.replicas", want)
	}
}
