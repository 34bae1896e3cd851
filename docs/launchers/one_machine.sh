#!/bin/bash
# Train one run with all GPUs of this machine. A process that is lost is started again up to 3 times, and the run goes
# on from its checkpoint. Give the number of processes as the first word (default: the number of GPUs).
set -euo pipefail

torchrun --nproc-per-node "${1:-gpu}" --max-restarts 3 --no-python \
    cardinet train resnext50_32x4d --data flowers --recipe paper-imagenet --batch-size 256 --out runs/flowers
