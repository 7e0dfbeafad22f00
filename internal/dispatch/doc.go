// Package dispatch is stage 2: one actor per owned partition of <prefix>.intents decides which vendor calls may start, writes
// every decision to the ledger in one transaction, and only then lets the calls leave.
//
//	apply ──► plan ──► COMMIT ──► act
//	  ▲                            │
//	  └──────── outcomes ◄─────────┘
//
// All intents of an App Key go to one partition, so one actor, without locks, owns its whole quota, its users and its caps.
//
// Invariants, cited by name in the code and attacked by name in the tests:
//
//	ATTEMPT-FIRST   no byte leaves before the attempt is committed
//	ONE-FATE        a fate is produced in the transaction that removes the pending record, and only there
//	AT-MOST-ONCE    an ambiguous call (recalls too) of a lane that may not repeat becomes UNKNOWN, is charged and never made again
//	ONE-IN-FLIGHT   a user is in at most one tag call at a time
//	NEWEST-WINS     after an ambiguous tag call the set is written once more when that call can no longer arrive, unless it said the same
//	FENCED          after a failed commit nothing is sent and nothing is written; the partition comes back by a take-over
//
// A Model is the same actor in virtual time, for `test`, `explain` and `backtest`: so all that an actor knows of time comes from its clock
// (clock.now, clock.machine), and what it does besides goes through aside or act.
//
// The package knows no vendor: an Account brings its routes, its lanes and a Vendor that makes the call.
package dispatch
