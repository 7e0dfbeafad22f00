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

	"github.com/notifier/notifier/internal/app"
)

// drainTime bounds the drain: the vendor's time-out of 6 s, the commits around it, and leaving the groups.
const drainTime = 10 * time.Second

var errDrainCut = errors.New("the drain was cut short: the next owner checks what was in flight")

func newRunCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "the daemon",
		Long: `Runs until SIGINT or SIGTERM, then drains: what is in flight is resolved, the ledger is released, exit 0.
A second signal, or 10 seconds, cut the drain short (exit 130 or 143); nothing is lost then either.`,
		Example: `  notifier run -c notifier.yaml`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
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
			defer app.CalmCollector()()
			a, err := app.New(ctx, app.Options{Settings: s, Log: log})
			if err != nil {
				if re, ok := errors.AsType[*app.RulesError](err); ok {
					_ = printFindings(cmd, re.List)
				}
				return err
			}
			defer a.Close()
			return a.Run(ctx)
		},
	}
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
