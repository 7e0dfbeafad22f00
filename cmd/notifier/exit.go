package main

// What a command ends with; the meanings are in cli.md 2.
const (
	exitFindings    = 1
	exitUsage       = 2
	exitSettings    = 3
	exitUnreachable = 4
	exitGate        = 5
	exitPartial     = 6
	exitInternal    = 70
	exitCutShort    = 143
)

// exitError is an error that ends the process with a code of its own. A nil err means that everything worth saying
// has been said.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }
