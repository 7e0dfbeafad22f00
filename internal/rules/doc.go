// Package rules turns the files of rules/ into decisions: it loads, checks and compiles the event catalogue and the
// rules, and says which intents an event makes.
//
// Load is the one loader: check, test, run and reload all go through it. It finds every mistake of every file in one
// run and gives no Set as long as there is an error, so a bad file can never take effect. A Set does not change once
// it is made and may be used from several goroutines.
//
// Two moments evaluate rules. Stage 1 calls Set.Evaluate for each decoded event. Stage 2, which keeps the profile
// table, calls Set.Tags and Set.ProfilePushes for profile intents, and RenderMerged when a merge closes.
//
// A condition that mentions a field which the event does not have is not met, unless it asks has(field) or gives a
// replacement with ??: see condition.go. The package does no I/O but reading the files, keeps no state, and knows
// nothing of vendors, Kafka or the ledger. The format is described in rules-format.md.
package rules
