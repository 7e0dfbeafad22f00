package app

import (
	"os"
	"runtime"
)

// room is memory that is never touched, so it is never resident, and counts as live: the first collection of a small heap comes at
// 2 x (room + live) and not at 2 x live. Stage 1 keeps little and throws away much; with a heap of 20 MB it would collect twenty times
// a second, a tenth of its CPU. On a large heap it changes nothing to speak of.
const room = 64 << 20

// CalmCollector makes collections rarer while the heap is small, at the price of up to room more resident memory. Whoever sets GOGC or
// GOMEMLIMIT has decided already. It returns what must be called when the process ends: until then the room stays.
func CalmCollector() (release func()) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return func() {}
	}
	b := make([]byte, room)
	return func() { runtime.KeepAlive(b) }
}
