// Package doctor looks at everything that a daemon needs before it can work: settings, rule files, Kafka, our rights there, topics,
// the vendors' credentials, clocks, zone data, disk. Run gives what it found; whatever is not well comes with the command that mends it.
//
// It changes nothing. It reads Kafka's metadata and makes one signed, read-only call for each account.
package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/settings"
)

// State of a finding.
type State string

const (
	OK      State = "ok"
	Unknown State = "unknown" // it could not be looked at, mostly for want of a right that the daemon does not need
	Warning State = "warning" // it works, and will not always
	Error   State = "error"   // it does not work
)

// What a report ends with (cli.md 2).
const (
	exitFindings    = 1
	exitSettings    = 3
	exitUnreachable = 4
)

// Checks are the looks taken, in their order.
var Checks = []string{"settings", "rules", "zones", "disk", "kafka", "rights", "topics", "credentials", "clock"}

// Finding is what one look told.
type Finding struct {
	Check string    `json:"check"`
	State State     `json:"state"`
	On    string    `json:"on,omitempty"` // the file, broker, topic or account it is about
	What  diag.Text `json:"what"`
	How   diag.Text `json:"how,omitzero"`   // what else must be done beside the command
	Next  string    `json:"next,omitempty"` // the command that mends it, or shows more; always there unless the state is ok

	exit int
}

// Report is all findings.
type Report struct {
	Schema   string    `json:"schema"`
	At       time.Time `json:"at"`
	Version  string    `json:"version"`
	Errors   int       `json:"errors"`
	Warnings int       `json:"warnings"`
	Findings []Finding `json:"findings"`
}

// Options are what Run needs.
type Options struct {
	Path string           // of the settings
	Env  []string         // as os.Environ
	Now  func() time.Time // the machine's clock
	Zone string           // folder of the system's zone data; "": /usr/share/zoneinfo

	Version string
}

// doctor is one run.
type doctor struct {
	Options
	s        *settings.Settings
	findings []Finding
	topics   []string // of the catalogue

	// Of the cluster; adm is nil when it cannot be reached.
	adm       *kadm.Client
	opts      []kgo.Opt
	brokers   int
	bootstrap string // of the commands that mend
}

// Run looks at everything that can be looked at.
func Run(ctx context.Context, o Options) (*Report, *settings.Settings) {
	d := &doctor{Options: o}
	if d.settings(); d.s != nil {
		d.rules()
		d.zones()
		d.disk()
		closed := d.kafka(ctx)
		defer closed()
		if d.adm != nil {
			d.rights(ctx)
			d.topicSettings(ctx)
			d.brokersClock(ctx)
			d.brokersDisk(ctx)
		}
		d.credentials(ctx)
	}
	slices.SortStableFunc(d.findings, func(a, b Finding) int { return slices.Index(Checks, a.Check) - slices.Index(Checks, b.Check) })
	r := &Report{Schema: "notifier.doctor/v1", At: o.Now().UTC(), Version: o.Version, Findings: d.findings}
	for _, f := range r.Findings {
		switch f.State {
		case Error:
			r.Errors++
		case Warning:
			r.Warnings++
		}
	}
	return r, d.s
}

// Exit is the process's exit code: unreachable before credentials before everything else; warnings are 0.
func (r *Report) Exit() (code int) {
	for _, f := range r.Findings {
		if f.State == Error {
			code = max(code, f.exit)
		}
	}
	return code
}

func text(en, zh string, args ...any) diag.Text {
	if len(args) == 0 {
		return diag.Text{EN: en, ZH: zh}
	}
	return diag.Text{EN: fmt.Sprintf(en, args...), ZH: fmt.Sprintf(zh, args...)}
}

func (d *doctor) add(f Finding) { d.findings = append(d.findings, f) }

// well notes what is as it must be.
func (d *doctor) well(check, on string, what diag.Text) {
	d.add(Finding{Check: check, State: OK, On: on, What: what})
}

// bad notes what is not, with the command that mends it.
func (d *doctor) bad(check string, state State, on string, what, how diag.Text, next string) {
	d.add(Finding{Check: check, State: state, On: on, What: what, How: how, Next: next, exit: exitFindings})
}

// worse sets the exit code of the last finding.
func (d *doctor) worse(exit int) { d.findings[len(d.findings)-1].exit = exit }

// tool gives a command of Kafka's own for our cluster; where it asks for TLS or a login, those stand in a file of the administrator's.
func (d *doctor) tool(name, args string) string {
	out := name + " --bootstrap-server " + d.bootstrap
	if d.s.Kafka.TLS != nil || d.s.Kafka.SASL != nil {
		out += " --command-config admin.properties"
	}
	return out + " " + args
}

func (d *doctor) own() ledger.Topics { return ledger.TopicsOf(d.s.Kafka.Prefix) }

// quoted is a word as a shell takes it.
func quoted(s string) string {
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-/:,@%+=", r))
	}) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
