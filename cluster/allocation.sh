# Runs a study on the machines of one allocation of a batch system; slurm.sh and lsf.sh source it.
#
# They define on_machine (host command...), which becomes a command on that machine (exec: a signal
# must reach it, not a shell around it), and then call run_in_allocation. Ray's processes are children
# of this job and end with it, after the study; a signal that reaches this script alone when the time
# is nearly up tells the study, and the same submission continues it.
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
    # Several jobs may share a machine, and each takes three ports: above those of Ray's workers
    # (10002-19999), below those that Linux gives to whoever connects (32768 and on).
    port=$((20000 + job % 4250 * 3))
    local head
    head=$(address_of_head "${hosts[0]}")
    if [ -z "$head" ]; then
        if [ "${#hosts[@]}" -gt 1 ]; then
            echo "cluster/allocation.sh: ${hosts[0]} has no IPv4 address but loopback (getent" \
                "ahostsv4 ${hosts[0]}, hostname -I), where the other machines cannot reach it." >&2
            return 1
        fi
        head=127.0.0.1
    fi
    local address="$head:$port"
    children=()
    trap end_allocation EXIT

    export RAY_AUTH_MODE=token
    # How long Ray waits for a node to drain after SIGTERM. The study is signalled at the same time
    # and needs less than 10 s. Ray's default of 30 s would also delay the job's end.
    export RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S=${RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S:-10}
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
    trap 'kill -TERM "$study" 2>/dev/null' URG USR2 TERM INT
    wait "$study" || code=$?
    while kill -0 "$study" 2>/dev/null; do # a signal ended the waiting, not the study
        code=0
        wait "$study" || code=$?
    done
    return "$code"
}

# address_of_head <name of this machine>: its first IPv4 address by which others may reach it. That
# of its own name is 127.0.1.1 on Debian and those alike.
address_of_head() {
    { getent ahostsv4 "$1" || true; hostname -I 2>/dev/null | tr ' ' '\n' || true; } |
        awk '!found && $1 ~ /^[0-9]+\.[0-9.]+$/ && $1 !~ /^127\./ { found = $1 } END { print found }'
}

end_allocation() {
    trap '' URG USR2 TERM INT
    local pid
    for pid in "${children[@]}"; do
        kill -TERM "$pid" 2>/dev/null
    done
    wait
}
