package bench

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// row is a figure of a table.
type row struct {
	name, text string
}

var orderRows = []row{
	{"actions", "billable actions"},
	{"server_actions", "the same as the server counts them"},
	{"events", "history events"},
	{"bytes", "history bytes"},
	{"workflow_tasks", "workflow tasks"},
	{"activities", "activities"},
	{"local_activities", "local activities"},
	{"timers", "timers"},
	{"signals", "signals"},
	{"upserts", "upserts"},
	{"updates", "updates"},
	{"sql", "round trips to Postgres"},
	{"sql_activities", "of these in activities"},
	{"sql_statements", "SQL statements"},
	{"sql_empty", "looks that found nothing"},
	{"replay_allocs", "allocations of a replay"},
	{"replay_us", "µs of a replay"},
}

var loadRows = []row{
	{"cpu_ms", "CPU, ms an order"},
	{"cpu_ms_server", "of these Temporal server"},
	{"cpu_ms_worker", "worker"},
	{"cpu_ms_gateway", "gateway"},
	{"cpu_ms_postgres", "Postgres"},
	{"floor_cpu_ms", "the floor's CPU, ms"},
	{"floor_cpu_ms_server", "of these Temporal server"},
	{"floor_cpu_ms_worker", "worker"},
	{"floor_cpu_ms_postgres", "Postgres"},
	{"floor_cpu_ratio", "ratio to the floor"},
	{"floor_cpu_ratio_without_gateway", "without the gateway"},
	{"orders_per_s", "orders/s"},
	{"floor_orders_per_s", "the floor's orders/s"},
	{"load_events", "history events under load"},
	{"floor_events", "the floor's"},
}

// table is what a section looks like in a document.
type table struct {
	title string
	head  []string
	rows  [][]string
}

func (r *Report) shapeTable(title string, rows []row, limits map[string]Limits) (t table, over bool) {
	t.title, t.head = title, []string{""}
	for _, shape := range Shapes() {
		t.head = append(t.head, shape.Name)
	}
	for _, figure := range rows {
		line := []string{figure.text}
		for _, shape := range Shapes() {
			value, found := r.PerOrder[shape.Name][figure.name]
			if !found {
				line = append(line, "")
				continue
			}
			text := plain(value)
			if most, has := r.PerOrder[shape.Name][figure.name+"_most"]; has && most > value && figure.name != "cpu_ms" {
				text += "–" + plain(most)
				value = most
			}
			if limit, limited := limits[shape.Name][figure.name]; limited {
				text += " / " + plain(limit)
				if value > limit {
					text += " OVER"
					over = true
				}
			}
			line = append(line, text)
		}
		t.rows = append(t.rows, line)
	}
	return t, over
}

func figureTable(title string, f Figures, texts []row) table {
	t := table{title: title, head: []string{"", ""}}
	for _, figure := range texts {
		if value, found := f[figure.name]; found {
			t.rows = append(t.rows, []string{figure.text, plain(value)})
		}
	}
	return t
}

// tables are all that the report holds, by the name of their markers.
func (r *Report) tables(b Budget) (named map[string][]table, over bool) {
	counts, over := r.shapeTable("What an order takes (measured / limit)", orderRows, b.PerOrder)
	load, _ := r.shapeTable("Under load, beside the floor", loadRows, nil)
	named = map[string][]table{
		"per_order": {counts}, "load": {load}, "peak": {r.peakTable()},
		"rules":   {rulesTable(r.Rules)},
		"startup": {figureTable("Programs", r.Startup, startupRows)},
		"intake":  {figureTable("Intake", r.Intake, intakeRows)},
		"sleepers": {
			figureTable("Orders that wait", r.Sleepers, sleeperRows),
			figureTable("Open parcels in one pass of the carrier poll", r.Parcels, parcelRows),
		},
		"run": {r.runTable()},
	}
	return named, over
}

