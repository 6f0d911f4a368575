#!/bin/sh
# Builds devstack, the development servers in one binary, into .dropline/bin/devstack.
#
#   scripts/build-devstack.sh          build if the sources changed; silent if they did not
#   V=1 scripts/build-devstack.sh      say what it does in any case
#
# A finished binary is kept in the user's cache under the hash of its sources, so another
# clone does not compile it again; old copies are removed. Where both
# TEMPORAL_ADDRESS and DATABASE_URL are set there is nothing to start, and nothing is built.
set -eu

repo=$(cd "$(dirname "$0")/.." && pwd)
sources=$repo/devstack
target=$repo/.dropline/bin/devstack
stamp=$target.sources

say() { printf 'build-devstack: %s\n' "$*" >&2; }
verbose() { [ -z "${V:-}" ] || say "$@"; }
fail() {
  printf 'error: %s\nhint: %s\n' "$1" "$2" >&2
  exit 1
}

if [ -n "${TEMPORAL_ADDRESS:-}" ] && [ -n "${DATABASE_URL:-}" ]; then
  say "TEMPORAL_ADDRESS and DATABASE_URL are set: using those servers, nothing to build"
  exit 0
fi

command -v go >/dev/null 2>&1 ||
  fail "go is not installed" "Install the Go release that $sources/go.mod names, from https://go.dev/dl."

checksum() {
  if command -v sha256sum >/dev/null 2>&1; then sha256sum; else shasum -a 256; fi | cut -c1-24
}

# Every file that decides what is compiled, by relative name and content, and the toolchain.
source_hash() {
  {
    cd "$sources"
    go version
    go env GOOS GOARCH CGO_ENABLED GOFLAGS
    find . -type f \( -name '*.go' ! -name '*_test.go' -o -name go.mod -o -name go.sum \) |
      LC_ALL=C sort | while IFS= read -r file; do
        printf '%s ' "$file"
        checksum <"$file"
      done
  } | checksum
}

hash=$(source_hash)
up_to_date() { [ -x "$target" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$hash" ]; }

if up_to_date; then
  verbose "up to date ($hash)"
  exit 0
fi

cache=${XDG_CACHE_HOME:-${HOME:-}/.cache}/dropline
mkdir -p "$(dirname "$target")"
mkdir -p "$cache" 2>/dev/null || cache=$repo/.dropline/cache
mkdir -p "$cache"
kept=$cache/devstack-$hash

# One build at a time in this clone and, through the cache, across clones. Where flock is
# missing (macOS) a second build costs time but harms nothing: files are moved into place.
if command -v flock >/dev/null 2>&1; then
  exec 9>"$cache/devstack.lock"
  if ! flock -n 9; then
    say "another build is running: waiting for it"
    flock 9
  fi
fi

# install_from FILE: puts FILE in place. A hard link costs no disk; across file systems a copy.
install_from() {
  ln -f "$1" "$target.new.$$" 2>/dev/null || cp "$1" "$target.new.$$"
  mv -f "$target.new.$$" "$target"
  printf '%s\n' "$hash" >"$stamp"
}

# A copy is 150 MB: those unused for 30 days go, and all but the three newest.
prune() {
  find "$cache" -maxdepth 1 -type f -name 'devstack-*' -mtime +30 -exec rm -f {} +
  (cd "$cache" && ls -t | grep '^devstack-' | tail -n +4 | while IFS= read -r old; do rm -f "$old"; done)
}

if up_to_date; then
  verbose "built meanwhile ($hash)"
  exit 0
fi
if [ -x "$kept" ]; then
  touch "$kept"
  install_from "$kept"
  verbose "taken from $kept"
  prune
  exit 0
fi

# progress: a line every ten seconds while the compiler, which says nothing, is at work.
progress() {
  elapsed=0
  while sleep 10; do
    elapsed=$((elapsed + 10))
    say "compiling the embedded Temporal server: the first time takes 3-6 minutes ... ${elapsed}s"
  done
}

began=$(date +%s)
fresh=$cache/.building-$hash.$$
trap 'rm -f "$fresh" "$target.new.$$"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
say "compiling the embedded Temporal server: the first time takes 3-6 minutes"
# The lock's descriptor stays with this shell: a child that outlived it would hold the lock.
progress 9>&- &
ticker=$!
trap 'kill "$ticker" 2>/dev/null || true; rm -f "$fresh" "$target.new.$$"' EXIT
status=0
# The flags leave package builds shared with `go test`; -s -w drops 50 MB of symbols.
(cd "$sources" && GOWORK=off go build -ldflags='-s -w' -o "$fresh" .) 9>&- || status=$?
kill "$ticker" 2>/dev/null || true
wait "$ticker" 2>/dev/null || true
[ "$status" -eq 0 ] ||
  fail "devstack did not compile (the compiler's words are above)" \
    "The first build downloads modules: check the network and GOPROXY. It needs about 3 GB of disk and 4 GB of memory."

mv -f "$fresh" "$kept"
install_from "$kept"
prune
say "built .dropline/bin/devstack in $(($(date +%s) - began))s"
