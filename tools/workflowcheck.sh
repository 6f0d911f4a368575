#!/usr/bin/env bash
# Checks the workflows with the given workflowcheck binary, and first that the check itself still
# bites: a tool that silently skips its subject would pass everything.
#
# usage: tools/workflowcheck.sh PATH-TO-WORKFLOWCHECK
set -euo pipefail

workflowcheck=$(realpath "$1")
cd "$(dirname "$0")/.."

canary=./internal/architecture/testdata/clockworkflow
if found=$("$workflowcheck" "$canary" 2>&1) || ! grep -q 'time\.Now' <<<"$found"; then
	echo "error: workflowcheck did not refuse $canary, which reads the clock in a workflow:" >&2
	echo "$found" >&2
	exit 1
fi

# One finding can unfold into thousands of lines of the standard library; its head names the cause.
if ! found=$("$workflowcheck" -test=false -config tools/workflowcheck.config.yaml -show-pos ./workflows/... 2>&1); then
	sed -n 1,60p <<<"$found" >&2
	echo "error: a workflow is not deterministic; its replay would go another way" >&2
	echo "hint: move the call into an activity, or sort; -show-pos above leads to the line" >&2
	exit 1
fi