func (r *Report) runTable() table {
	t := table{title: "The run", head: []string{"", ""}}
	t.rows = [][]string{
		{"date", r.Date.Format(time.DateOnly)},
		{"seed", strconv.FormatUint(r.Seed, 10)},
		{"machine", fmt.Sprintf("%d cores, %s, %g GB, %s", r.Machine.Cores, r.Machine.CPU, r.Machine.MemoryGB, r.Machine.OS)},
	}
	for _, name := range []string{"commit", "go", "temporal_server", "temporal_sdk", "postgres"} {
		t.rows = append(t.rows, []string{strings.ReplaceAll(name, "_", " "), r.Versions[name]})
	}
	for _, s := range sections() {
		if m, ran := r.Measured[s.name]; ran {
			text := fmt.Sprintf("%s, %g s, load average %g", m.At.Format("2006-01-02 15:04"), m.Seconds, m.LoadAverage)
			if m.Quick {
				text += ", quick: too short to compare"
			}
			t.rows = append(t.rows, []string{s.name, text})
		}
	}
	for _, note := range r.Notes {
		t.rows = append(t.rows, []string{"note", note})
	}
	return t
}

// plain writes a number as people read it.
func plain(value float64) string {
	switch {
	case value == float64(int64(value)) || value >= 1000:
		return grouped(int64(value + 0.5))
	case value >= 100:
		return strconv.FormatFloat(value, 'f', 0, 64)
	case value >= 10:
		return strconv.FormatFloat(value, 'f', 1, 64)
	}
	return strconv.FormatFloat(value, 'f', 2, 64)
}

func grouped(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}

var tableOrder = []string{"per_order", "load", "peak", "rules", "startup", "intake", "sleepers", "run"}

// Print writes the tables for people, and tells whether a figure is over its limit.
func (r *Report) Print(out io.Writer, b Budget) (over bool) {
	named, over := r.tables(b)
	for _, name := range tableOrder {
		for _, t := range named[name] {
			if len(t.rows) > 0 {
				t.print(out)
			}
		}
	}
	return over
}

func (t table) print(out io.Writer) {
	widths := make([]int, len(t.head))
	for _, line := range append([][]string{t.head}, t.rows...) {
		for i, cell := range line {
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	fmt.Fprintln(out, t.title)
	for _, line := range append([][]string{t.head}, t.rows...) {
		var text strings.Builder
		for i, cell := range line {
			text.WriteString("  " + cell + strings.Repeat(" ", widths[i]-len([]rune(cell))))
		}
		if line := strings.TrimRight(text.String(), " "); line != "" {
			fmt.Fprintln(out, line)
		}
	}
	fmt.Fprintln(out)
}

func (t table) markdown() string {
	var text strings.Builder
	line := func(cells []string) { text.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	line(t.head)
	rule := make([]string, len(t.head))
	for i := range rule {
		rule[i] = "---"
	}
	line(rule)
	for _, cells := range t.rows {
		escaped := slices.Clone(cells)
		for i := range escaped {
			escaped[i] = strings.ReplaceAll(escaped[i], "|", `\|`)
		}
		line(escaped)
	}
	return text.String()
}

var marked = regexp.MustCompile(`(?s)(<!-- bench:([a-z_]+) -->\n).*?(<!-- /bench -->)`)

// WriteInto puts the tables between the markers of a document: <!-- bench:NAME --> and <!-- /bench -->.
func (r *Report) WriteInto(path string, b Budget) error {
	text, err := os.ReadFile(path) //nolint:gosec // the caller names the document
	if err != nil {
		return fmt.Errorf("write figures into a document: %w", err)
	}
	named, _ := r.tables(b)
	var unknown []error
	written := marked.ReplaceAllFunc(text, func(part []byte) []byte {
		found := marked.FindSubmatch(part)
		tables, known := named[string(found[2])]
		if !known {
			unknown = append(unknown, fmt.Errorf("%s: no figures for the marker bench:%s", path, found[2]))
			return part
		}
		var body strings.Builder
		for _, t := range tables {
			body.WriteString("\n" + t.markdown())
		}
		return []byte(string(found[1]) + body.String() + "\n" + string(found[3]))
	})
	if err := errors.Join(unknown...); err != nil {
		return err
	}
	if err := os.WriteFile(path, written, 0o644); err != nil { //nolint:gosec // documents are for everybody to read
		return fmt.Errorf("write figures into a document: %w", err)
	}
	return nil
}
