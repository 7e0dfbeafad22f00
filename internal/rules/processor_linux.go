package rules

import (
	"runtime"
	"syscall"
	"time"
)

// processorTime is what f takes of a processor, whatever else the machine does meanwhile.
func processorTime(f func()) time.Duration {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	began := threadTime()
	f()
	return threadTime() - began
}

func threadTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_THREAD, &u); err != nil {
		return 0 // then nothing is slow
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
