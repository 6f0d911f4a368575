#!/usr/bin/env bash
# Runs every fuzz target of the product, one after the other, each for FUZZTIME (default 10s). A target
# that is added later is found by its name. FUZZ narrows them down: FUZZ=Parse scripts/fuzz.sh
#
# An input that breaks a target is kept by Go under testdata/fuzz of its package: commit it with the
# repair, and it is tried again in every ordinary test run.
set -euo pipefail
cd "$(dirname "$0")/.."

time="${FUZZTIME:-10s}"
output="$(mktemp)"
trap 'rm -f "$output"' EXIT
targets=0
failures=0

# More workers would starve what else runs on a small machine.
workers="${FUZZWORKERS:-2}"

while IFS=: read -r file name; do
  targets=$((targets + 1))
  package="./$(dirname "$file")"
  printf '==> fuzz %s %s for %s\n' "$package" "$name" "$time"
  # Go calls a target failed, too, when an input was under way as the time ran out; that is none.
  if ! go test -run '^$' -fuzz "^$name\$" -fuzztime "$time" -fuzzminimizetime 2s -parallel "$workers" "$package" 2>&1 | tee "$output" &&
    ! { grep -q '^    context deadline exceeded' "$output" && ! grep -q 'Failing input written' "$output"; }; then
    failures=$((failures + 1))
    printf 'error: %s in %s found an input that breaks it\n' "$name" "$package"
  fi
done < <(
  grep -rEo --include='*_test.go' "^func Fuzz[A-Za-z0-9_]*${FUZZ:-}[A-Za-z0-9_]*\(" \
    activities internal starter worker workflows | sed 's/func //; s/($//' | sort
)

printf 'fuzz: %d targets, %d failures\n' "$targets" "$failures"
[ "$failures" -eq 0 ] && [ "$targets" -gt 0 ]
