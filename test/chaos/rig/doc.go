// Package rig runs what a crash test needs as real processes: the vendor's sandbox, the daemon with its embedded broker, and a
// feeder of events that dies and comes back with the broker.
package rig
