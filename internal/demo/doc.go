// Package demo is notifier in one process for somebody who has nothing but the program: an embedded broker, the vendor's
// sandbox, the daemon under the rules that ship, and a generator of a believable stream of events.
//
// It is the daemon itself that runs: its settings are a generated file that goes through settings.Load, and package app
// wires it. What is the demo's own is the stream ([Stream]), the view, and the report, whose numbers are counted from the
// topics and the sandbox's journal after the drain, not from what the daemon says of itself.
//
// Neither the hour nor the machine decides the result: the settings use a time zone in which it is 10:00 at the start, the
// stream is a function of its seed, and what is slow is waited for, within bounds.
package demo
