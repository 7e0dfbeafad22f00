package app

import (
	"context"

	"go.uber.org/zap"
)

// told logs that the service manager could not be told; the daemon goes on.
func (a *App) told(err error) {
	if err != nil {
		a.log.Warn("the service manager does not know where the daemon stands", zap.Error(err))
	}
}

// reloadWhenAsked reads the rule files when somebody asks for it, and tells the service manager how it went: as its status, because a file
// with errors is no failure of the daemon.
func (a *App) reloadWhenAsked(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-a.opt.Reload:
		}
		a.log.Info("asked to reload")
		a.told(a.opt.Manager.Reloading())
		err := a.live.now(ctx)
		if ctx.Err() != nil {
			return nil
		}
		status := a.live.summary()
		if err != nil {
			a.log.Error("the rule files have errors, the last good set stays", zap.Error(err))
			status = "the rule files have errors, the last good set is live: " + err.Error()
		}
		a.told(a.opt.Manager.Ready(status))
	}
}
