package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/notifier/notifier/internal/diag"
)

// right is an operation that somebody needs on one of the topics.
type right struct {
	topic string
	op    kadm.ACLOperation
	for_  diag.Text // zero: the daemon does not work without it
}

// topicRights are what the daemon and the commands need.
func (d *doctor) topicRights() (out []right) {
	t := d.own()
	for _, topic := range d.topics {
		out = append(out, right{topic: topic, op: kadm.OpRead})
	}
	reading := text("the commands that read it", "读取它的命令")
	return append(out,
		right{topic: t.Intents, op: kadm.OpRead}, right{topic: t.Intents, op: kadm.OpWrite},
		right{topic: t.Ledger, op: kadm.OpRead}, right{topic: t.Ledger, op: kadm.OpWrite},
		right{topic: t.Control, op: kadm.OpRead}, right{topic: t.Control, op: kadm.OpWrite},
		right{topic: t.Fates, op: kadm.OpWrite}, right{topic: t.Dead, op: kadm.OpWrite},
		right{t.Fates, kadm.OpRead, reading}, right{t.Dead, kadm.OpRead, reading},
		right{t.Intents, kadm.OpDelete, text("deleting what was taken in: without it the topic grows", "删除已取走的记录：没有它主题会一直变大")},
		right{t.Intents, kadm.OpDescribeConfigs, text("checking its settings", "检查它的设置")},
		right{t.Ledger, kadm.OpDescribeConfigs, text("checking its settings", "检查它的设置")},
		right{t.Control, kadm.OpDescribeConfigs, text("checking its settings", "检查它的设置")},
		right{t.Fates, kadm.OpDescribeConfigs, text("checking its settings", "检查它的设置")},
		right{t.Dead, kadm.OpDescribeConfigs, text("checking its settings", "检查它的设置")},
	)
}

// rights compares what we may do with what is needed. A topic that is not there is the business of topicSettings.
func (d *doctor) rights(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, kafkaWait)
	defer cancel()
	before := len(d.findings)
	allow := func(state State, on string, what diag.Text, operation, resource string) {
		d.bad("rights", state, on, what, diag.Text{}, d.tool("kafka-acls.sh", "--add --allow-principal "+quoted(d.principal())+" --operation "+operation+" "+resource))
	}
	needs := d.topicRights()
	var names []string
	for _, r := range needs {
		if !slices.Contains(names, r.topic) {
			names = append(names, r.topic)
		}
	}
	have, err := d.look(kadm.WithAuthorizedOps(ctx), names)
	if err != nil {
		d.bad("rights", Unknown, d.bootstrap, text("cannot be asked: %v", "无法查询：%v", err), diag.Text{}, d.tool("kafka-acls.sh", "--list"))
		return
	}
	hidden := map[string]bool{}
	for _, r := range needs {
		t := have[r.topic]
		if hidden[r.topic] || t.Err != nil && !errors.Is(t.Err, kerr.TopicAuthorizationFailed) {
			continue
		}
		if t.Err != nil { // not even Describe, which each of the others implies
			hidden[r.topic] = true
			allow(Error, r.topic, text("we have no right on it", "对它没有任何权限"), camel(r.op), "--topic "+quoted(r.topic))
			continue
		}
		if len(t.AuthorizedOperations) == 0 || may(t.AuthorizedOperations, r.op) { // none told: the brokers are older than 2.3
			continue
		}
		if r.for_ == (diag.Text{}) {
			allow(Error, r.topic, text("the right %s is missing", "缺少 %s 权限", camel(r.op)), camel(r.op), "--topic "+quoted(r.topic))
			continue
		}
		what := text("the right %s is missing, for ", "缺少 %s 权限，用于", camel(r.op))
		allow(Warning, r.topic, diag.Text{EN: what.EN + r.for_.EN, ZH: what.ZH + r.for_.ZH}, camel(r.op), "--topic "+quoted(r.topic))
	}
	for _, g := range []string{d.s.Kafka.Prefix + "-evaluate", d.s.Kafka.Prefix + "-dispatch"} {
		groups, err := d.adm.DescribeGroups(ctx, g)
		ops := groups[g].AuthorizedOperations
		if denied(err) || denied(groups[g].Err) || len(ops) > 0 && !may(ops, kadm.OpRead) {
			allow(Error, g, text("the right Read on the group is missing", "缺少消费组的 Read 权限"), "Read", "--group "+quoted(g))
		}
	}
	p := d.s.Kafka.Prefix
	for _, id := range []string{p + "-evaluate-" + d.s.Kafka.Instance, p + "-dispatch-0-0", fmt.Sprintf("%s-dispatch-%d-1", p, d.s.Kafka.Partitions-1)} {
		txns, err := d.adm.DescribeTransactions(ctx, id)
		if denied(err) || denied(txns[id].Err) {
			allow(Error, id, text("the right Write on the transactional id is missing", "缺少事务 ID 的 Write 权限"), "Write", "--transactional-id "+quoted(p+"-")+" --resource-pattern-type prefixed")
		}
	}
	if len(d.findings) == before {
		d.well("rights", d.principal(), text("all that the daemon and the commands need", "程序和命令需要的权限都有"))
	}
}

