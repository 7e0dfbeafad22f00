package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"golang.org/x/term"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/systemd"
)

// drainTime bounds the drain: the vendor's time-out of 6 s (longer calls are cut off), the commits around it, and leaving the groups.
const drainTime = 10 * time.Second

var errDrainCut = errors.New("the drain was cut short: the next owner checks what was in flight")

func newRunCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "the daemon",
		Long: `Runs until SIGINT or SIGTERM, then drains: what is in flight is resolved, the ledger is released, exit 0.
A second signal, or 10 seconds, cut the drain short (exit 130 or 143); nothing is lost then either.

SIGHUP reads the rule files at once; without it a change takes effect after two seconds. A service manager that
gives NOTIFY_SOCKET (systemd, Type=notify) is told when the daemon runs, reloads and stops.`,
		Example: `  notifier run -c notifier.yaml`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			defer app.CalmCollector()() // first: the settings and rules of a start would be collected several times
			s, err := loadSettings(cmd)
			if err != nil {
				return err
			}
			log, err := newLogger(s.Log)
			if err != nil {
				return err
			}
			defer func() { _ = log.Sync() }()
			ctx, stop := drainOnSignal(cmd.Context(), log)
			defer stop()
			manager, err := systemd.FromEnv(os.Getenv)
			if err != nil {
				return &exitError{exitUsage, err}
			}
			hangups, stopHangups := reloadOnHangup()
			defer stopHangups()
			a, err := app.New(ctx, app.Options{Settings: s, Log: log, Manager: manager, Reload: hangups})
			if err != nil {
				if re, ok := errors.AsType[*app.RulesError](err); ok {
					_ = printFindings(cmd, re.List)
				}
				if ne, ok := errors.AsType[*app.NoStartError](err); ok {
					_ = printFindings(cmd, ne.List)
				}
				return err
			}
			defer a.Close()
			return a.Run(ctx)
		},
	}
}

// reloadOnHangup gives the signals that ask for a reload of the rule files. In a terminal SIGHUP means that it was closed: then the program
// ends, as others do.
func reloadOnHangup() (<-chan os.Signal, func()) {
	if term.IsTerminal(int(os.Stderr.Fd())) {
		return nil, func() {}
	}
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGHUP)
	return c, func() { signal.Stop(c) }
}

// drainOnSignal ends the context at the first signal, and the process at the second or when the drain takes too long.
func drainOnSignal(ctx context.Context, log *zap.Logger) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	sig := make(chan os.Signal, 2)
	signal.Notify(sig, syscall.SIGINT, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		var s os.Signal
		select {
		case s = <-sig:
		case <-done:
			return
		}
		log.Info("draining", zap.Stringer("signal", s))
		cancel(errors.New(s.String()))
		t := time.NewTimer(drainTime)
		defer t.Stop()
		select {
		case <-done:
			return
		case s = <-sig:
		case <-t.C:
		}
		log.Error(errDrainCut.Error())
		_ = log.Sync()
		code := exitCutShort
		if s == syscall.SIGINT {
			code = 130
		}
		os.Exit(code)
	}()
	return ctx, func() { signal.Stop(sig); close(done); cancel(nil) }
}
