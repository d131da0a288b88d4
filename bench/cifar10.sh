#!/usr/bin/env bash
# ResNet-20 on CIFAR-10: Traditional and PyTorch's twin (10 epochs), SB (beta 2, twice the rate, 11 epochs: 1,150,000 cost
# units against Traditional's 1,500,000), one seed after the other.
# Usage: bench/cifar10.sh DATA_DIR PYTHON [SEEDS=3] [THREADS=2] [OUT=runs/cifar10]
set -euo pipefail
cd "$(dirname "$0")/.."
data=$1 python=$2 seeds=${3:-3} threads=${4:-2} out=${5:-runs/cifar10}
graft=build/cpu/runtime/graft
mkdir -p "$out/pytorch"
for s in $(seq 1 "$seeds"); do
  for sampler in traditional sb; do
    how=(--epochs 10); [ $sampler = sb ] && how=(--epochs 11 --beta 2 --lr 0.2)
    "$graft" train --data "cifar10:$data" --model resnet20 --sampler $sampler "${how[@]}" \
      --seed "$s" --threads "$threads" --resume --out "$out/$sampler/seed-$s"
  done
  "$python" bench/peers/pytorch_train.py --data "$data" --model resnet20 --epochs 10 --seed "$s" \
    --threads "$threads" > "$out/pytorch/seed-$s.jsonl"
done
"$graft" report "$out/traditional" "$out/sb" --out "$out/report.html"
for f in "$out"/pytorch/*.jsonl; do tail -n 1 "$f"; done