func may(have []kadm.ACLOperation, op kadm.ACLOperation) bool {
	return slices.Contains(have, op) || slices.Contains(have, kadm.OpAll)
}

func denied(err error) bool {
	_, auth := errors.AsType[*kadm.AuthError](err)
	return auth || errors.Is(err, kerr.GroupAuthorizationFailed) || errors.Is(err, kerr.TransactionalIDAuthorizationFailed) || errors.Is(err, kerr.ClusterAuthorizationFailed)
}

// camel writes an operation as kafka-acls.sh does: DescribeConfigs.
func camel(op kadm.ACLOperation) string {
	var b strings.Builder
	for w := range strings.SplitSeq(strings.ToLower(op.String()), "_") {
		b.WriteString(strings.ToUpper(w[:1]) + w[1:])
	}
	return b.String()
}

// principal is who the brokers think we are, as far as can be told from here: their rules for certificates may shorten the name.
func (d *doctor) principal() string {
	k := d.s.Kafka
	if k.SASL != nil {
		return "User:" + k.SASL.User
	}
	if k.TLS != nil && k.TLS.Cert != "" {
		if c, err := tls.LoadX509KeyPair(k.TLS.Cert, k.TLS.Key); err == nil && c.Leaf != nil {
			return "User:" + c.Leaf.Subject.String()
		}
	}
	return "User:ANONYMOUS"
}

// brokersClock compares this machine's clock with the last time the brokers wrote into the ledger, which bounds one side: a clock behind
// it is wrong. The other side only an owner can measure, at its commits (notifier_clock_skew_seconds).
func (d *doctor) brokersClock(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, kafkaWait)
	defer cancel()
	topic := d.own().Ledger
	offs, err := d.adm.ListMaxTimestampOffsets(ctx, topic)
	if err != nil {
		return // there is no ledger yet, or rights has told why
	}
	var last time.Time
	offs.Each(func(o kadm.ListedOffset) {
		if at := time.UnixMilli(o.Timestamp); o.Err == nil && o.Timestamp > 0 && at.After(last) {
			last = at
		}
	})
	if last.IsZero() {
		return
	}
	if behind := last.Sub(d.Now()); behind > maxSkew {
		d.bad("clock", Error, topic, text("this machine's clock is at least %s behind the brokers': scarce lanes stay closed", "本机时钟至少比 broker 慢 %s：稀缺通道会一直关闭", behind.Round(time.Millisecond)), diag.Text{}, setClock)
		return
	}
	d.well("clock", topic, text("this machine's clock is not behind the brokers' last write", "本机时钟不晚于 broker 最近一次写入"))
}

const (
	maxSkew  = 2 * time.Second // above it the owner closes the scarce lanes
	setClock = "chronyc makestep"
)
