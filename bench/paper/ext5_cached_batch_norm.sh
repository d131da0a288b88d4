#!/usr/bin/env bash
# ext-5: cached against recomputed activations, on batch norm (the approximations) and on group norm (exact).
# CIFAR-10, ResNet-8, selectivity 1/3, scaled to a 2-core CPU: LIMIT training images, EPOCHS epochs, SEEDS seeds a method.
# Prints error, backprops, cost units and seconds of each method, against Traditional of the same norm.
# Usage: bench/paper/ext5_cached_batch_norm.sh DATA_DIR [OUT=runs/ext5] [LIMIT=10000] [EPOCHS=15] [SEEDS=3] [THREADS=2]
# The paper's own setting: MODEL=wrn-28-10:dropout=0.3, LIMIT=0 (all), EPOCHS=200, on a GPU.
set -euo pipefail
cd "$(dirname "$0")/../.."
data=$1 out=${2:-runs/ext5} limit=${3:-10000} epochs=${4:-15} seeds=${5:-3} threads=${6:-2}
model=${MODEL:-resnet8} graft=${GRAFT:-build/cpu/runtime/graft}

train() { # NAME, then what sets the method apart
  local name=$1
  shift
  "$graft" train --data "cifar10:$data" --train-limit "$limit" --model "$model" --epochs "$epochs" --seeds "$seeds" \
    --threads "$threads" --resume --out "$out/$name" "$@"
}
sb=(--sampler sb --beta 2)

train batch-traditional
train batch-A-recompute "${sb[@]}"
train batch-exact-masked "${sb[@]}" --cache masked
for variant in b1p b2 b2prime; do
  train "batch-$variant" "${sb[@]}" --cache reuse --cache-bn $variant
done
train group-traditional --norm group
train group-recompute --norm group "${sb[@]}"
train group-reuse --norm group "${sb[@]}" --cache reuse

for norm in batch group; do
  echo "== $norm norm =="
  "$graft" report "$out/$norm-traditional" $(ls -d "$out/$norm"-* | grep -v traditional) --out "$out/$norm.html"
done
