package kafka

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// right is one operation on one resource for one user, as kafka-acls.sh gives it.
type right struct {
	user, kind, name string
	prefixed         bool
	op               kadm.ACLOperation
}

func (r right) String() string { return fmt.Sprintf("%s of %s %s", r.op, r.kind, r.name) }

// pageRights reads the commands of docs/kafka-acls.md, by the heading they stand under: the daemon, its first start, who is on call.
func pageRights(t *testing.T) [][]right {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "kafka-acls.md"))
	if err != nil {
		t.Fatal(err)
	}
	var out [][]right
	for line := range strings.Lines(string(page)) {
		if strings.HasPrefix(line, "## ") {
			out = append(out, nil)
		}
		_, words, ok := strings.Cut(line, " --add ")
		if !ok || !strings.HasPrefix(line, "kafka-acls.sh ") {
			continue
		}
		values := map[string][]string{}
		flag := ""
		for w := range strings.FieldsSeq(words) {
			if strings.HasPrefix(w, "--") {
				flag = w
				values[flag] = append(values[flag], "")
				continue
			}
			values[flag][len(values[flag])-1] = w
		}
		r := right{user: strings.TrimPrefix(values["--allow-principal"][0], "User:"), prefixed: values["--resource-pattern-type"] != nil}
		for _, kind := range []string{"topic", "group", "transactional-id", "cluster"} {
			if v := values["--"+kind]; v != nil {
				r.kind, r.name = kind, v[0]
			}
		}
		for _, name := range values["--operation"] {
			if r.op, err = kmsg.ParseACLOperation(name); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			out[len(out)-1] = append(out[len(out)-1], r)
		}
	}
	if len(out) != 3 || len(out[0]) < 12 || len(out[1]) < 3 || len(out[2]) < 10 {
		t.Fatalf("the page's rights: %v", out)
	}
	return out
}

// of are the rights for another prefix, and users named after it, so that many daemons have theirs side by side.
func of(prefix string, rights ...[]right) []right {
	own := regexp.MustCompile(`^notifier`)
	var out []right
	for _, r := range slices.Concat(rights...) {
		if r.name = own.ReplaceAllString(r.name, prefix); r.user == "notifier" {
			r.user = prefix
		} else {
			r.user = prefix + "-" + r.user
		}
		out = append(out, r)
	}
	return out
}

func (r right) acl() *kadm.ACLBuilder {
	b := kadm.NewACLs().Allow("User:" + r.user).AllowHosts("*").Operations(r.op).ResourcePatternType(kadm.ACLPatternLiteral)
	if r.prefixed {
		b.ResourcePatternType(kadm.ACLPatternPrefixed)
	}
	switch r.kind {
	case "topic":
		b.Topics(r.name)
	case "group":
		b.Groups(r.name)
	case "transactional-id":
		b.TransactionalIDs(r.name)
	case "cluster":
		b.Clusters()
	}
	return b
}

func grant(t *testing.T, admin *kadm.Client, rights ...right) {
	t.Helper()
	for _, r := range rights {
		got, err := admin.CreateACLs(t.Context(), r.acl())
		if err != nil || len(got) != 1 || got[0].Err != nil {
			t.Fatalf("give %s: %v %v", r, got, err)
		}
	}
}

func take(t *testing.T, admin *kadm.Client, r right) {
	t.Helper()
	got, err := admin.DeleteACLs(t.Context(), r.acl())
	if err != nil || len(got) != 1 || len(got[0].Deleted) != 1 {
		t.Fatalf("take %s away: %v %v", r, got, err)
	}
}

// shopPassword is that of all users with rights of the page.
const shopPassword = "open-sesame"

// guarded are the settings of a user who has just the rights that it was given.
func guarded(t *testing.T, user string) string {
	t.Helper()
	_, ref := secretFile(t, shopPassword)
	return tlsOf(shared.secure.Secure.CA) + saslOf("SCRAM-SHA-512", user, ref)
}

