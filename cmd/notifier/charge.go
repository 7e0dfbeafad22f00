package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/settings"
)

func newChargeCmd() *cobra.Command {
	var c changeFlags
	var at string
	var count int
	cmd := &cobra.Command{
		Use:   "charge ACCOUNT/LANE --at TIME --count N --why TEXT",
		Short: "say that somebody else used slots of ours, so that we do not",
		Long: `For what was sent with the same App Key from the console or by another program. The slots count as used from that time on, as source
external, in every window of the lane, also after a restart or a take-over. Each command adds to the ones before. A time of day alone is the
last one that was. There is no undo: the charge ends by itself with its windows.`,
		Example: `  notifier quota charge main/broadcast --at 09:03 --count 1 --why "sent from the console"
  notifier quota charge main/broadcast --at "20m ago" --count 2 --why "test by the app team"`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return charge(cmd, args[0], at, count, c) },
	}
	cmd.Flags().StringVar(&at, "at", "", "when it was: 09:03, 20m ago, 2026-11-21 09:00 (required)")
	cmd.Flags().IntVar(&count, "count", 0, "how many slots (required)")
	c.add(cmd)
	return cmd
}

func charge(cmd *cobra.Command, target, at string, count int, c changeFlags) error {
	if err := c.check(spoken(cmd)); err != nil {
		return err
	}
	if count < 1 || count > ledger.MaxCharge {
		return &exitError{exitUsage, fmt.Errorf(mostly(spoken(cmd), "--count is the number of slots that were used, 1 to %d", "--count 是用掉的名额数，1 到 %d"), ledger.MaxCharge)}
	}
	r, s, err := reader(cmd)
	if err != nil {
		return err
	}
	ac, lane, err := scarceLane(s, target, spoken(cmd))
	if err != nil {
		return &exitError{exitUsage, err}
	}
	now := time.Now()
	when, err := parsePast(at, now, s.Zone, spoken(cmd))
	if err != nil {
		return &exitError{exitUsage, err}
	}
	ask := fmt.Sprintf("quota charge: %d slots of %s count as used by somebody else at %s", count, target, when.In(s.Zone).Format("2006-01-02 15:04:05 -07:00"))
	if err := confirm(cmd, c.yes, ask, strconv.Itoa(count)); err != nil {
		return err
	}
	key := app.Identity(ac)
	return order(cmd, r, s, ledger.Command{Cmd: ledger.CmdCharge, Target: key + "/" + lane, By: c.by, Why: c.why,
		Args: map[string]string{ledger.ArgAccount: key, ledger.ArgAt: when.UTC().Format(time.RFC3339Nano), ledger.ArgCount: strconv.Itoa(count)}}, key)
}

// scarceLane finds a lane of ACCOUNT/LANE that has slots.
func scarceLane(s *settings.Settings, target string, lang diag.Lang) (*settings.Account, string, error) {
	account, lane, _ := strings.Cut(target, "/")
	if err := knownScope(s, "account/"+account, lang); err != nil {
		return nil, "", err
	}
	for i := range s.Accounts {
		ac := &s.Accounts[i]
		if ac.Name != account {
			continue
		}
		names := app.ScarceLanes(ac)
		for _, n := range names {
			if n == lane {
				return ac, lane, nil
			}
		}
		return nil, "", fmt.Errorf(mostly(lang, "%q names no lane with slots: %s/%s", "%q 不是有名额的通道，有：%s/%s"), target, account, strings.Join(names, ", "+account+"/"))
	}
	return nil, "", fmt.Errorf(mostly(lang, "no account %q", "没有账号 %q"), account)
}

// parsePast reads a time that was: as parseSince does, or a time of day, which is the last one.
func parsePast(s string, now time.Time, zone *time.Location, lang diag.Lang) (time.Time, error) {
	if s == "" {
		return time.Time{}, errors.New(mostly(lang, "--at is missing: say when it was, for example --at 09:03", "缺少 --at：请写是什么时候，例如 --at 09:03"))
	}
	if d, err := time.ParseInLocation("15:04", s, zone); err == nil {
		n := now.In(zone)
		at := time.Date(n.Year(), n.Month(), n.Day(), d.Hour(), d.Minute(), 0, 0, zone)
		if at.After(now) {
			at = time.Date(n.Year(), n.Month(), n.Day()-1, d.Hour(), d.Minute(), 0, 0, zone)
		}
		return at, nil
	}
	at, err := parseSince(s, now, zone, lang)
	if err == nil && at.After(now) {
		err = fmt.Errorf(mostly(lang, "%s is in the future: charge what was used", "%s 是将来的时间：请登记已经用掉的"), at.In(zone).Format("2006-01-02 15:04:05 -07:00"))
	}
	return at, err
}
