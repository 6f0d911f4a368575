package bench

import (
	"fmt"
	"strings"
)

// peakOrders is a record shopping peak, in orders a second.
const peakOrders = 800

// mix is what the orders of a peak are: the shapes' shares in hundredths, the last shared by several equally.
var mix = []struct {
	hundredths float64
	shapes     []string
}{
	{80, []string{"smooth_1"}},
	{15, []string{"smooth_3x2"}},
	{5, []string{"failover", "cancel", "return"}},
}

var peakRows = []struct {
	row
	unit string
	// of what is measured one unit holds: a core is 1,000 ms a second.
	unitHolds float64
}{
	{row{"actions", "billable actions"}, "/s", 1},
	{row{"events", "history events"}, "/s", 1},
	{row{"bytes", "history bytes"}, " MB/s", 1e6},
	{row{"workflow_tasks", "workflow tasks"}, "/s", 1},
	{row{"activities", "activities"}, "/s", 1},
	{row{"local_activities", "local activities"}, "/s", 1},
	{row{"sql", "round trips to Postgres"}, "/s", 1},
	{row{"sql_commits", "of these commits"}, "/s", 1},
	{row{"cpu_ms_server", "CPU of the Temporal server, ms"}, " cores", 1000},
	{row{"cpu_ms_worker", "CPU of workers, ms"}, " cores", 1000},
	{row{"cpu_ms_gateway", "CPU of gateways, ms"}, " cores", 1000},
	{row{"cpu_ms_postgres", "CPU of Postgres, ms"}, " cores", 1000},
}

// peakTable is what the measured orders come to at the peak, figure by figure; a figure that some shape lacks is
// left out.
func (r *Report) peakTable() table {
	t := table{
		title: fmt.Sprintf("At %d orders a second", peakOrders),
		head:  []string{"", "an order", fmt.Sprintf("at %d/s", peakOrders)},
	}
	for _, figure := range peakRows {
		if sum, arithmetic, measured := r.mixed(figure.name); measured {
			t.rows = append(t.rows, []string{figure.text, arithmetic, plain(sum*peakOrders/figure.unitHolds) + figure.unit})
		}
	}
	return t
}

// mixed is a figure of the mean order of a peak, and how it is reckoned.
func (r *Report) mixed(figure string) (mean float64, arithmetic string, measured bool) {
	var terms []string
	for _, part := range mix {
		var sum float64
		for _, shape := range part.shapes {
			value, found := r.PerOrder[shape][figure]
			if !found {
				return 0, "", false
			}
			sum += value
		}
		value := sum / float64(len(part.shapes))
		mean += value * part.hundredths / 100
		terms = append(terms, fmt.Sprintf("%.2f × %s", part.hundredths/100, plain(value)))
	}
	return mean, strings.Join(terms, " + ") + " = " + plain(mean), true
}
