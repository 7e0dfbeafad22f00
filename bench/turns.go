package main

import (
	"runtime"
	"time"
)

// turns is into how many stretches a round is divided, so that what else happens on the machine falls on all sides alike.
const turns = 8

// byTurns runs the sides one after the other, turns times, and gives the CPU time of this process that each took in all, the
// collector's included: the clock would count what other processes do. A side is told which turn it is.
func byTurns(sides ...func(turn int) error) ([]time.Duration, error) {
	took := make([]time.Duration, len(sides))
	runtime.GC()
	for t := range turns {
		for i, side := range sides {
			began := cpuTime()
			if err := side(t); err != nil {
				return nil, err
			}
			took[i] += cpuTime() - began
		}
	}
	return took, nil
}
