#!/bin/bash
#SBATCH --job-name=flowers
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=32
#SBATCH --time=04:00:00
#SBATCH --requeue
#SBATCH --signal=B:TERM@120
# Train one run on two nodes of four GPUs: sbatch slurm.sh. The run folder must be on a disk that both nodes see. A job
# that is queued again continues its run, as its id is the name of the launch.
set -euo pipefail

first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
trap 'kill -TERM "$step"; wait "$step"' TERM  # two minutes before the end every process saves its step

# Else a machine that comes back waits for an address that torch 2.14 tells only once.
export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1

srun torchrun --nnodes "$SLURM_NNODES" --nproc-per-node 4 --max-restarts 3 \
    --rdzv-backend c10d --rdzv-endpoint "$first:29400" --rdzv-id "$SLURM_JOB_ID" --no-python \
    cardinet train resnext50_32x4d --data flowers --recipe paper-imagenet --batch-size 1024 --out runs/flowers &
step=$!
wait "$step"
