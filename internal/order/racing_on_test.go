//go:build race

package order

// underRace: the race detector makes a life ten times as long.
const underRace = true
