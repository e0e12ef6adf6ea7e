#!/usr/bin/env bash
# A study on Slurm, from the project's folder on a file system that all machines see:
#   sbatch cluster/slurm.sh quickstart --size full
# The same line again continues it. Whatever needs your touch is marked CHANGE.
#SBATCH --job-name=study
#SBATCH --nodes=2               # CHANGE: machines
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8       # CHANGE: cores per machine
#SBATCH --gpus-per-node=1       # CHANGE: GPUs per machine
#SBATCH --time=08:00:00         # CHANGE
#SBATCH --signal=B:TERM@120     # two minutes before that, the study is told to stop
#SBATCH --output=study-%j.log
set -euo pipefail

cd "${SLURM_SUBMIT_DIR:-.}"
# shellcheck source=cluster/allocation.sh
. cluster/allocation.sh

on_machine() {
    local host=$1
    shift
    exec srun --nodes=1 --ntasks=1 --cpus-per-task="$cores" --nodelist="$host" --exact "$@"
}

cores=${SLURM_CPUS_PER_TASK:-1}
mapfile -t hosts < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
run_in_allocation "$SLURM_JOB_ID" "$cores" "$@" -- "${hosts[@]}"
