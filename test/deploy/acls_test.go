//go:build !race

package deploy

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"github.com/notifier/notifier/internal/sandbox"
	"github.com/notifier/notifier/test/schema"
)

// right is one operation on one resource for one user, as kafka-acls.sh gives it.
type right struct {
	user string
	acl  kfake.ACL
	text string
}

// rights reads the kafka-acls.sh commands of a page, by the heading they stand under, counted from 0.
func rights(t *testing.T, page string) map[int][]right {
	t.Helper()
	operations := map[string]kmsg.ACLOperation{"Read": kmsg.ACLOperationRead, "Write": kmsg.ACLOperationWrite, "Create": kmsg.ACLOperationCreate, "Delete": kmsg.ACLOperationDelete,
		"Describe": kmsg.ACLOperationDescribe, "DescribeConfigs": kmsg.ACLOperationDescribeConfigs}
	out := map[int][]right{}
	section := -1
	for line := range strings.Lines(string(read(t, page))) {
		if strings.HasPrefix(line, "## ") {
			section++
		}
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "kafka-acls.sh --bootstrap-server k1:9092 --command-config admin.properties --add ")
		if !ok {
			continue
		}
		a := kfake.ACL{Pattern: kmsg.ACLResourcePatternTypeLiteral, Allow: true}
		user := ""
		var ops []string
		for words := strings.Fields(rest); len(words) > 0; words = words[1:] {
			value := func() string { words = words[1:]; return words[0] }
			switch words[0] {
			case "--allow-principal":
				user = strings.TrimPrefix(value(), "User:")
			case "--topic":
				a.Resource, a.Name = kmsg.ACLResourceTypeTopic, value()
			case "--group":
				a.Resource, a.Name = kmsg.ACLResourceTypeGroup, value()
			case "--transactional-id":
				a.Resource, a.Name = kmsg.ACLResourceTypeTransactionalId, value()
			case "--cluster":
				a.Resource, a.Name = kmsg.ACLResourceTypeCluster, "kafka-cluster"
			case "--resource-pattern-type":
				if v := value(); v != "prefixed" {
					t.Fatalf("%s: pattern %q", page, v)
				}
				a.Pattern = kmsg.ACLResourcePatternTypePrefixed
			case "--operation":
				ops = append(ops, value())
			default:
				t.Fatalf("%s: this test does not know %q in %s", page, words[0], line)
			}
		}
		for _, op := range ops {
			if a.Operation, ok = operations[op]; !ok {
				t.Fatalf("%s: operation %q", page, op)
			}
			out[section] = append(out[section], right{user, a, op + " " + strings.TrimPrefix(a.Resource.String(), "ACL_") + " " + a.Name})
		}
	}
	if len(out[0]) < 12 || len(out[1]) == 0 || len(out[2]) < 7 {
		t.Fatalf("%s: the rights of %d sections were read: %v", page, len(out), out)
	}
	return out
}

// guarded is a cluster that checks rights, with a daemon in it that is to push what comes on shop.orders.
type guarded struct {
	*daemon
	kafka *kfake.Cluster
	sbx   *sandbox.Server
	env   []string
	file  string
}

const admin = "admin"

