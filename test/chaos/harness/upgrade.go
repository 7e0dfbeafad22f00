package harness

import (
	"context"
	"fmt"

	"github.com/notifier/notifier/test/chaos/rig"
)

// In an upgrade two daemons work at a broker that outlives them. They begin with the old program.

// release is which program a daemon starts with: old or new, "" where there is only one.
func (r *round) release(d *rig.Daemon) string {
	switch {
	case r.opt.Old == nil:
		return ""
	case d.Program == r.opt.Old.Program:
		return "old"
	}
	return "new"
}

// startAll starts one daemon after the other.
func (r *round) startAll(ctx context.Context) error {
	for _, r.daemon = range r.daemons {
		if err := r.start(""); err != nil {
			return err
		}
		if err := r.awaitReady(ctx); err != nil {
			return err
		}
	}
	return nil
}

// change is a cycle of an upgrade. One daemon after the other gets the new program, then the old one, then the new one again: so half of
// the time both releases work. It is stopped in peace, one time in three killed, comes back with the other program, is ended like the
// daemon of any cycle, and comes back once more. The other daemon works on.
func (r *round) change(ctx context.Context, n int) error {
	r.daemon = r.daemons[n%len(r.daemons)]
	err := r.fed(ctx, func() error {
		r.awaitMoment(ctx)
		if n%3 == 2 && len(r.kills)+1 < r.want {
			if err := r.kill(n); err != nil {
				return err
			}
		} else {
			r.terminate()
		}
		r.swap()
		if err := r.life(ctx, n); err != nil {
			return err
		}
		if err := r.start(""); err != nil {
			return err
		}
		return r.awaitReady(ctx)
	})
	if err != nil {
		return fmt.Errorf("cycle %d, daemon %s with the %s program: %w", n, r.daemon.Name, r.release(r.daemon), err)
	}
	return r.alive()
}

// swap gives the daemon whose turn it is the other program.
func (r *round) swap() {
	if r.release(r.daemon) == "old" {
		r.daemon.Program = r.opt.Program
		r.changes["upgrade"]++
		return
	}
	r.daemon.Program = r.opt.Old.Program
	r.changes["roll back"]++
}

// settle leaves every daemon running, with the new program.
func (r *round) settle(ctx context.Context) error {
	for _, r.daemon = range r.daemons {
		old := r.release(r.daemon) == "old"
		if !r.daemon.Ended() {
			if !old {
				continue
			}
			r.terminate()
		}
		if old {
			r.swap()
		}
		if err := r.start(""); err != nil {
			return err
		}
		if err := r.awaitReady(ctx); err != nil {
			return err
		}
	}
	return nil
}

// alive is an error when a daemon that should run has ended.
func (r *round) alive() error {
	for _, d := range r.daemons {
		if d.Ended() {
			return fmt.Errorf("daemon %s ended by itself\n%s", d.Name, d.Tail())
		}
	}
	return nil
}
