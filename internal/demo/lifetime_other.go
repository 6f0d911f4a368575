//go:build !linux

package demo

import "syscall"

// endWithParent has no counterpart here: children are stopped when the demo ends in an orderly way.
func endWithParent() *syscall.SysProcAttr { return nil }