// guard starts a daemon that has these rights, in a cluster of its own. With made, its topics are there already.
func guard(t *testing.T, made bool, rs []right) *guarded {
	t.Helper()
	users := map[string][]kfake.ACL{"notifier": nil, "oncall": nil}
	for _, r := range rs {
		users[r.user] = append(users[r.user], r.acl)
	}
	opts := []kfake.Opt{kfake.NumBrokers(1), kfake.EnableSASL(), kfake.EnableACLs(), kfake.Superuser("PLAIN", admin, admin), kfake.SeedTopics(1, "shop.orders")}
	for u, acls := range users {
		opts = append(opts, kfake.User("PLAIN", u, u, acls...))
	}
	kafka, err := kfake.NewCluster(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kafka.Close)
	sbx, err := sandbox.Start(t.Context(), sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sbx.Close() })
	schema.Hold(t, sbx)
	dir := t.TempDir()
	rules := filepath.Join(dir, "rules")
	if err := os.CopyFS(rules, os.DirFS(filepath.Join(root, "deploy/kubernetes/rules"))); err != nil {
		t.Fatal(err)
	}
	live := strings.Replace(string(read(t, "deploy/kubernetes/rules/orders.yaml")), "mode: shadow", "mode: live", 1)
	if err := os.WriteFile(filepath.Join(rules, "orders.yaml"), []byte(live), 0o600); err != nil {
		t.Fatal(err)
	}
	g := &guarded{kafka: kafka, sbx: sbx, file: filepath.Join(dir, "notifier.yaml")}
	text := strings.NewReplacer("RULES", rules, "http://127.0.0.1:9", sbx.Ready().Primary, "app_key: k", "app_key: "+sandbox.DefaultKey,
		"embedded: set-by-environment", `replication: 1, sasl: {mechanism: PLAIN, password: "${env:KAFKA_PASSWORD}"}`).Replace(string(read(t, "test/deploy/testdata/notifier.yaml")))
	if err := os.WriteFile(g.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	g.env = []string{"VENDOR_SECRET=" + sandbox.DefaultSecret, "NOTIFIER_KAFKA_BROKERS=" + strings.Join(kafka.ListenAddrs(), ","), "LANG=en_US.UTF-8"}
	if made { // by somebody with every right
		first := g.run(t, dir, admin)
		first.ready()
		if code := first.drain(); code != 0 {
			t.Fatalf("exit code %d", code)
		}
	}
	g.daemon = g.run(t, dir, "notifier")
	return g
}

// as is the environment of a Kafka user; its password is its name.
func (g *guarded) as(user string) []string {
	return append(slices.Clone(g.env), "NOTIFIER_KAFKA_SASL_USER="+user, "KAFKA_PASSWORD="+user)
}

func (g *guarded) run(t *testing.T, dir, user string) *daemon {
	t.Helper()
	d := &daemon{t: t, cmd: exec.Command(program, "run", "-c", g.file), end: make(chan struct{})}
	d.cmd.Dir, d.cmd.Env = dir, g.as(user)
	d.run()
	return d
}

// order produces an event that makes a push, and one that cannot be read.
func (g *guarded) order() {
	g.t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(g.kafka.ListenAddrs()...), kgo.SASL(plain.Auth{User: admin, Pass: admin}.AsMechanism()))
	if err != nil {
		g.t.Fatal(err)
	}
	defer cl.Close()
	event := fmt.Sprintf(`{"type":"order.paid","data":{"order_id":"o-1","paid_at":%q,"user_id":"u-1","amount_fen":81200}}`, time.Now().Format(time.RFC3339))
	for _, v := range []string{event, `{"type":"order.paid"`} {
		if err := cl.ProduceSync(g.t.Context(), &kgo.Record{Topic: "shop.orders", Value: []byte(v)}).FirstErr(); err != nil {
			g.t.Fatal(err)
		}
	}
}

func (g *guarded) pushed() bool {
	return slices.ContainsFunc(g.sbx.Journal(0), func(e sandbox.Entry) bool { return e.Executed && strings.Contains(string(e.Body), "812.00") })
}

func (g *guarded) ledgerSize() bool {
	_, body := g.get("/metrics")
	return strings.Contains(body, "notifier_ledger_bytes{") && (!strings.Contains(body, `notifier_ledger_bytes{partition="0"} 0`) || !strings.Contains(body, `notifier_ledger_bytes{partition="1"} 0`))
}

// refused is what the log says of a right that is missing.
func (g *guarded) refused() bool {
	said := strings.ToLower(g.said())
	return strings.Contains(said, "authorization_failed") || strings.Contains(said, "authorization failed") || strings.Contains(said, "not authorized")
}

// commands are what the page gives rights for.
var commands = []string{"status", "status --why", "quota", "fates", "attempts", "pending list", "approvals list", "dead ls", "explain o-1", "user show u-1",
	"pause broadcasts --why test --yes", "resume broadcasts --why test --yes", "dead replay --send --why test --yes"}

// answers runs a command as who is on call; false: it failed, or says that a right is missing.
func (g *guarded) answers(command string) (out string, ok bool) {
	g.t.Helper()
	out, code := ran(g.t, g.as("oncall"), append(strings.Fields(command), "-c", g.file)...)
	return fmt.Sprintf("exit %d\n%s", code, out), code == 0 && !strings.Contains(strings.ToLower(out), "authoriz")
}

