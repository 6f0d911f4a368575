#!/bin/sh
# Creates the namespace and the search attributes that operators filter by. Both are harmless when
# they exist. TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE say where; the first argument is the list of
# search attributes, one "Name=Type" (or "Name Type") a line, with # comments.
set -eu

# A new namespace reaches the server's caches within seconds, so the first calls may be too early.
attempt() {
	tries=0
	until "$@"; do
		tries=$((tries + 1))
		if [ "$tries" -ge 30 ]; then
			echo "error: gave up after $tries tries: $*" >&2
			exit 1
		fi
		sleep 2
	done
}

attempt temporal operator cluster health

# 30 days: long enough to look into a settled order's history when its supplier credit is disputed.
if ! temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" >/dev/null 2>&1; then
	attempt temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" --retention 720h
fi

sed -e 's/#.*//' -e 's/[=:]/ /' "$1" | while read -r name type _; do
	[ -n "$name" ] || continue
	attempt temporal operator search-attribute create --name "$name" --type "$type"
done
