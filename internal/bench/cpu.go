package bench

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of process times in /proc; Linux has it at 100 a second everywhere.
const tick = 10 * time.Millisecond

// process is what /proc says of one.
type process struct {
	name        string
	parent      int
	used        time.Duration // user and system time
	usedByEnded time.Duration // of children that have ended
}

func processOf(pid int) (process, error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return process{}, fmt.Errorf("read the CPU time of process %d: %w", pid, err)
	}
	// The name stands in parentheses and may hold anything.
	open, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if open < 0 || end < open {
		return process{}, fmt.Errorf("read the CPU time of process %d: no name in its stat", pid)
	}
	fields := strings.Fields(string(text[end+1:]))
	number := func(n int) int { // by its number in proc(5), from 3
		value, _ := strconv.Atoi(fields[n-3]) // the kernel writes numbers
		return value
	}
	return process{
		name: string(text[open+1 : end]), parent: number(4),
		used:        time.Duration(number(14)+number(15)) * tick,
		usedByEnded: time.Duration(number(16)+number(17)) * tick,
	}, nil
}

// memoryOf is the resident memory of a process in MB, and the most it ever was.
func memoryOf(pid int) (now, most float64, err error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return 0, 0, fmt.Errorf("read the memory of process %d: %w", pid, err)
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		kilobytes, _ := strconv.ParseFloat(fields[1], 64) // other lines hold no number
		switch fields[0] {
		case "VmRSS:":
			now = kilobytes / 1024
		case "VmHWM:":
			most = kilobytes / 1024
		}
	}
	return now, most, nil
}

// servers are the processes that the programs stand on.
type servers struct{ temporal, postgres int }

var errNotOnStack = errors.New("CPU time is read from the processes of the embedded stack: run it through devstack exec")

// findServers looks for the Temporal server among the processes that started this one, and for
// Postgres where the stack says it is.
func findServers() (servers, error) {
	var found servers
	if text, err := os.ReadFile(os.Getenv("DROPLINE_TEMPORAL_PID_FILE")); err == nil { //nolint:gosec // the stack names its file; a server with a process of its own
		found.temporal, _ = strconv.Atoi(strings.TrimSpace(string(text))) // 0 is none
	}
	for pid := os.Getppid(); pid > 1 && found.temporal == 0; {
		p, err := processOf(pid)
		if err != nil {
			return found, err
		}
		if strings.HasPrefix(p.name, "devstack") {
			found.temporal = pid
		}
		pid = p.parent
	}
	text, err := os.ReadFile(os.Getenv("DROPLINE_PG_PID_FILE")) //nolint:gosec // the stack names its file
	if err != nil || found.temporal == 0 {
		return found, errNotOnStack
	}
	found.postgres, err = strconv.Atoi(strings.TrimSpace(string(text)))
	return found, err
}

// usedBy is the CPU time that a process has used, with that of its children, be they alive or not.
func usedBy(pid int) (time.Duration, error) {
	own, err := processOf(pid)
	if err != nil {
		return 0, err
	}
	total := own.used + own.usedByEnded
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0, fmt.Errorf("list processes: %w", err)
	}
	for _, entry := range entries {
		child, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if p, err := processOf(child); err == nil && p.parent == pid { // one that has just ended is with its parent
			total += p.used
		}
	}
	return total, nil
}

// cpu is the time that each part of a deployment has used.
type cpu struct{ server, postgres, worker, gateway time.Duration }

func (c cpu) less(before cpu) cpu {
	return cpu{c.server - before.server, c.postgres - before.postgres, c.worker - before.worker, c.gateway - before.gateway}
}

func (c cpu) total() time.Duration { return c.server + c.postgres + c.worker + c.gateway }

// cpuOf reads the times. A gateway of 0 is none.
func cpuOf(at servers, worker, gateway int) (c cpu, err error) {
	own, err := processOf(at.temporal) // its children are Postgres and this program
	if err != nil {
		return c, err
	}
	c.server = own.used
	if c.postgres, err = usedBy(at.postgres); err != nil {
		return c, err
	}
	if own, err = processOf(worker); err != nil {
		return c, err
	}
	c.worker = own.used
	if gateway == 0 {
		return c, nil
	}
	own, err = processOf(gateway)
	c.gateway = own.used
	return c, err
}
