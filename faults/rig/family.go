package rig

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// Family is a process whose id the stack keeps in the file that the variable names, and all its children.
func Family(variable string) ([]int, error) {
	text, err := os.ReadFile(os.Getenv(variable)) //nolint:gosec // the stack names the file
	if err != nil {
		return nil, fmt.Errorf("find the process to stop: %w", err)
	}
	parent, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, fmt.Errorf("find the process to stop: %w", err)
	}
	pids := []int{parent}
	// Where there is no /proc the server alone is stopped, which keeps it from taking connections.
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", parent, parent))
	for word := range strings.FieldsSeq(string(children)) {
		if pid, err := strconv.Atoi(word); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// Signal reaches those that are still there.
func Signal(pids []int, s syscall.Signal) error {
	for _, pid := range pids {
		if err := syscall.Kill(pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("signal %s: %w", s, err)
		}
	}
	return nil
}
