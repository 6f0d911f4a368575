package temporal

import (
	"strconv"
	"strings"
	"time"

	"go.temporal.io/server/common/dynamicconfig"
)

// unlimited stands for "no rate limit" where the server wants a number: requests, reads or
// polls a second, far above what one machine reaches.
const unlimited = 100_000

// dynamicSettings make a server for one developer quick: its defaults protect clusters
// that many tenants share.
// chosen go before it: NAME=VALUE, the value a whole number, true, false or a text.
func dynamicSettings(chosen []string) dynamicconfig.StaticClient {
	settings := map[string]any{
		// How far a timer may be put off to be read together with others, and how often the
		// queues may be read: with the defaults (1s, 20 a second) a small workflow takes 2.1s
		// instead of 0.1s.
		"history.timerProcessorMaxTimeShift":    10 * time.Millisecond,
		"history.timerProcessorMaxPollRPS":      1000,
		"history.transferProcessorMaxPollRPS":   1000,
		"history.visibilityProcessorMaxPollRPS": 1000,

		// One partition a task queue: a task never waits on a partition nobody polls just then.
		"matching.numTaskqueueReadPartitions":  1,
		"matching.numTaskqueueWritePartitions": 1,
		// Lets the FairnessKey of one merchant's orders keep them from starving another's.
		"matching.enableFairness": true,

		"frontend.enableUpdateWorkflowExecution":              true,
		"frontend.enableUpdateWorkflowExecutionAsyncAccepted": true,
		// Lets a start request ask for a clock of its own that skips idle time.
		"frontend.WorkflowTimeSkippingEnabled": true,

		"frontend.rps":                     unlimited,
		"frontend.namespaceRPS":            unlimited,
		"frontend.namespaceRPS.visibility": unlimited,
		"frontend.namespaceCount":          unlimited, // concurrent long polls
		"matching.rps":                     unlimited,
		"history.rps":                      unlimited,
		"frontend.persistenceMaxQPS":       unlimited,
		"matching.persistenceMaxQPS":       unlimited,
		"history.persistenceMaxQPS":        unlimited,
		"worker.persistenceMaxQPS":         unlimited,
		// Registering a namespace and its attributes comes in a burst of calls.
		"frontend.rps.namespaceReplicationInducingAPIs":          unlimited,
		"frontend.namespaceRPS.namespaceReplicationInducingAPIs": unlimited,

		// Nothing leaves this machine.
		"frontend.enableServerVersionCheck": false,
	}
	for _, setting := range chosen {
		name, value, _ := strings.Cut(setting, "=")
		settings[name] = typed(value)
	}
	static := make(dynamicconfig.StaticClient, len(settings))
	for key, value := range settings {
		static[dynamicconfig.MakeKey(key)] = value
	}
	return static
}

// typed is the value as the server's settings file would have it.
func typed(value string) any {
	if n, err := strconv.Atoi(value); err == nil {
		return n
	}
	if yes, err := strconv.ParseBool(value); err == nil {
		return yes
	}
	return value
}
