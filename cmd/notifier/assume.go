package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/settings"
)

func newAssumeCmd() *cobra.Command {
	var c changeFlags
	var used int
	cmd := &cobra.Command{
		Use:   "assume ACCOUNT --used N --why TEXT",
		Short: "let a stopped partition go on: N slots of the account's scarce lanes count as used now",
		Long: `For a partition that is stopped because its ledger and the topics do not fit together (notifier status names it). Look in the vendor's console
how many broadcasts the account sent today; when in doubt say more. The partition goes on when this was said of every account in it. What
has a fate on record is not sent again. If the ledger was lost, what waited and has no fate becomes UNKNOWN, since it may have been sent, and
caps, users' tags and repetitions begin empty. There is no undo. Exit code 5: the partition is not stopped, or cannot go on by this.`,
		Example: `  notifier status
  notifier quota assume main --used 2 --why "the console shows 2 today"`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := c.check(spoken(cmd)); err != nil {
				return err
			}
			if !cmd.Flags().Changed("used") || used < 0 || used > ledger.MaxCharge {
				return &exitError{exitUsage, fmt.Errorf("--used is how many slots are used, 0 to %d: look in the vendor's console", ledger.MaxCharge)}
			}
			return assume(cmd, args[0], used, c)
		},
	}
	cmd.Flags().IntVar(&used, "used", 0, "slots used of each scarce lane, at most (required)")
	c.add(cmd)
	return cmd
}

func assume(cmd *cobra.Command, name string, used int, c changeFlags) error {
	r, s, err := reader(cmd)
	if err != nil {
		return err
	}
	if err := knownScope(s, "account/"+name, spoken(cmd)); err != nil {
		return &exitError{exitUsage, err}
	}
	halts, err := r.Halts(cmd.Context())
	if err != nil {
		return unreachable(err)
	}
	byPartition := accountsOf(s)
	var key string
	var p int32
	for part, list := range byPartition {
		for _, ac := range list {
			if ac.Name == name {
				key, p = app.Identity(ac), part
			}
		}
	}
	h, stopped := halts[p]
	switch {
	case !stopped:
		return &exitError{exitGate, fmt.Errorf("partition %d of account %s is not stopped; next: notifier status", p, name)}
	case !h.Kind.Curable():
		return &exitError{exitGate, fmt.Errorf("partition %d cannot go on like this: %s; next: docs/runbook.md#stopped-partition", p, h.What)}
	}
	var others []string
	for _, ac := range byPartition[p] {
		if ac.Name != name {
			others = append(others, ac.Name)
		}
	}
	ask := fmt.Sprintf("quota assume %s: partition %d is stopped since %s: %s\nit goes on with %d slots of each scarce lane of %s used", name, p, h.At.In(s.Zone).Format("2006-01-02 15:04:05 -07:00"), h.What, used, name)
	if h.Kind.Forgot() {
		ask += "; what waited and has no fate becomes UNKNOWN, caps, users' tags and repetitions begin empty"
	}
	if len(others) > 0 {
		ask += "; the same must be said of " + strings.Join(others, ", ")
	}
	if err := confirm(cmd, c.yes, ask, strconv.Itoa(used)); err != nil {
		return err
	}
	args := map[string]string{ledger.ArgUsed: strconv.Itoa(used)}
	if free := freed(halts, byPartition); len(free) > 0 {
		args[ledger.ArgFree] = strings.Join(free, ",")
	}
	return order(cmd, r, s, ledger.Command{Cmd: ledger.CmdAssume, Target: key, Args: args, Expect: h.ID, By: c.by, Why: c.why}, key)
}

// accountsOf gives the accounts of the settings by partition.
func accountsOf(s *settings.Settings) map[int32][]*settings.Account {
	out := map[int32][]*settings.Account{}
	for i := range s.Accounts {
		p := int32(ledger.HashPartition([]byte(app.Identity(&s.Accounts[i])), s.Kafka.Partitions))
		out[p] = append(out[p], &s.Accounts[i])
	}
	return out
}

// freed names the stopped partitions without an account: they have no quota of which anything could be said, and stage 1 waits for them.
func freed(halts map[int32]ledger.Halt, accounts map[int32][]*settings.Account) (out []string) {
	for _, p := range slices.Sorted(maps.Keys(halts)) {
		if h := halts[p]; len(accounts[p]) == 0 && h.Kind.Curable() {
			out = append(out, fmt.Sprintf("%d=%s", p, h.ID))
		}
	}
	return out
}
