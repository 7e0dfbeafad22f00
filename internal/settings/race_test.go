//go:build race

package settings

const underRace = true
