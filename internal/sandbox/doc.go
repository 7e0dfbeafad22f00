// Package sandbox is a local server that behaves as the push vendors' published
// contracts say, so that the daemon, its tests and the demo have a far side that
// enforces quotas, signatures and limits instead of a mock that agrees with us.
//
// It serves RongCloud, and Getui under /v2, on two listeners, primary and backup,
// with one state, and answers control calls under /_sbx/ on both: reset, clock,
// journal, tags, services, knobs, devices, deliveries, faults, stats (docs/sandbox.md). Every arrival becomes one journal [Entry]; with [Options.Log]
// it is also on disk, synced, after execution and before the answer, which makes
// that file the ground truth of a crash test.
//
// It imports nothing of this module and shares no code with the clients: a
// mistake in one cannot hide in the other. It listens on loopback only. At RongCloud
// it knows no users, devices or delivery; an audience is recorded as the vendor
// would resolve it ([Effective]), with the users whose stored tags it fits, not
// carried out. At Getui, whose answers are per device, it has devices ([Delivery]).
//
// Contract: docs of the vendors as collected in rongcloud.md (sections 1, 3, 4,
// 5, 6, 8 and the pipeline of section 9), getui.md (section 13) and sandbox.md (the
// control calls). Section and endpoint numbers (E1..E11) in comments refer to the
// first of them; in files and comments named for Getui, to the second.
package sandbox
