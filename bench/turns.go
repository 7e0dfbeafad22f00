package main

import (
	"runtime"
	"time"
)

// turns is into how many stretches a round is divided, so that what else happens on the machine falls on all sides alike.
const turns = 8

// spent is what a side took in a round.
type spent struct {
	clock time.Duration
	cpu   time.Duration // of this process, the collector's included: the clock also counts what other processes do
}

// byTurns runs the sides one after the other, turns times. A side is told which turn it is.
func byTurns(sides ...func(turn int) error) ([]spent, error) {
	return byTurnsWith(func(int) {}, sides...)
}

// byTurnsWith calls after, which is not timed, when a side has had a turn.
func byTurnsWith(after func(side int), sides ...func(turn int) error) ([]spent, error) {
	took := make([]spent, len(sides))
	runtime.GC()
	for t := range turns {
		for i, side := range sides {
			began, cpu := time.Now(), cpuTime()
			if err := side(t); err != nil {
				return nil, err
			}
			took[i].clock += time.Since(began)
			took[i].cpu += cpuTime() - cpu
			after(i)
		}
	}
	return took, nil
}

// each is the CPU time of one of n, in ns.
func (s spent) each(n int) float64 { return float64(s.cpu.Nanoseconds()) / float64(n) }
