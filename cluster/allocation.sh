# Runs a study on the machines of one allocation of a batch system; slurm.sh and lsf.sh source it.
#
# They define on_machine (host command...), which becomes a command on that machine (exec: a signal
# must reach it, not a shell around it), and then call run_in_allocation. Ray's processes are children of this job and end with it; the study is told by
# SIGTERM when the time is nearly up, and the same submission continues it.
# shellcheck shell=bash

SWEEP_PYTHON=${SWEEP_PYTHON:-.venv/bin/python}
SWEEP_RAY=${SWEEP_RAY:-.venv/bin/ray}

# run_in_allocation <job id> <CPUs per machine> <study and options> -- <host...>
run_in_allocation() {
    local job=$1 cpus=$2 port study code=0
    shift 2
    local arguments=()
    while [ "$1" != -- ]; do
        arguments+=("$1")
        shift
    done
    shift
    local hosts=("$@")
    port=$((20000 + job % 20000)) # several jobs may share a machine
    local head
    head=$(getent ahostsv4 "${hosts[0]}" | awk 'NR == 1 { print $1 }')
    local address="$head:$port"
    children=()
    trap end_allocation EXIT

    export RAY_AUTH_MODE=token
    "$SWEEP_PYTHON" sweep/auth_token.py

    local common=(--block --num-cpus="$cpus" --dashboard-agent-listen-port=$((port + 2)))
    "$SWEEP_RAY" start --head --node-ip-address="$head" --port="$port" \
        --ray-client-server-port=$((port + 1)) --dashboard-host=127.0.0.1 \
        --temp-dir="/tmp/ray-$(id -un)-$job" "${common[@]}" &
    children+=($!)
    local host
    for host in "${hosts[@]:1}"; do
        on_machine "$host" "$SWEEP_RAY" start --address="$address" "${common[@]}" &
        children+=($!)
    done

    "$SWEEP_PYTHON" sweep/run.py "${arguments[@]}" --address "$address" --nodes "${#hosts[@]}" &
    study=$!
    trap 'kill -TERM "$study" 2>/dev/null' TERM INT USR2
    wait "$study" || code=$?
    while kill -0 "$study" 2>/dev/null; do # a signal ended the waiting, not the study
        code=0
        wait "$study" || code=$?
    done
    return "$code"
}

end_allocation() {
    trap '' TERM INT USR2
    local pid
    for pid in "${children[@]}"; do
        kill -TERM "$pid" 2>/dev/null
    done
    wait
}
