package crash

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// call is one that a worker made.
type call struct {
	name string
	at   time.Time
}

// worker is a worker process.
type worker struct {
	command *exec.Cmd
	stdin   io.Closer
	began   time.Time
	errors  bytes.Buffer
	ended   chan struct{} // closed when it is gone and all it told is known

	mu    sync.Mutex
	calls []call
}

// startWorker starts this program again as a worker that dies at the point, or does not.
func startWorker(environment []string, armed *Point) (*worker, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	w := &worker{ended: make(chan struct{})}
	w.command = exec.Command(self) //nolint:noctx,gosec // it is killed, and it is this program
	point := lives
	if armed != nil {
		point = armed.String()
	}
	w.command.Env = append(append(os.Environ(), environment...), lifeVariable+"="+point)
	w.command.Stderr = &w.errors
	told, err := w.command.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start a worker: %w", err)
	}
	if w.stdin, err = w.command.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start a worker: %w", err)
	}
	w.began = time.Now()
	if err := w.command.Start(); err != nil {
		return nil, fmt.Errorf("start a worker: %w", err)
	}
	go func() {
		defer close(w.ended)
		w.hear(told)
		_ = w.command.Wait() // how it ended is read from the process state
	}()
	return w, nil
}

func (w *worker) hear(told io.Reader) {
	for lines := bufio.NewScanner(told); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if len(words) != 3 || words[0] != "call" {
			continue
		}
		nanoseconds, err := strconv.ParseInt(words[1], 10, 64)
		if err != nil {
			continue
		}
		w.mu.Lock()
		w.calls = append(w.calls, call{words[2], time.Unix(0, nanoseconds)})
		w.mu.Unlock()
	}
}

// made lists its calls so far.
func (w *worker) made() []call {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]call(nil), w.calls...)
}

// killed says that it died as the point wanted it to.
func (w *worker) killed() bool {
	status, ok := w.command.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// kill ends it if it still runs.
func (w *worker) kill() error {
	if err := w.command.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill a worker: %w", err)
	}
	<-w.ended
	_ = w.stdin.Close() // nobody reads it any more
	return nil
}
