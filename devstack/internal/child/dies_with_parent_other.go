//go:build unix && !linux

package child

import "syscall"

// dieWithParent has no counterpart here: the Guard alone looks after orphans.
func dieWithParent(*syscall.SysProcAttr, syscall.Signal) {}
