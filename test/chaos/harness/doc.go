// Package harness is the crash test itself: it kills the daemon with its embedded broker, again and again, and lets package audit
// judge what the vendor got. The program and the tests of this module run it.
//
// A run is divided into rounds of at most roundKills kills. Each has a daemon, a vendor and topics of its own, is drained and
// audited in full, and leaves nothing to the next: what the topics hold would otherwise make every restart slower than the one before. A start
// compacts the ledger when it has become long; what that takes away was read from the disk before.
package harness
