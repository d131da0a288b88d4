# SPDX-License-Identifier: Apache-2.0
"""Times training steps in PyTorch on a GPU as well as it can: bf16, channels-last, compiled.

The counterpart of `bench_train_step --device cuda --precision bf16`: data on the device, no
augmentation, forward, cross-entropy, backward, SGD with momentum. torch.compile's mode
max-autotune captures CUDA graphs. One JSON line a case, in images/s.
"""

import argparse
import json
import statistics
import time

import torch
from torch.nn import functional as F

from pytorch_models import build, initialise

CASES = (
    "resnet18:128,resnet18:512,wrn-28-10:128,wrn-28-10:512,mobilenet_v2:128,mobilenet_v2:512,"
    "resnet50:64:224"
)


def make_step(name, batch, side, classes, mode):
    stem = "imagenet" if side > 64 else "cifar"
    torch.manual_seed(1)
    model = initialise(build(name, classes, stem)).train().cuda()
    model = model.to(memory_format=torch.channels_last)
    x = torch.randn(batch, 3, side, side, device="cuda").to(memory_format=torch.channels_last)
    y = torch.randint(0, classes, (batch,), device="cuda")
    optimizer = torch.optim.SGD(
        model.parameters(), lr=1e-6, momentum=0.9, nesterov=True, weight_decay=5e-4, fused=True
    )

    def loss_of(x, y):
        with torch.autocast("cuda", dtype=torch.bfloat16):
            return F.cross_entropy(model(x), y)

    if mode != "eager":
        loss_of = torch.compile(loss_of, mode=mode)

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss_of(x, y).backward()
        optimizer.step()

    return step


def time_case(text, args):
    name, batch, *rest = text.split(":")
    side = int(rest[0]) if rest else 32
    classes = 1000 if side > 64 else 10
    step = make_step(name, int(batch), side, classes, args.mode)
    for _ in range(args.warmup):
        step()
    rates = []
    for _ in range(args.runs):
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(args.steps):
            step()
        torch.cuda.synchronize()
        rates.append(int(batch) * args.steps / (time.perf_counter() - start))
    line = {
        "peer": f"pytorch {torch.__version__}",
        "gpu": torch.cuda.get_device_name(),
        "form": args.mode,
        "model": name,
        "batch": int(batch),
        "side": side,
        "unit": "images/s",
        "median": statistics.median(rates),
        "min": min(rates),
        "max": max(rates),
    }
    print(json.dumps(line), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--cases", type=lambda s: s.split(","), default=CASES.split(","))
    parser.add_argument("--mode", default="max-autotune", help="of torch.compile, or eager")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20, help="steps of one run")
    parser.add_argument("--warmup", type=int, default=12, help="steps before the first run")
    args = parser.parse_args()
    for case in args.cases:
        time_case(case, args)


if __name__ == "__main__":
    main()