// as runs a command as a user.
func (s *shop) as(user, command string) (out string, code int) {
	s.t.Helper()
	return runNotifier(s.t, s.Daemon, []string{"NOTIFIER_KAFKA_SASL_USER=" + user}, strings.Fields(command)...)
}

// commandsOnCall are what the page gives rights for.
var commandsOnCall = []string{"status", "quota", "fates", "attempts", "pending list", "approvals list", "dead ls", "explain rights-1", "user show u-rights-1",
	"pause broadcasts --why test --yes", "resume broadcasts --why test --yes", "dead replay --send --why test --yes"}

// needs is a command for each right of who is on call, which is refused without it.
var needs = map[string]string{
	"READ of topic notifier.intents":             "fates",
	"READ of topic notifier.ledger":              "pending list",
	"READ of topic notifier.fates":               "fates",
	"READ of topic notifier.dead":                "dead ls",
	"READ of topic notifier.control":             "quota",
	"READ of topic shop.orders":                  "explain rights-1",
	"DESCRIBE of group notifier-evaluate":        "status",
	"DESCRIBE of group notifier-dispatch":        "status",
	"WRITE of topic notifier.control":            "pause broadcasts --why test --yes",
	"WRITE of topic shop.orders":                 "dead replay --send --why test --yes",
	"WRITE of transactional-id notifier-replay-": "dead replay --send --why test --yes",
}

// With the rights of the page, and no others, on Kafka's own authorizer: the daemon makes its topics, sends, tags and writes dead
// letters; every command of who is on call is answered, and without any one of that person's rights a command says that it may not.
func TestTheRightsOfThePageAreEnough(t *testing.T) {
	t.Parallel()
	c := secureKafka(t)
	admin := kadm.NewClient(opened(t))
	const prefix = "rights"
	passwords(t, kadm.ScramSha512, map[string]string{prefix: shopPassword, prefix + "-oncall": shopPassword})
	page := pageRights(t)
	grant(t, admin, of(prefix, page...)...)
	s := openShop(t, prefix, c.Secure.SASL, guarded(t, prefix))
	s.ready()
	s.order("rights-1")
	s.profile("rights-1", "bj")
	if err := s.client.ProduceSync(t.Context(), &kgo.Record{Topic: shopTopic, Value: []byte(`{"type":"order.paid"`)}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	s.until("the fate of the order", func() bool { return s.sent("rights-1") })
	s.until("the tag", func() bool { return s.tagged("rights-1", "bj") })
	s.until("the dead letter", func() bool {
		topics, err := readAll(t.Context(), shared.secure.Brokers(), prefix+".dead")
		if err != nil {
			t.Fatal(err)
		}
		return len(topics[prefix+".dead"]) > 0
	})
	s.until("the size of the ledger", s.ledgerSize)
	for _, c := range commandsOnCall {
		if out, code := s.as(prefix+"-oncall", c); code != 0 || refuses(out) {
			t.Errorf("notifier %s: exit code %d\n%s", c, code, out)
		}
	}
	out, code := s.as(prefix, "doctor")
	for line := range strings.Lines(out) { // what the commands read, the daemon need not
		if code != 0 || (strings.Contains(line, "is missing") || strings.Contains(line, "no right on it")) && !strings.Contains(line, "for the commands that read it") {
			t.Fatalf("notifier doctor: exit code %d\n%s", code, out)
		}
	}
	for _, r := range of(prefix, page[2]) {
		command := needs[strings.Replace(r.String(), " "+prefix, " notifier", 1)]
		if command == "" {
			t.Errorf("this test knows no command that needs %s", r)
			continue
		}
		take(t, admin, r)
		if out, code := s.as(prefix+"-oncall", command); code == 0 || !refuses(out) {
			t.Errorf("without %s notifier %s: exit code %d\n%s", r, command, code, out)
		}
		grant(t, admin, r)
	}
	if refuses(s.Output()) {
		t.Error("the log speaks of a right that is missing")
	}
	if code := s.Stop(time.Minute); code != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0", code)
	}
}

func (s *shop) ledgerSize() bool {
	_, body, err := s.Get(s.t.Context(), "/metrics")
	return err == nil && strings.Contains(body, "notifier_ledger_bytes{") && !strings.Contains(body, `notifier_ledger_bytes{partition="0"} 0`)
}

// refuses says whether a text speaks of a right that is missing.
func refuses(text string) bool {
	text = strings.ToLower(text)
	return strings.Contains(text, "authorization_failed") || strings.Contains(text, "authorization failed") || strings.Contains(text, "not authorized")
}

// Without any one of the daemon's rights it says what it may not, or what the right is for does not come; and the doctor names the right
// and the resource. So none stands there for nothing.
func TestEachRightOfTheDaemonIsNeeded(t *testing.T) {
	t.Parallel()
	c := secureKafka(t)
	admin := kadm.NewClient(opened(t))
	page := pageRights(t)
	users := map[string]string{}
	missing := map[string]right{}
	for i, r := range page[0] {
		prefix := fmt.Sprintf("without-%02d", i)
		users[prefix] = shopPassword
		missing[prefix] = of(prefix, []right{r})[0]
		grant(t, admin, of(prefix, page[0][:i], page[0][i+1:])...)
		for name, config := range topicSettings() { // somebody else has made them: the right to do so is not there
			makeTopic(t, opened(t), prefix+"."+name, 1, 1, config)
		}
	}
	passwords(t, kadm.ScramSha512, users)
	dir := workDir(t)
	vendor := sandbox(t, dir, shopApp)
	shops := map[string]*shop{}
	for prefix := range missing { // they mostly wait: all at once
		shops[prefix] = openShopAt(t, vendor, dir, prefix, c.Secure.SASL, guarded(t, prefix))
		shops[prefix].order(prefix)
	}
	for _, prefix := range slices.Sorted(maps.Keys(missing)) {
		s, r := shops[prefix], missing[prefix]
		if r.kind == "cluster" {
			s.ready()
			s.until("the fate", func() bool { return s.sent(prefix) })
			if s.ledgerSize() {
				t.Errorf("without %s the size of the ledger is known", r)
			}
		} else {
			s.complains(r)
		}
		if out, code := runNotifier(t, s.Daemon, nil, "doctor"); !names(out, r) {
			t.Errorf("notifier doctor, exit code %d, does not name %s:\n%s", code, r, out)
		}
	}
}

// complains waits until the log speaks of the right that is missing, or the process has ended for it. One that did not reach Kafka in its time,
// as many that start at once may not on a busy machine, is started again, as a service manager does.
func (s *shop) complains(r right) {
	s.t.Helper()
	const unreachable = 4 // exit code
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !refuses(s.Output()) {
		select {
		case <-ctx.Done():
			s.t.Fatalf("without %s nothing is missing", r)
		case <-s.Done():
			code, err := s.Wait(ctx)
			switch {
			case err != nil || refuses(s.Output()):
			case code != unreachable:
				s.t.Fatalf("without %s it ended with exit code %d and does not say that it may not", r, code)
			default:
				if err := s.Start(); err != nil {
					s.t.Fatal(err)
				}
			}
		case <-tick.C:
		}
	}
}

// names says whether one finding of the doctor has the operation and the resource.
func names(out string, r right) bool {
	resource := map[string]string{"topic": "--topic " + r.name, "group": "--group " + r.name, "transactional-id": "--transactional-id", "cluster": "--cluster"}[r.kind]
	for line := range strings.Lines(strings.ReplaceAll(out, "'", "")) {
		if strings.Contains(line, "kafka-acls.sh") && strings.Contains(line, "--operation "+operation(r.op)) && strings.Contains(line, resource) {
			return true
		}
	}
	return false
}

// operation writes it as kafka-acls.sh does: DescribeConfigs.
func operation(op kadm.ACLOperation) string {
	out := ""
	for w := range strings.SplitSeq(strings.ToLower(op.String()), "_") {
		out += strings.ToUpper(w[:1]) + w[1:]
	}
	return out
}
