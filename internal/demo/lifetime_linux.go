package demo

import "syscall"

// endWithParent has the kernel end a child when this program dies, be it by kill -9.
func endWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
