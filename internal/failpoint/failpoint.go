// Package failpoint names the moments at which a crash matters, and ends the process at one of them when a crash test asks for it.
//
// It exists only in binaries that are built with the tag failpoints: without it Here is empty and nothing of this package, not
// even a name, is in the binary. The test of this package holds that.
package failpoint

// The moments, in the way of an event.
const (
	Polled      = "polled"       // stage 1 has records in hand
	Evaluated   = "evaluated"    // their intents are produced, stage 1 has not committed
	Stage1      = "stage1"       // stage 1 has committed
	Fenced      = "fenced"       // a take-over has locked out earlier owners, its owner records are not written
	Restored    = "restored"     // the ledger is read, the actor does not run yet
	Planned     = "planned"      // calls are decided, nothing of them is written
	Produced    = "produced"     // attempts are produced, their transaction is open
	Committed   = "committed"    // attempts are on record, no connection was asked for
	FirstByte   = "first-byte"   // one byte of the request was handed to the kernel
	FullRequest = "full-request" // the whole request was
	Answered    = "answered"     // the answer was read, the outcome is not committed
	Released    = "released"     // the ledger says that nothing is in flight, the process has not ended
)
