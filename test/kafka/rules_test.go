package kafka

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/notifier/notifier/test/kafka/fleet"
)

// The rule files of this test are checked by the product's own command.
func TestRuleFilesAreClean(t *testing.T) {
	brokers := realKafka(t)
	rules, err := filepath.Abs("rules")
	if err != nil {
		t.Fatal(err)
	}
	d, err := fleet.NewDaemon(shared.notifier, t.TempDir(), "one", fleet.Settings{Brokers: brokers, Prefix: "check", Replication: 1, Rules: rules,
		Hosts: []string{"http://127.0.0.1:1", "http://127.0.0.1:2"},
		Accounts: []fleet.Account{{Name: "main", App: fleet.App{Key: "a", Secret: "s"}, Foreign: "keep"},
			{Name: "second", App: fleet.App{Key: "b", Secret: "s"}, Foreign: "drop"}}})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(shared.notifier, "check", "-c", d.Settings(), rules)
	cmd.Env = d.Environ()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("notifier check: %v\n%s", err, out)
	}
}
