#!/usr/bin/env bash
# link_rooms.sh: in a checkout, forearm/NAME leads to the top-level folder that is installed as forearm.NAME.
# Python would find it by the editable install alone; type checkers, editors and copies of the checkout need the path.
set -euo pipefail
cd "$(dirname "$0")/.."

for room in planner envs world_model configs; do
    ln -sfn "../$room" "forearm/$room"
done
