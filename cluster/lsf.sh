#!/usr/bin/env bash
# A study on LSF, from the project's folder on a file system that all machines see:
#   STUDY='quickstart --size full' bsub < cluster/lsf.sh
# The same line again continues it. Whatever needs your touch is marked CHANGE.
#BSUB -J study
#BSUB -n 16                     # CHANGE: cores altogether
#BSUB -R span[ptile=8]          # CHANGE: cores per machine
#BSUB -gpu num=1                # CHANGE: GPUs per machine
#BSUB -W 8:00                   # CHANGE
#BSUB -wt 2 -wa URG             # two minutes before that, the study is told to stop: LSF signals
#                               # all processes of a job, and this one ends none but those it tells
#BSUB -o study-%J.log
set -euo pipefail

cd "${LS_SUBCWD:-.}"
# shellcheck source=cluster/allocation.sh
. cluster/allocation.sh

on_machine() {
    local host=$1
    shift
    exec blaunch -z "$host" "$@"
}

mapfile -t hosts < <(awk '!seen[$0]++' "$LSB_DJOB_HOSTFILE") # one line per core: each host once
cores=$(wc -l < "$LSB_DJOB_HOSTFILE")
read -r -a arguments <<< "${STUDY:?say which study: STUDY='quickstart' bsub < cluster/lsf.sh}"
run_in_allocation "$LSB_JOBID" "$((cores / ${#hosts[@]}))" "${arguments[@]}" -- "${hosts[@]}"
