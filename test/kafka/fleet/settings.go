package fleet

import (
	"fmt"
	"strings"
)

// Settings is what the tests vary in notifier.yaml; everything else is a default of the product.
type Settings struct {
	Brokers     []string
	Kafka       string // more lines of the kafka block: tls, sasl
	Prefix      string
	Partitions  int // of intents and ledger; 0: 4
	Replication int
	Start       string // kafka.start; "": earliest
	Rules       string // absolute path
	Hosts       []string
	Accounts    []Account
}

// Account is one RongCloud account of the settings.
type Account struct {
	Name    string
	App     App
	Foreign string // tags.foreign: keep | drop
}

func (s Settings) yaml(instance, admin string) string {
	partitions := s.Partitions
	if partitions == 0 {
		partitions = 4
	}
	start := s.Start
	if start == "" {
		start = "earliest"
	}
	var b strings.Builder
	fmt.Fprintf(&b, `version: 1
timezone: Asia/Shanghai
kafka:
  brokers: [%s]
  prefix: %s
  partitions: %d
  replication: %d
  start: %s
  instance: %s%s
rules: %s
admin: {listen: "%s"}
log: {level: info, format: json}
accounts:
`, quoted(s.Brokers), s.Prefix, partitions, s.Replication, start, instance, indented(s.Kafka), s.Rules, admin)
	for _, a := range s.Accounts {
		fmt.Fprintf(&b, `  %s:
    vendor: rongcloud
    hosts: [%s]
    app_key: %s
    secret: "${env:%s}"
    sender: system
    platforms: [ios, android]
    allow: [everyone]
    approval: waived
    services: {broadcast: true}
    brake: 5000 in 10m
    tags: {delay: 2s, foreign: %s}
    timeout: 3s
`, a.Name, quoted(s.Hosts), a.App.Key, secretVariable(a.Name), a.Foreign)
	}
	return b.String()
}

// indented puts lines into the kafka block.
func indented(lines string) string {
	out := ""
	for line := range strings.Lines(lines) {
		out += "\n  " + strings.TrimSuffix(line, "\n")
	}
	return out
}

// quoted joins items as a YAML flow sequence's inside; addresses contain colons.
func quoted(items []string) string {
	var q []string
	for _, i := range items {
		q = append(q, fmt.Sprintf("%q", i))
	}
	return strings.Join(q, ", ")
}

func secretVariable(account string) string { return "TEST_SECRET_" + strings.ToUpper(account) }
