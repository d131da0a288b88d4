# SPDX-License-Identifier: Apache-2.0
"""Predicts a training step on a GPU from its roofline: bytes that the kernels move, time per step.

Counts the convolutions, norms and linear layers of bench/peers' models (which are graft's) and what
graft's kernels move for each, in bf16 activations and f32 parameters:
  convolution  forward x, w, y; data gradient dy, w, dx; weight gradient x, dy, dw
  batch norm   forward x twice, y once (+ the residual); backward x and dy twice, dx once (+ y twice
               and the residual's gradient)
  update       30 bytes a parameter: SGD with momentum 20, the bf16 copy 6, the gradient's norm 4
The least is what remains if a norm costs no pass of its own: convolutions and the update alone.
Time: every pass at the slower of its two roofs, nothing overlapped, no launch cost (one CUDA graph).
"""

import argparse
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent / "peers"))

import torch  # noqa: E402
from torch import nn  # noqa: E402

from pytorch_models import build  # noqa: E402

BF16, F32 = 2, 4
PARAMETER_BYTES = 30
CASES = ["resnet18:128:32", "resnet18:512:32", "wrn-28-10:128:32", "mobilenet_v2:128:32",
         "resnet50:64:224"]


class Step:
    """Sums over one training step."""

    def __init__(self, bandwidth, rate):
        self.bandwidth, self.rate = bandwidth, rate
        self.bytes = self.least = self.flops = self.seconds = 0.0

    def add(self, moved, flops=0.0, needed=True):
        self.bytes += moved
        self.least += moved if needed else 0
        self.flops += flops
        self.seconds += max(moved / self.bandwidth, flops / self.rate)


def count(model, x, residual_norms, step):
    """Adds what `model` does with images `x` (on the meta device) to `step`."""

    def on_conv(module, inputs, y):
        x, w = inputs[0].numel(), module.weight.numel()
        per_output = module.weight[0].numel()
        flops = 2.0 * y.numel() * per_output
        step.add(BF16 * (x + w + y.numel()), flops)
        if not getattr(module, "first", False):
            step.add(BF16 * (x + w + y.numel()), flops)
        step.add(BF16 * (x + w + y.numel()), flops)

    def on_norm(module, inputs, y):
        n = BF16 * inputs[0].numel()
        with_residual = module in residual_norms
        step.add((4 if with_residual else 3) * n, needed=False)
        step.add((8 if with_residual else 5) * n, needed=False)

    first = True
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.first, first = first, False
            module.register_forward_hook(on_conv)
        if isinstance(module, nn.BatchNorm2d):
            module.register_forward_hook(on_norm)
    model(x)
    step.add(PARAMETER_BYTES * sum(p.numel() for p in model.parameters()))


def residual_norms(model):
    """The norms that a residual is added to: the last of each block with a shortcut."""
    last = set()
    for name, module in model.named_modules():
        if name.rpartition(".")[2] in ("bn2", "bn3") and isinstance(module, nn.BatchNorm2d):
            parent = model.get_submodule(name.rpartition(".")[0])
            deepest = "bn3" if hasattr(parent, "bn3") else "bn2"
            if name.endswith(deepest) and hasattr(parent, "downsample"):
                last.add(module)
    return last


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--bandwidth", type=float, default=4.3e12, help="bytes/s; H200: 4.3e12")
    parser.add_argument("--rate", type=float, default=790e12, help="bf16 FLOP/s; H200: 790e12")
    parser.add_argument("--cases", type=lambda s: s.split(","), default=CASES)
    args = parser.parse_args()
    print("| model, side | batch | GFLOP | GB moved | least GB | ms a step | images/s | bytes' share |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for case in args.cases:
        name, batch, side = case.split(":")
        large = int(side) > 64
        with torch.device("meta"):
            model = build(name, 1000 if large else 10, "imagenet" if large else "cifar").train()
            x = torch.empty(int(batch), 3, int(side), int(side))
        step = Step(args.bandwidth, args.rate)
        count(model, x, residual_norms(model), step)
        by_bytes = step.bytes / args.bandwidth / step.seconds
        print(f"| {name}, {side} | {batch} | {step.flops / 1e9:.0f} | {step.bytes / 1e9:.2f} | "
              f"{step.least / 1e9:.2f} | {step.seconds * 1e3:.2f} | "
              f"{int(batch) / step.seconds:.0f} | {by_bytes:.0%} |")


if __name__ == "__main__":
    main()
