#!/usr/bin/env bash
# Keeps MLflow's server running on the head of a cluster, once: on loopback, reached through SSH, its
# database beside the studies. MLFLOW_BACKEND_STORE_URI names another one, such as Postgres.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
mkdir -p runs
exec 9> runs/.mlflow.lock
flock --nonblock 9 || exit 0 # whoever keeps it running holds the lock

export MLFLOW_DISABLE_TELEMETRY=true
export MLFLOW_BACKEND_STORE_URI=${MLFLOW_BACKEND_STORE_URI:-sqlite:///runs/mlflow.db}
server=("${SWEEP_MLFLOW:-$HOME/venv/bin/mlflow}" server --host 127.0.0.1 --port "${SWEEP_MLFLOW_PORT:-5000}"
    --workers 2
    --artifacts-destination runs/mlartifacts)
# shellcheck disable=SC2016  # the inner shell expands it
setsid nohup bash -c 'while :; do "$@"; sleep "$0"; done' "${SWEEP_MLFLOW_REST_S:-60}" \
    "${server[@]}" >> runs/mlflow.log 2>&1 < /dev/null &
