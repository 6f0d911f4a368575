//go:build unix

package stack

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/dropline/dropline/devstack/internal/failure"
	"github.com/dropline/dropline/devstack/internal/postgres"
)

// directory is where a stack keeps its files: the user's, which stays, or a temporary one.
type directory struct {
	path      string
	temporary bool
	lock      *os.File
}

// searchable lets other users pass through but not look around: under root Postgres is
// another user, and its own directory below is private to it.
const searchable = 0o711

func openDirectory(state string) (*directory, error) {
	if state == "" {
		return temporaryDirectory()
	}
	path, err := filepath.Abs(state)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(path, searchable); err != nil {
		return nil, failure.WithHint(fmt.Errorf("make the state directory: %w", err),
			"Choose a --state directory you may write to.")
	}
	lock, err := os.OpenFile(filepath.Join(path, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	// The kernel drops the lock with the process, so a kill -9 leaves none behind.
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close()
		return nil, failure.WithHint(fmt.Errorf("the state directory %s is in use by another devstack", path),
			"Stop the other one, or choose another --state directory.")
	}
	return &directory{path: path, lock: lock}, nil
}

func temporaryDirectory() (*directory, error) {
	var failures error
	for _, parent := range []string{os.TempDir(), "/tmp", "/var/tmp"} {
		if !postgres.Reachable(parent) {
			continue
		}
		path, err := os.MkdirTemp(parent, "dropline-")
		if err == nil {
			return &directory{path: path, temporary: true}, os.Chmod(path, searchable)
		}
		failures = errors.Join(failures, err)
	}
	return nil, failure.WithHint(errors.Join(errors.New("no usable temporary directory"), failures),
		"Set TMPDIR to a directory that every user may enter, or use --state DIR.")
}

func (d *directory) file(name string) string { return filepath.Join(d.path, name) }

// close gives the directory up, and removes a temporary one.
func (d *directory) close() error {
	if d.temporary {
		return os.RemoveAll(d.path)
	}
	return d.lock.Close()
}
