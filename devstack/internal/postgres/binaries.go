//go:build unix

package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"

	"github.com/dropline/dropline/devstack/internal/failure"
)

// BinariesVariable names the environment variable with the directory of postgres and initdb.
const BinariesVariable = "DROPLINE_POSTGRES_BIN"

// binaries is one installation: the directory that holds postgres and initdb.
type binaries struct {
	dir   string
	major int
}

func (b binaries) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, filepath.Join(b.dir, name), args...)
	// A small fixed environment: PGDATA and its like would change what the server does,
	// and message and time formats must not depend on who starts it.
	command.Env = []string{"PATH=" + b.dir + ":/usr/bin:/bin", "LC_ALL=C", "LANG=C", "TZ=UTC"}
	command.Dir = "/"
	return command
}

// installationGlobs are the usual places, by distribution: Debian and Ubuntu, the PGDG RPMs,
// Homebrew on Apple silicon and on Intel, Postgres.app.
var installationGlobs = []string{
	"/usr/lib/postgresql/*/bin",
	"/usr/pgsql-*/bin",
	"/opt/homebrew/opt/postgresql*/bin",
	"/usr/local/opt/postgresql*/bin",
	"/Applications/Postgres.app/Contents/Versions/*/bin",
}

// search is where to look for Postgres and what will do.
type search struct {
	explicit string // DROPLINE_POSTGRES_BIN
	path     string // directory of the postgres found on PATH, "" if none
	globs    []string
	cache    string // directory of fetched copies
	as       identity
	major    int // the only acceptable major version, 0 for any
}

func newSearch(as identity, major int) (search, error) {
	cache, err := cacheDir(as)
	if err != nil {
		return search{}, err
	}
	s := search{explicit: os.Getenv(BinariesVariable), globs: installationGlobs, cache: cache, as: as, major: major}
	if found, err := exec.LookPath("postgres"); err == nil {
		if target, err := filepath.EvalSymlinks(found); err == nil {
			s.path = filepath.Dir(target)
		}
	}
	return s, nil
}

// find returns an installation that runs here, fetching one with npm if there is none.
func (s search) find(ctx context.Context, report func(string)) (binaries, error) {
	if s.explicit != "" {
		found, err := s.try(ctx, s.explicit)
		if err != nil {
			return binaries{}, failure.WithHint(fmt.Errorf("%s=%s: %w", BinariesVariable, s.explicit, err),
				"Point it at the directory that holds postgres and initdb, or unset it to have one found.")
		}
		return found, nil
	}
	for _, dir := range s.candidates() {
		if found, err := s.try(ctx, dir); err == nil {
			return found, nil
		}
	}
	return s.fetch(ctx, report)
}

// candidates lists the directories to try, best first: PATH, then the newest installation
// of each kind, then the copy fetched earlier.
func (s search) candidates() []string {
	var dirs []string
	if s.path != "" {
		dirs = append(dirs, s.path)
	}
	for _, glob := range s.globs {
		found, err := filepath.Glob(glob)
		if err != nil {
			continue
		}
		slices.SortFunc(found, func(a, b string) int { return cmp.Compare(versionIn(b), versionIn(a)) })
		dirs = append(dirs, found...)
	}
	return append(dirs, s.fetchedDir())
}

var firstNumber = regexp.MustCompile(`\d+`)

// versionIn reads the version of a directory such as /usr/lib/postgresql/16/bin from its
// parent's name; one without a number, such as Homebrew's plain "postgresql", is its newest
// and sorts first.
func versionIn(dir string) int {
	number, err := strconv.Atoi(firstNumber.FindString(filepath.Base(filepath.Dir(dir))))
	if err != nil {
		return 1 << 30
	}
	return number
}

// try runs `postgres --version` as the user that will run the server.
func (s search) try(ctx context.Context, dir string) (binaries, error) {
	found := binaries{dir: dir}
	if _, err := os.Stat(filepath.Join(dir, "initdb")); err != nil {
		return binaries{}, err
	}
	command := found.command(ctx, "postgres", "--version")
	s.as.apply(command)
	said, err := command.Output()
	if err != nil {
		return binaries{}, fmt.Errorf("postgres --version: %w", err)
	}
	found.major, err = strconv.Atoi(firstNumber.FindString(string(said)))
	if err != nil {
		return binaries{}, fmt.Errorf("postgres --version said %q: %w", said, err)
	}
	if s.major != 0 && s.major != found.major {
		return binaries{}, fmt.Errorf("it is version %d, the existing data needs %d", found.major, s.major)
	}
	return found, nil
}

// cacheDir is where fetched copies live: the user's cache, or under root a directory that
// the unprivileged user can read.
func cacheDir(as identity) (string, error) {
	if as.other {
		return "/var/cache/dropline", nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", failure.WithHint(errors.New("no cache directory: neither XDG_CACHE_HOME nor HOME is set"),
			"Set HOME to a directory you may write to.")
	}
	return filepath.Join(dir, "dropline"), nil
}
