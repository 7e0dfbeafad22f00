//go:build race

package event

const underRace = true
