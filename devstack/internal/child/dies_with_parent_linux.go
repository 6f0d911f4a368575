package child

import "syscall"

// dieWithParent has the kernel send signal to the process when the thread that started it
// ends, be it by kill -9.
func dieWithParent(attributes *syscall.SysProcAttr, signal syscall.Signal) {
	attributes.Pdeathsig = signal
}
