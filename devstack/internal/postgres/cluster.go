//go:build unix

// Package postgres runs a private Postgres server as a child process: found or fetched,
// initialised, kept alive, and never left behind.
package postgres

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/dropline/dropline/devstack/internal/child"
	"github.com/dropline/dropline/devstack/internal/failure"
)

// The one role and database of the private server. Anyone on this machine may connect
// (trust on loopback): it holds development data only.
const (
	role     = "dropline"
	database = "dropline"
)

// Config says where a private server lives and how careful it is.
type Config struct {
	Dir     string // directory of the stack's state; made if missing
	Port    int    // TCP port on the loopback interface
	Durable bool   // false trades crash safety for speed, for data thrown away at the end
	// Settings are more settings of the server, each NAME=VALUE; they win over ours.
	Settings []string
	// Report receives a line when something noteworthy happens, such as a restart.
	Report func(line string)
}

// layout names the files of a server below its directory.
type layout struct {
	data, log, pidFile string
}

// place decides where the data goes. Under root Postgres is another user, who cannot enter
// root's private directories: the data then lives under /var, and a symlink in dir shows where.
func place(dir string, as identity) (layout, error) {
	files := layout{
		data:    filepath.Join(dir, "postgres"),
		log:     filepath.Join(dir, "postgres.log"),
		pidFile: filepath.Join(dir, "postgres.pid"),
	}
	if as.reaches(dir) {
		return files, nil
	}
	digest := sha256.Sum256([]byte(dir))
	name := "dropline-" + hex.EncodeToString(digest[:6])
	// Not below a directory such as /var/tmp, where others could lay a trap for root.
	elsewhere := filepath.Join("/var/lib", name)
	if err := as.own(elsewhere); err != nil {
		return layout{}, failure.WithHint(
			fmt.Errorf("keep the Postgres data of root outside %s, which user %d cannot enter: %w", dir, as.uid, err),
			"Choose a --state directory that every user can enter, or run as an ordinary user.")
	}
	if err := os.Symlink(elsewhere, files.data); err != nil && !errors.Is(err, fs.ErrExist) {
		return layout{}, fmt.Errorf("link %s to %s: %w", files.data, elsewhere, err)
	}
	files.data = elsewhere
	return files, nil
}

// majorOf reads the version a data directory was made by; 0 means there is none yet.
func (l layout) majorOf() (int, error) {
	raw, err := os.ReadFile(filepath.Join(l.data, "PG_VERSION"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(raw)))
}

// initialise makes the data directory. It is built beside the final place and renamed, so
// that a start cut short leaves nothing half made.
func (l layout) initialise(ctx context.Context, found binaries, as identity) error {
	fresh := filepath.Join(l.data, "new")
	if err := os.RemoveAll(fresh); err != nil {
		return err
	}
	if err := as.own(l.data); err != nil {
		return err
	}
	command := found.command(ctx, "initdb", "--pgdata", fresh, "--username", role,
		"--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync", "--no-instructions")
	as.apply(command)
	var said bytes.Buffer
	command.Stdout, command.Stderr = &said, &said
	running, err := child.Start(command, syscall.SIGTERM)
	if err != nil {
		return err
	}
	<-running.Done()
	if running.ExitCode() != 0 {
		return fmt.Errorf("initdb: %s: %s", running.Describe(), failure.LastLines(said.String()))
	}
	return l.adopt(fresh)
}

// adopt moves the finished files up, PG_VERSION last: its presence is what marks the
// directory as complete.
func (l layout) adopt(fresh string) error {
	const marker = "PG_VERSION"
	entries, err := os.ReadDir(fresh)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.Name() == marker {
			continue
		}
		target := filepath.Join(l.data, entry.Name())
		if err := os.RemoveAll(target); err != nil {
			return err
		}
		if err := os.Rename(filepath.Join(fresh, entry.Name()), target); err != nil {
			return err
		}
	}
	if err := os.Rename(filepath.Join(fresh, marker), filepath.Join(l.data, marker)); err != nil {
		return err
	}
	return os.Remove(fresh)
}

// serverArguments are the settings of a private server, all on the command line so that
// the data directory stays as initdb made it.
func serverArguments(data string, config Config) []string {
	settings := []string{
		"listen_addresses=127.0.0.1",
		"port=" + strconv.Itoa(config.Port),
		// TCP alone: no socket file, no length limit on its path, nothing to clean up.
		"unix_socket_directories=",
		"max_connections=600",
		"shared_buffers=64MB",
		"log_timezone=UTC",
		"timezone=UTC",
	}
	if !config.Durable {
		// What a commit wrote is with the kernel and survives a kill -9 of the server, which
		// tests do; only a crash of the machine could lose it. synchronous_commit=off would
		// gain little over this and lose the last commits to a mere kill.
		settings = append(settings, "fsync=off", "full_page_writes=off")
	}
	arguments := []string{"-D", data}
	for _, setting := range slices.Concat(settings, config.Settings) {
		arguments = append(arguments, "-c", setting)
	}
	return arguments
}
