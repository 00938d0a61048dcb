#!/usr/bin/env bash
# Runs `sluice validate` on the plans that differ from the commit BASE, on all plans where there is no such commit.
# FILES holds pathspecs, one a line; SLUICE is the command. Problems become annotations through matcher.json.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
mapfile -t specs < <(sed '/^[[:space:]]*$/d' <<<"$FILES")

known() { [[ -n "$BASE" ]] && git cat-file -e "$BASE^{commit}" 2>/dev/null; }

list="$(mktemp)"
trap 'rm -f "$list"' EXIT
known || git fetch --quiet --depth=1 origin "$BASE" 2>/dev/null || true # a checkout may hold the newest commit alone
if known; then
    git diff --name-only -z --diff-filter=d "$BASE" HEAD -- "${specs[@]}" >"$list"
else
    echo "no commit to compare with; every plan is checked"
    git ls-files -z -- "${specs[@]}" >"$list"
fi
mapfile -d '' -t plans <"$list"
if ((${#plans[@]} == 0)); then
    echo "no plan has changed"
    exit 0
fi

echo "::add-matcher::$here/matcher.json"
word="$(od -An -N16 -tx1 /dev/urandom | tr -d ' ')" # from here on no line of a plan or file name is taken for a command
echo "::stop-commands::$word"
status=0
"$SLUICE" validate --offline -- "${plans[@]}" 2>&1 || status=$?
echo "::$word::"
exit "$status"
