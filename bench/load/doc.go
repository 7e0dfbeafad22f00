// Package load makes what the benches feed: orders of 1 KB, profile events, the catalogue and the rules for them.
//
// Everything follows from a seed, so that both sides of a ratio and the plain path they are checked against see the same
// bytes. The workload is perf.md's kind "types": 50 kinds of event, `kind == T and amount >= X`, about two rules match an
// event whatever the number of rules.
package load