// withoutEach takes each right of who is on call away for a moment: then some command must fail.
func (g *guarded) withoutEach(rs []right) {
	g.t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(g.kafka.ListenAddrs()...), kgo.SASL(plain.Auth{User: admin, Pass: admin}.AsMechanism()))
	if err != nil {
		g.t.Fatal(err)
	}
	defer cl.Close()
	for _, r := range rs {
		take := kmsg.NewPtrDeleteACLsRequest()
		f := kmsg.NewDeleteACLsRequestFilter()
		f.ResourceType, f.ResourceName, f.ResourcePatternType = r.acl.Resource, &r.acl.Name, r.acl.Pattern
		f.Principal, f.Operation, f.PermissionType = kmsg.StringPtr("User:"+r.user), r.acl.Operation, kmsg.ACLPermissionTypeAllow
		take.Filters = append(take.Filters, f)
		if resp, err := take.RequestWith(g.t.Context(), cl); err != nil || len(resp.Results) != 1 || len(resp.Results[0].MatchingACLs) != 1 {
			g.t.Fatalf("take %s away: %v", r.text, err)
		}
		if !slices.ContainsFunc(commands, func(c string) bool { _, ok := g.answers(c); return !ok }) {
			g.t.Errorf("without %s every command of who is on call goes on", r.text)
		}
		give := kmsg.NewPtrCreateACLsRequest()
		c := kmsg.NewCreateACLsRequestCreation()
		c.ResourceType, c.ResourceName, c.ResourcePatternType = r.acl.Resource, r.acl.Name, r.acl.Pattern
		c.Principal, c.Host, c.Operation, c.PermissionType = "User:"+r.user, "*", r.acl.Operation, kmsg.ACLPermissionTypeAllow
		give.Creations = append(give.Creations, c)
		if resp, err := give.RequestWith(g.t.Context(), cl); err != nil || len(resp.Results) != 1 || resp.Results[0].ErrorCode != 0 {
			g.t.Fatalf("give %s back: %v", r.text, err)
		}
	}
}

// With the rights of the page, and no others, the daemon makes its topics, sends, and writes dead letters; the commands read and steer it.
func TestTheRightsOfThePageAreEnough(t *testing.T) {
	all := rights(t, "docs/kafka-acls.md")
	g := guard(t, false, slices.Concat(all[0], all[1], all[2]))
	g.ready()
	g.order()
	g.until("the push", g.pushed)
	g.until("the size of the ledger", g.ledgerSize)
	g.until("the dead letter and the fate", func() bool {
		out, code := ran(t, g.as("oncall"), "fates", "-c", g.file)
		return code == 0 && strings.Contains(out, "1 dead, 1 with intents; 1 intents = 1 fates + 0 pending")
	})
	for _, c := range commands {
		if out, ok := g.answers(c); !ok {
			t.Errorf("notifier %s:\n%s", c, out)
		}
	}
	g.withoutEach(all[2])
	if g.refused() {
		t.Error("the log speaks of a right that is missing")
	}
	if code := g.drain(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// Without one of the daemon's rights it says so, or what the right is for does not come: none stands there for nothing.
func TestNoRightOfTheDaemonIsTooMuch(t *testing.T) {
	all := rights(t, "docs/kafka-acls.md")[0]
	without := map[string]*guarded{}
	for i, r := range all { // they mostly wait: all at once
		without[r.text] = guard(t, true, slices.Concat(all[:i], all[i+1:]))
	}
	for _, text := range slices.Sorted(maps.Keys(without)) {
		g := without[text]
		if strings.HasPrefix(text, "Describe CLUSTER") {
			g.ready()
			if g.ledgerSize() {
				t.Errorf("without %s the size of the ledger is known", text)
			}
			continue
		}
		g.order()
		limit := time.After(patience)
		tick := time.NewTicker(20 * time.Millisecond)
		for ended := false; !ended && !g.refused(); {
			select {
			case <-g.end:
				ended = true
			case <-limit:
				t.Errorf("without %s nothing is missing: %v", text, g.pushed())
				ended = true
			case <-tick.C:
			}
		}
		tick.Stop()
		if code := g.cmd.ProcessState; code != nil && code.ExitCode() == 0 {
			t.Errorf("without %s it ended well", text)
		}
	}
}

// Both languages have the same commands.
func TestTheTwinHasTheSameRights(t *testing.T) {
	if en, zh := fmt.Sprint(rights(t, "docs/kafka-acls.md")), fmt.Sprint(rights(t, "docs/kafka-acls.zh-CN.md")); en != zh {
		t.Errorf("en %s\nzh %s", en, zh)
	}
}
