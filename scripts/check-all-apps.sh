#!/usr/bin/env bash
# Every bug oracle and the containment self-audit of every app, in containers: `sandbox check` for each.
# Heavier than CI is meant to be; takes some minutes and ends with 1 if anything did not hold.
#
#   scripts/check-all-apps.sh [APP...]
set -euo pipefail

failed=()
apps=("$@")
if [ ${#apps[@]} -eq 0 ]; then
  mapfile -t apps < <(sandbox list --json | python3 -c 'import json, sys; print(*(a["name"] for a in json.load(sys.stdin)), sep="\n")')
fi
for app in "${apps[@]}"; do
  echo "== $app"
  sandbox check "$app" --runtime docker || failed+=("$app")
done
if [ ${#failed[@]} -gt 0 ]; then
  echo "did not hold: ${failed[*]}" >&2
  exit 1
fi
echo "all bugs proven and all safeguards held in: ${apps[*]}"
