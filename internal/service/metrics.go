package service

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"go.temporal.io/sdk/client"
)

// counted are the SDK's counters that an operator is woken for, and what they count. The others would
// need more labels than a worker should keep.
var counted = map[string]string{
	"temporal_workflow_task_execution_failed":  "Workflow tasks that failed: their order stands still while they are tried again.",
	"temporal_workflow_failed":                 "Workflows that ended in a failure.",
	"temporal_activity_execution_failed":       "Attempts of activities that failed.",
	"temporal_local_activity_execution_failed": "Attempts of local activities, the steps in Postgres, that failed.",
}

// mostSeries bounds the labels: whoever may start workflows chooses their types' names. What comes after
// them is counted under the type "other".
const mostSeries = 500

// series is one counter with its labels.
type series struct{ name, workflow, activity, reason string }

// counters count what the SDK tells of, since the process began.
type counters struct {
	mu   sync.Mutex
	seen map[series]int64
}

func newCounters() *counters { return &counters{seen: map[series]int64{}} }

func (c *counters) add(s series, n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.seen[s]; !known && len(c.seen) >= mostSeries {
		s = series{name: s.name, workflow: "other"}
	}
	c.seen[s] += n
}

// handler is what the SDK tells.
func (c *counters) handler() client.MetricsHandler { return meter{counters: c} }

// meter is a handler with the labels so far.
type meter struct {
	counters *counters
	labels   series
}

// WithTags takes the labels that are shown.
func (m meter) WithTags(tags map[string]string) client.MetricsHandler {
	for tag, label := range map[string]*string{
		"workflow_type": &m.labels.workflow, "activity_type": &m.labels.activity, "failure_reason": &m.labels.reason,
	} {
		if value, given := tags[tag]; given {
			*label = value
		}
	}
	return m
}

// Counter counts what is shown, and forgets the rest.
func (m meter) Counter(name string) client.MetricsCounter {
	if counted[name] == "" {
		return client.MetricsNopHandler.Counter(name)
	}
	m.labels.name = name
	return counter(m)
}

// Gauge is not shown.
func (meter) Gauge(name string) client.MetricsGauge { return client.MetricsNopHandler.Gauge(name) }

// Timer is not shown.
func (meter) Timer(name string) client.MetricsTimer { return client.MetricsNopHandler.Timer(name) }

type counter meter

// Inc counts.
func (c counter) Inc(n int64) { c.counters.add(c.labels, n) }

// ServeHTTP answers in Prometheus' text format (version 0.0.4).
func (c *counters) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = w.Write([]byte(c.text())) // a caller that has gone needs no answer
}

func (c *counters) text() string {
	c.mu.Lock()
	all := slices.SortedFunc(maps.Keys(c.seen), func(a, b series) int {
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.workflow, b.workflow), cmp.Compare(a.activity, b.activity), cmp.Compare(a.reason, b.reason))
	})
	values := maps.Clone(c.seen)
	c.mu.Unlock()
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(counted)) {
		fmt.Fprintf(&text, "# HELP %[1]s %[2]s\n# TYPE %[1]s counter\n", name, counted[name])
		for _, s := range all {
			if s.name == name {
				fmt.Fprintf(&text, "%s%s %d\n", name, s.labelled(), values[s])
			}
		}
	}
	return text.String()
}

// escaped is a label's value as the format wants it.
var escaped = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

func (s series) labelled() string {
	var labels []string
	for _, label := range [][2]string{{"workflow_type", s.workflow}, {"activity_type", s.activity}, {"failure_reason", s.reason}} {
		if label[1] != "" && label[1] != "none" { // the SDK's word for what does not apply
			labels = append(labels, label[0]+`="`+escaped.Replace(label[1])+`"`)
		}
	}
	if len(labels) == 0 {
		return ""
	}
	return "{" + strings.Join(labels, ",") + "}"
}
