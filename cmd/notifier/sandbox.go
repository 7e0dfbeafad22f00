package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/signal"
	"strings"
	"syscall"

	"github.com/notifier/notifier/internal/sandbox"
	"github.com/spf13/cobra"
)

// newSandboxCmd is `notifier sandbox`: the vendors' local server.
func newSandboxCmd() *cobra.Command {
	var (
		o     sandbox.Options
		clock string
		apps  []string
	)
	cmd := &cobra.Command{
		Use:   "sandbox",
		Short: "the vendors' local server: enforces their contracts, keeps a journal, injects faults",
		Long: `A local server that behaves as the contracts of RongCloud and Getui say, quotas
included. When it listens it prints one JSON line with its addresses on stdout,
and runs until SIGINT or SIGTERM. Loopback only. Steer it under /_sbx/ on either
host: reset, clock, journal, tags, services, knobs, deliveries, faults, stats.`,
		Example: `  notifier sandbox
  notifier sandbox --addr 127.0.0.1:18080 --log arrivals.jsonl
  notifier sandbox --clock fixed --lenient --app rongcloud:my-key:my-secret
  notifier sandbox --vendor getui --app getui:my-app-id:my-appkey:my-mastersecret
  curl -s -X POST -d '{"kind":"reset_after","path":"/push.json"}' http://127.0.0.1:18080/_sbx/faults`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if clock != "real" && clock != "fixed" {
				return &exitError{exitUsage, fmt.Errorf("--clock %s: must be real or fixed", clock)}
			}
			o.FixedClock = clock == "fixed"
			for _, text := range apps {
				app, err := parseSandboxApp(text)
				if err != nil {
					return &exitError{exitUsage, err}
				}
				o.Apps = append(o.Apps, app)
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			return runSandbox(ctx, cmd, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Addr, "addr", "127.0.0.1:0", "loopback address of the primary host; the backup host takes the next port")
	f.StringVar(&o.Vendor, "vendor", "both", "which vendor to serve: rongcloud, getui or both")
	f.BoolVar(&o.Lenient, "lenient", false, "RongCloud: accept what production evidently accepts: seconds of any age, any nonce, booleans as strings, unknown fields")
	f.StringVar(&clock, "clock", "real", "real: the machine's; fixed: stands until told, RongCloud's at 2026-01-01T00:00:00Z, Getui's at 2023-11-14T22:13:20Z")
	f.StringVar(&o.Log, "log", "", "append one JSON line per arrival, synced before the answer")
	f.Int64Var(&o.Seed, "seed", 0, "seed of ids and of faults with a probability")
	f.StringArrayVar(&apps, "app", nil, "an account, rongcloud:KEY:SECRET or getui:APPID:APPKEY:MASTERSECRET; repeatable (default "+sandbox.DefaultKey+" and two of Getui)")
	return cmd
}

func runSandbox(ctx context.Context, cmd *cobra.Command, o sandbox.Options) error {
	s, err := sandbox.Start(ctx, o)
	if err != nil { // all that it needs are its flags: a value, an address in use, a file that cannot be written
		return &exitError{exitUsage, err}
	}
	if err := json.NewEncoder(cmd.OutOrStdout()).Encode(s.Ready()); err != nil {
		return errors.Join(fmt.Errorf("print the ready line: %w", err), s.Close())
	}
	return s.Wait()
}

// parseSandboxApp reads rongcloud:KEY:SECRET or getui:APPID:APPKEY:MASTERSECRET; the
// secret may hold colons. Errors do not repeat the secret.
func parseSandboxApp(text string) (sandbox.App, error) {
	vendor, rest, _ := strings.Cut(text, ":")
	app := sandbox.App{Vendor: vendor}
	if vendor == "getui" {
		app.ID, rest, _ = strings.Cut(rest, ":")
	}
	var both bool
	if app.Key, app.Secret, both = strings.Cut(rest, ":"); !both {
		return sandbox.App{}, errors.New("--app: must be rongcloud:KEY:SECRET or getui:APPID:APPKEY:MASTERSECRET")
	}
	return app, nil
}
