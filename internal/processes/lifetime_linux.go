package processes

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
)

// endWithParent has the kernel end a child when this program dies, be it by kill -9.
func endWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

// Memory is what the process holds of the machine's memory, in bytes (its resident set).
func (p *Process) Memory() (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.ID()))
	if err != nil {
		return 0, fmt.Errorf("measure %s: %w", p.Name, err)
	}
	fields := bytes.Fields(text)
	if len(fields) < 2 {
		return 0, fmt.Errorf("measure %s: its process is gone", p.Name)
	}
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("measure %s: %w", p.Name, err)
	}
	return pages * int64(os.Getpagesize()), nil
}
