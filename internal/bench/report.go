package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/temporal"

	"github.com/dropline/dropline/internal/engine"
)

// Report is what was measured, where and when.
type Report struct {
	Seed     uint64            `json:"seed"`
	Date     time.Time         `json:"date"`
	Versions map[string]string `json:"versions"`
	Machine  Machine           `json:"machine"`
	// Measured says of each section when it ran.
	Measured map[string]Measured `json:"measured"`

	PerOrder map[string]Figures `json:"per_order,omitempty"`
	Rules    map[string]Figures `json:"rules,omitempty"`
	Startup  Figures            `json:"startup,omitempty"`
	Intake   Figures            `json:"intake,omitempty"`
	Sleepers Figures            `json:"sleepers,omitempty"`
	Parcels  Figures            `json:"parcels,omitempty"`
	// Notes say what could not be measured, and why.
	Notes []string `json:"notes,omitempty"`
}

// Machine is where it was measured.
type Machine struct {
	Cores    int     `json:"cores"`
	CPU      string  `json:"cpu"`
	MemoryGB float64 `json:"memory_gb"`
	OS       string  `json:"os"`
}

// Measured is when a section ran. LoadAverage is the machine's over the last minute at its end: well
// above the number of cores means that something else ran beside.
type Measured struct {
	At          time.Time `json:"at"`
	Seconds     float64   `json:"seconds"`
	LoadAverage float64   `json:"load_average"`
	Quick       bool      `json:"quick,omitempty"`
}

// newReport begins with what an earlier run says of the sections that do not run now.
func (b *bench) newReport(ctx context.Context) (*Report, error) {
	r := &Report{Measured: map[string]Measured{}}
	if len(b.Only) > 0 {
		before, err := ReadReport(b.File)
		switch {
		case err == nil:
			r = before
		case !errors.Is(err, fs.ErrNotExist):
			return nil, err
		}
	}
	r.Seed, r.Date, r.Machine, r.Notes = b.Seed, time.Now().UTC().Truncate(time.Second), thisMachine(), nil
	var err error
	r.Versions, err = versions(ctx)
	return r, err
}

// ReadReport reads a report's file.
func ReadReport(path string) (*Report, error) {
	text, err := os.ReadFile(path) //nolint:gosec // the caller names the file
	if err != nil {
		return nil, fmt.Errorf("read the results: %w", err)
	}
	var r Report
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("read the results %s: %w", path, err)
	}
	return &r, nil
}

func (r *Report) write(path string) error {
	short := *r
	short.PerOrder, short.Rules = roundedAll(r.PerOrder), roundedAll(r.Rules)
	short.Startup, short.Intake = r.Startup.rounded(), r.Intake.rounded()
	short.Sleepers, short.Parcels = r.Sleepers.rounded(), r.Parcels.rounded()
	text, err := json.MarshalIndent(short, "", "  ")
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o755) //nolint:gosec // results are for everybody to read
	}
	if err == nil {
		err = os.WriteFile(path, append(text, '\n'), 0o644) //nolint:gosec // results are for everybody to read
	}
	if err != nil {
		return fmt.Errorf("write the results: %w", err)
	}
	return nil
}

func roundedAll(of map[string]Figures) map[string]Figures {
	short := map[string]Figures{}
	for name, figures := range of {
		short[name] = figures.rounded()
	}
	return short
}

func thisMachine() Machine {
	m := Machine{Cores: runtime.NumCPU(), OS: runtime.GOOS + "/" + runtime.GOARCH}
	m.CPU = lineOf("/proc/cpuinfo", "model name")
	kilobytes, _ := strconv.ParseFloat(strings.TrimSuffix(lineOf("/proc/meminfo", "MemTotal"), " kB"), 64) // 0 where there is none
	m.MemoryGB = Figures{"gb": kilobytes / (1 << 20)}.rounded()["gb"]
	if name := strings.Trim(lineOf("/etc/os-release", "PRETTY_NAME"), `"`); name != "" {
		m.OS += ", " + name
	}
	return m
}

// lineOf is the value of a "name: value" or "name=value" line of a file; empty when there is none.
func lineOf(path, name string) string {
	file, err := os.Open(path) //nolint:gosec // one of the kernel's files named above
	if err != nil {
		return ""
	}
	defer func() { _ = file.Close() }()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		at := strings.IndexAny(lines.Text(), ":=")
		if at > 0 && strings.TrimSpace(lines.Text()[:at]) == name {
			return strings.TrimSpace(lines.Text()[at+1:])
		}
	}
	return ""
}

func loadAverage() float64 {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(text), " ")
	load, _ := strconv.ParseFloat(first, 64) // the kernel writes a number
	return load
}

func versions(ctx context.Context) (map[string]string, error) {
	found := map[string]string{"go": runtime.Version(), "temporal_sdk": temporal.SDKVersion, "commit": commit(ctx)}
	c, _, err := engine.Lazy(slog.New(slog.DiscardHandler), "")
	if err != nil {
		return nil, err
	}
	defer c.Close()
	info, err := c.WorkflowService().GetSystemInfo(ctx, &workflowservice.GetSystemInfoRequest{})
	if err != nil {
		return nil, fmt.Errorf("ask the Temporal server for its version: %w", err)
	}
	found["temporal_server"] = info.GetServerVersion()
	conn, err := pgx.Connect(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		return nil, fmt.Errorf("ask Postgres for its version: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }()
	var version string
	if err := conn.QueryRow(ctx, `SHOW server_version`).Scan(&version); err != nil {
		return nil, fmt.Errorf("ask Postgres for its version: %w", err)
	}
	found["postgres"] = version
	return found, nil
}

// commit is the revision in the working folder, "unknown" without one.
func commit(ctx context.Context) string {
	revision, err := exec.CommandContext(ctx, "git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	changed, err := exec.CommandContext(ctx, "git", "status", "--porcelain", "--untracked-files=no").Output()
	name := strings.TrimSpace(string(revision))
	if err == nil && len(changed) > 0 {
		name += " with changes"
	}
	return name
}
