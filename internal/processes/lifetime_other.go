//go:build !linux

package processes

import (
	"errors"
	"syscall"
)

// endWithParent has no counterpart here: children are stopped when the program ends in an orderly way.
func endWithParent() *syscall.SysProcAttr { return nil }

// Memory is measured on Linux only.
func (p *Process) Memory() (int64, error) {
	return 0, errors.New("the memory of " + p.Name + " is measured on Linux only")
}
