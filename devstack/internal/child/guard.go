//go:build unix

package child

import (
	"fmt"
	"io"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// guardScript waits for the end of its input. "done" before that is a clean end; without
// it the owner was killed, and what it left is stopped and removed here.
//
//	$1  the directory to remove ("" removes none)
//	$2  a Postgres postmaster.pid to read the process to stop from
const guardScript = `
group=
while read -r word value; do
  case $word in
    group) group=$value ;;
    done) exit 0 ;;
  esac
done
end_group() { [ -n "$group" ] && kill -s "$1" -- "-$group"; }
end_postgres() { [ -r "$2" ] && read -r pid <"$2" && kill -s "$1" "$pid"; }
end_group TERM
end_postgres QUIT "$2"
sleep 1
end_group KILL
end_postgres KILL "$2"
[ -n "$1" ] && rm -rf -- "$1"
exit 0
`

// Guard is a small shell process that cleans up after a kill -9 of this one: it ends the
// process group it was told of, stops Postgres and removes the temporary directory.
type Guard struct {
	command *exec.Cmd
	mu      sync.Mutex
	orders  io.WriteCloser
}

// StartGuard starts the guard. removeDir may be empty; postmasterPID is the path of the
// pid file Postgres keeps, which need not exist yet.
func StartGuard(removeDir, postmasterPID string) (*Guard, error) {
	command := exec.Command("/bin/sh", "-c", guardScript, "devstack-guard", removeDir, postmasterPID) //nolint:noctx // it must outlive whoever starts it
	command.Dir = "/"
	// Its own session: neither Ctrl-C nor a kill of our process group may take it along.
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	orders, err := command.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("open the guard's input: %w", err)
	}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("start the guard: %w", err)
	}
	return &Guard{command: command, orders: orders}, nil
}

// WatchGroup names the process group to end if this process is killed.
func (g *Guard) WatchGroup(group int) error { return g.order(fmt.Sprintf("group %d", group)) }

// Dismiss ends the guard without action.
func (g *Guard) Dismiss() error {
	if err := g.order("done"); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- g.command.Wait() }()
	select {
	case err := <-ended:
		return err
	case <-time.After(time.Second):
		return g.command.Process.Kill()
	}
}

func (g *Guard) order(line string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, err := io.WriteString(g.orders, line+"\n"); err != nil {
		return fmt.Errorf("tell the guard %q: %w", line, err)
	}
	return nil
}
