// Package embedded runs a Kafka broker inside this process: franz-go's kfake, for the demo, tests and trying
// notifier out without a cluster. It is not for production, and nothing in it is called that.
//
// What it adds to kfake: a lock on the data directory (kfake has none, two of them would destroy it), the same
// port at the next start and a file that tells it, and a stop at the first write that fails. kfake itself logs
// such a failure and goes on: offsets, producer states and the marker of a commit are then acknowledged and
// gone after the next start. Here the connections are cut before that answer leaves, so a client sees an
// error, never a success that was not written ([Broker.Err]).
//
// What it takes away: kfake's cleaner compacts past the last stable offset, where a committed value can
// vanish, applies a retention that no topic asked for, and removes a log before it has written the new one. It never
// runs here. Instead a start rewrites, before kfake reads the directory, the partitions that have more than a few hundred
// batches (compact.go): of a topic with cleanup.policy=compact it keeps the last committed record of each key, and
// tombstones for delete.retention.ms, of any other all that transactions have committed, both in few batches. It never moves
// an offset, a time, or the start or end of a log, and a process killed at any time of it leaves the old log or the new one.
// So a start takes as long as what lives takes, not what ever happened. A directory still grows between two starts, and
// topics that are not compacted always do.
//
// Limits, on purpose: one broker, no replication, no TLS, no authentication, loopback only. Writes are in the
// page cache, not synced: a killed machine may lose the last seconds. What a killed process leaves half written is mended at the
// next start: index entries (mend.go), the markers of a commit over several partitions (mendcommits.go), and the group offsets of
// that commit (mendoffsets.go). After
// SIGKILL with an open transaction kfake hides part of what the same transactional id commits next, so every
// transactional id must end with [Broker.TxnSuffix], which differs at every start. Classic consumer groups may
// get two leaders in one rebalance: use KIP-848 groups, or one instance.
package embedded
