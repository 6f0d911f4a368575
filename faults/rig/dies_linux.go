package rig

import (
	"os/exec"
	"syscall"
)

// dieWithParent ends the process when the one that started it is gone. Go may end the thread that
// started it earlier only if that was locked to a goroutine, which it is not here.
func dieWithParent(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
