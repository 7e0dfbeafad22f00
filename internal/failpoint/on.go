//go:build failpoints

package failpoint

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
)

// Enabled tells whether this binary has failpoints.
const Enabled = true

// All are the names in the way of an event.
var All = []string{Polled, Evaluated, Stage1, Fenced, Restored, Planned, Produced, Committed, FirstByte, FullRequest, Answered, Released}

var (
	armed = parse(os.Getenv("NOTIFIER_FAILPOINT"))
	hits  atomic.Int64
)

// point is what the environment asks for.
type point struct {
	name string
	hit  int64 // which one counts, from 1
}

// parse reads name:kill or name:kill:n. What it cannot read ends the process: a crash test that kills nothing proves nothing.
func parse(s string) (p point) {
	if s == "" {
		return p
	}
	parts := strings.Split(s, ":")
	var err error
	if p.name, p.hit = parts[0], 1; len(parts) == 3 {
		p.hit, err = strconv.ParseInt(parts[2], 10, 64)
	}
	known := false
	for _, name := range All {
		known = known || name == p.name
	}
	if err != nil || p.hit < 1 || !known || len(parts) < 2 || len(parts) > 3 || parts[1] != "kill" {
		fmt.Fprintf(os.Stderr, "NOTIFIER_FAILPOINT=%q: want NAME:kill or NAME:kill:N with NAME one of %s\n", s, strings.Join(All, " "))
		os.Exit(2)
	}
	return p
}

// Here kills the process, as SIGKILL does, when this moment was asked for and has come as often as that.
func Here(name string) {
	if name != armed.name || hits.Add(1) != armed.hit {
		return
	}
	if p, err := os.FindProcess(os.Getpid()); err == nil {
		_ = p.Kill() // what follows is not reached
	}
	select {}
}
