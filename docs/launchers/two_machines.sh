#!/bin/bash
# Train one run on two machines. Start this on both, with the name or address of the first as the first word:
#
#     bash two_machines.sh first-machine
#
# Both need the pictures at the same path, and the same versions of Cardinet and torch. Only one of them writes the run
# folder. A machine that is lost may be started again with the same command: both go on from the checkpoint.
set -euo pipefail

# Else a machine that comes back waits for an address that torch 2.14 tells only once.
export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1

torchrun --nnodes 2 --nproc-per-node gpu --max-restarts 3 \
    --rdzv-backend c10d --rdzv-endpoint "$1:29400" --rdzv-id flowers-1 --no-python \
    cardinet train resnext50_32x4d --data flowers --recipe paper-imagenet --batch-size 512 --out runs/flowers
