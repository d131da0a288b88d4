# SPDX-License-Identifier: Apache-2.0
"""Times a training step (forward, loss, zero_grad, backward, SGD) in PyTorch's forms on the CPU.

Data in memory, no augmentation: the counterpart of bench/macro/train_step.cpp. One JSON line for
each network and form, in images/s; a form that does not run says why. The runs of the forms are
interleaved, so that a busy machine slows all of them alike.
"""

import argparse
import json
import statistics
import time

import torch
from torch.nn import functional as F

from pytorch_models import build, initialise

FORMS = ["contiguous", "channels_last", "compile"]


def make_step(name, form, batch):
    """A function that does one step of `name`."""
    torch.manual_seed(1)
    model = initialise(build(name)).train()
    x, y = torch.randn(batch, 3, 32, 32), torch.randint(0, 10, (batch,))
    if form != "contiguous":
        model = model.to(memory_format=torch.channels_last)
        x = x.to(memory_format=torch.channels_last)
    # A tiny rate: the timing must not depend on what the weights become.
    optimizer = torch.optim.SGD(
        model.parameters(), lr=1e-6, momentum=0.9, nesterov=True, weight_decay=5e-4
    )
    call = torch.compile(model) if form == "compile" else model

    def step():
        loss = F.cross_entropy(call(x), y)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return step


def time_model(name, args):
    base = {
        "peer": f"pytorch {torch.__version__.split('+')[0]}",
        "model": name,
        "batch": args.batch,
        "threads": args.threads,
    }
    steps, rates, unavailable = {}, {}, {}
    for form in args.forms:
        try:
            step = make_step(name, form, args.batch)
            for _ in range(args.warmup):
                step()
            steps[form], rates[form] = step, []
        except Exception as error:  # the compiler's failures have no common type
            if form != "compile":
                raise
            unavailable[form] = f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"
    for _ in range(args.runs):
        for form, step in steps.items():
            step()  # brings this form's data back into the caches
            start = time.perf_counter()
            for _ in range(args.steps):
                step()
            rates[form].append(args.batch * args.steps / (time.perf_counter() - start))
    for form in args.forms:
        line = {**base, "form": form}
        if form in unavailable:
            line["unavailable"] = unavailable[form]
        else:
            r = rates[form]
            line |= {"median": statistics.median(r), "min": min(r), "max": max(r)}
            line["unit"] = "images/s"
        print(json.dumps(line), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    models = ["resnet20", "wrn-16-2", "mobilenet_v2"]
    parser.add_argument("--models", type=lambda s: s.split(","), default=models)
    parser.add_argument("--forms", type=lambda s: s.split(","), default=FORMS)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--steps", type=int, default=3, help="steps of one run")
    parser.add_argument("--warmup", type=int, default=2, help="steps before the first run")
    args = parser.parse_args()
    if unknown := set(args.forms) - set(FORMS):
        parser.error(f"unknown forms {', '.join(sorted(unknown))}; there are {', '.join(FORMS)}")
    torch.set_num_threads(args.threads)
    for name in args.models:
        time_model(name, args)


if __name__ == "__main__":
    main()
