package embedded

import (
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kfake"
	"go.uber.org/zap"
)

// logger passes kfake's messages on, and picks out those that say that something was not written: kfake has no
// other way to tell. It is called before kfake answers the request concerned.
type logger struct {
	zap    *zap.Logger
	broken func(error)
}

func (l *logger) Logf(level kfake.LogLevel, format string, args ...any) {
	switch level {
	case kfake.LogLevelError:
		l.zap.Error("kfake", zap.String("message", fmt.Sprintf(format, args...)))
	case kfake.LogLevelWarn:
		l.zap.Warn("kfake", zap.String("message", fmt.Sprintf(format, args...)))
	}
	if level <= kfake.LogLevelWarn && lostWrite(format) {
		lost := &lostError{text: fmt.Sprintf("a write failed: "+format, args...)}
		for _, arg := range args {
			if cause, ok := arg.(error); ok {
				lost.cause = cause
			}
		}
		l.broken(lost)
	}
}

// lostError is a write that failed, in kfake's words; kfake formats the cause with %v, so that it would be lost.
type lostError struct {
	text  string
	cause error
}

func (e *lostError) Error() string { return e.text }
func (e *lostError) Unwrap() error { return e.cause }

// lostWrite knows the messages by how they begin. A test provokes the ones that matter, so that a new version of
// kfake which words them differently is noticed.
func lostWrite(format string) bool {
	for _, prefix := range []string{
		"persist ",     // a batch, a group's offset, a producer's state, a state file
		"endTx: ",      // the marker of a commit: the client would hear "committed"
		"save session", // at Close
		"rebuildSegments ",
		"compact ", // of kfake's own state logs
	} {
		if strings.HasPrefix(format, prefix) {
			return true
		}
	}
	return false
}
