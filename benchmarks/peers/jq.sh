#!/bin/bash
# jq.sh INPUT FOLDER: the three rules in jq. One jq finds and makes JSON; another makes CSV of the same lines meanwhile.
set -euo pipefail
here=$(dirname "$0")
columns='["id", "name", "keyPrefix", "lastUsedAt", "isActive", "rule"]'
mkfifo "$2/lines"
jq -n -r "$columns as \$columns | \$columns, (inputs | [.[\$columns[]]]) | @csv" <"$2/lines" >"$2/findings.csv" &
jq -c -f "$here/findings.jq" "$1" | tee "$2/lines" | sed -e '1s/^/[/' -e '$!s/$/,/' -e '$s/$/]/' >"$2/findings.json"
wait $!
rm "$2/lines"
