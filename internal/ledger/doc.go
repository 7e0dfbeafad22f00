// Package ledger is the durable memory of stage 2: the record types of the compacted topic <prefix>.ledger, the
// fold that turns them into a State, the fenced Writer that one owner per partition writes through, and the
// take-over that makes a process that owner.
//
// It promises: every Commit is one Kafka transaction over ledger and fates; after TakeOver returns, no earlier
// owner can commit again, and the State holds everything any earlier owner committed. What to write and when is
// the caller's (package dispatch).
//
// # Keys
//
//	g                      Genesis: partition count, topic ids, incarnation
//	o                      Owner: who writes, released or not (written twice at a take-over)
//	s                      Position: next intents offset, control offset, counters
//	p/<intent id>          Pending: an intent without a fate
//	a/<attempt id>         Attempt: one HTTP call, written before it starts
//	u/<account>/<user>     User: one row of the profile table
//	c/<account>/<scope>/<user>  Taken: when sends to a user were counted (scope: rule/NAME or class/NAME)
//	w/<account>/<rule>/<what>   Sends: how many sends of a rule were counted, for one of its limits
//	w/<account>//<name>         Sends: how much was used of a day that some calls have in common
//	n/<account>/<rule>/<hash>   Once: a send that limits.once lets through once
//	d/<hash>               Seen: a duplicate key and when it may be forgotten
//	x/<scope>              Pause: an operator's pause
//	k/<rule>               Kill: a rule that was given up
//	l/<account>/<lane>     LaneState: a closed lane, for status and for the next owner
//	v/<account>/<command>  Check: a comparison of tags that goes on, or the last resync
//
// Beside it, on the control topic: commands and their answers, the genesis of each partition for stage 1, and Halts.
//
// <account> is the account's identity, vendor:AppKey, never its name. A tombstone deletes the key.
//
// # An attempt's states
//
//	started ──► ok | refused           the vendor answered
//	   │ ├────► not-sent               certainly never left: refunded, the record is deleted
//	   │ └────► unknown ──► (resolve)  ambiguous on a lane that may not repeat; a human decides
//	   ├──────► again ──► (the next try)  ambiguous on a lane that repeats under the same request ids: the members wait
//	   └──────► ambiguous tag call: members go back to pending, the record is deleted
package ledger
