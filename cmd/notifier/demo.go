package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/demo"
)

func newDemoCmd() *cobra.Command {
	var (
		o      demo.Options
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "broker, sandbox, rules and a stream of events in one process",
		Long: `Runs everything in one process, with nothing but this program: an embedded broker, the vendor's sandbox, the rules
that ship, and a stream of events of which nine in ten match nothing. Nothing leaves this machine.

With --for it ends by itself and exits 0 if the books balance, if something of everything was sent, merged and left
waiting for quota, and if the vendor never had to refuse; without, it runs until Ctrl-C.

With --vendor getui the account is at Getui; rule files that Getui cannot serve are left out and named.`,
		Example: `  notifier demo
  notifier demo --for 15s --json
  notifier demo --vendor getui                the same at Getui
  notifier demo --rules rules/ --rate 200     your own rules; edits take effect while it runs
  notifier demo --data demo-data              kept, and gone on with at the next start`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case o.Vendor != "rongcloud" && o.Vendor != "getui":
				return &exitError{exitUsage, fmt.Errorf("--vendor %s: must be rongcloud or getui", o.Vendor)}
			case o.For < 0:
				return &exitError{exitUsage, fmt.Errorf("--for %s: must be above 0, like 15s", o.For)}
			case cmd.Flag("for").Changed && o.For == 0:
				return &exitError{exitUsage, errors.New("--for 0s: must be above 0, like 15s; leave it out to run until Ctrl-C")}
			case !(o.Rate > 0 && o.Rate <= demo.MaxRate):
				return &exitError{exitUsage, fmt.Errorf("--rate %v: must be above 0 and at most %d events a second", o.Rate, demo.MaxRate)}
			}
			// The first signal ends the stream and drains; after it a second one ends the process at once.
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			context.AfterFunc(ctx, stop)
			return runDemo(ctx, cmd, o, asJSON)
		},
	}
	f := cmd.Flags()
	f.DurationVar(&o.For, "for", 0, "how long the stream runs, like 15s (default: until Ctrl-C)")
	f.Int64Var(&o.Seed, "seed", 42, "seed of the stream")
	f.Float64Var(&o.Rate, "rate", 40, fmt.Sprintf("events a second; with --for, at least %d in all", demo.ShowsAll))
	f.StringVar(&o.Data, "data", "", "keep the broker's data in this directory (default: in memory)")
	f.StringVar(&o.Rules, "rules", "", "folder of rule files (default: the rules that ship)")
	f.StringVar(&o.Vendor, "vendor", "rongcloud", "at which vendor's sandbox: rongcloud or getui")
	f.BoolVar(&asJSON, "json", false, "print the result as one JSON object")
	return cmd
}

func runDemo(ctx context.Context, cmd *cobra.Command, o demo.Options, asJSON bool) error {
	o.Progress = cmd.ErrOrStderr()
	if t, ok := o.Progress.(*os.File); ok && term.IsTerminal(int(t.Fd())) && os.Getenv("TERM") != "dumb" {
		o.Screen = &demo.Screen{Out: t, Color: os.Getenv("NO_COLOR") == "", Size: func() (width, height int) {
			w, h, err := term.GetSize(int(t.Fd()))
			if err != nil {
				return 80, 24
			}
			return w, h
		}}
	}
	r, err := demo.Run(ctx, o)
	if err != nil {
		if re, ok := errors.AsType[*app.RulesError](err); ok {
			_ = printFindings(cmd, re.List)
		}
		if _, ok := errors.AsType[*demo.SettingsError](err); ok {
			return &exitError{exitSettings, err}
		}
		return err
	}
	if asJSON {
		err = printJSON(cmd.OutOrStdout(), r)
	} else {
		_, err = fmt.Fprint(cmd.OutOrStdout(), r.Text())
	}
	if err != nil {
		return fmt.Errorf("print the report: %w", err)
	}
	if !r.OK() {
		return &exitError{code: exitFindings}
	}
	return nil
}
