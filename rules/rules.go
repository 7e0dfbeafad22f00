// Package rules is the folder of rule files that ship with notifier, embedded so that the demo needs no files.
//
// The files are examples to copy: a catalogue of an online shop's events and the rules on them. The code that reads
// rule files is internal/rules.
package rules

import "embed"

// Files holds the catalogue, the rules and one sample event for each catalogue entry.
//
//go:embed *.yaml samples/*.json
var Files embed.FS
