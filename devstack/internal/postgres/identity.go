//go:build unix

package postgres

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/dropline/dropline/devstack/internal/failure"
)

// identity is the user Postgres runs as. The zero value is the current user; root is not
// accepted by Postgres, so under root it is somebody with no privileges.
type identity struct {
	uid, gid int
	other    bool
}

// runAs chooses the user: the current one, or under root `postgres`, else `nobody`.
func runAs() (identity, error) {
	if os.Geteuid() != 0 {
		return identity{uid: os.Geteuid(), gid: os.Getegid()}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		account, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errUID := strconv.Atoi(account.Uid)
		gid, errGID := strconv.Atoi(account.Gid)
		if err := errors.Join(errUID, errGID); err != nil {
			return identity{}, fmt.Errorf("read the ids of user %s: %w", name, err)
		}
		return identity{uid: uid, gid: gid, other: true}, nil
	}
	return identity{}, failure.WithHint(
		errors.New("running as root, which PostgreSQL refuses, and there is no user postgres or nobody to run it as"),
		"Run as an ordinary user, or set DATABASE_URL to a Postgres of your own.")
}

// apply makes command run as the identity.
func (i identity) apply(command *exec.Cmd) {
	if command.SysProcAttr == nil {
		command.SysProcAttr = &syscall.SysProcAttr{}
	}
	if i.other {
		command.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(i.uid), Gid: uint32(i.gid)}
	}
}

// own makes a new private directory that belongs to the identity.
func (i identity) own(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if !i.other {
		return nil
	}
	return os.Chown(dir, i.uid, i.gid)
}

// reaches tells whether the identity may pass through every directory down to dir. Parts
// that do not exist yet count as passable: they will be made so.
func (i identity) reaches(dir string) bool {
	if !i.other {
		return true
	}
	for at := filepath.Clean(dir); ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		if err == nil && !i.passes(info) || err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false
		}
		if at == filepath.Dir(at) {
			return true
		}
	}
}

func (i identity) passes(info fs.FileInfo) bool {
	owner, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok:
		return false
	case int(owner.Uid) == i.uid:
		return info.Mode()&0o100 != 0
	case int(owner.Gid) == i.gid:
		return info.Mode()&0o010 != 0
	default:
		return info.Mode()&0o001 != 0
	}
}
