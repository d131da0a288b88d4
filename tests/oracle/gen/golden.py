# SPDX-License-Identifier: Apache-2.0
"""Writes the golden fixtures of tests/oracle: what PyTorch computes in f64 for four small networks.

    python3 tests/oracle/gen/golden.py                        # writes golden_*.safetensors
    python3 tests/oracle/gen/golden.py --check [--dtype f32]  # recomputes, compares, writes nothing

Weights and inputs are not stored: both sides draw them from Philox (philox.py, engine/core/rng.h).
Contents, addresses of the streams and tolerances: tests/oracle/README.md.
"""

import argparse
import dataclasses
import json
import math
import pathlib
import struct
import sys

import numpy as np
import torch
from torch.nn import functional as F

import philox

ORACLE = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ORACLE.parent.parent / "bench" / "peers"))
from pytorch_models import build  # noqa: E402



@dataclasses.dataclass(frozen=True)
class Recipe:
    """`seed` is chosen, not arbitrary: see "Conditioning" in README.md."""

    model: str
    seed: int
    batch: int
    beta: float
    lr: float


RECIPES = {
    "resnet20": Recipe("resnet20", 295, 8, 1.0, 0.001),
    "wrn-16-2": Recipe("wrn-16-2", 84, 8, 2.0, 0.01),
    "mobilenet_v2": Recipe("mobilenet_v2:dropout=0", 56, 4, 2.5, 0.0005),
    "densenet-bc-22-12": Recipe("densenet-bc-22-12", 70, 8, 2.0, 0.01),
}
STEPS = 10
SGD = {"momentum": 0.9, "nesterov": True, "weight_decay": 0.2}
ID_INPUT, ID_LABELS, EPOCH_SAMPLES = 1_000_000, 1_000_001, 1
FULL, SAMPLES = 64, 32


def draw_parameter(recipe, index, name, parameter):
    """f32 values in PyTorch's order, as f64: gamma 1+0.1n, biases beta+0.1n, filters
    N(0, 2/fan_in), linear weights N(0, 0.25/fan_in)."""
    shape = tuple(parameter.shape)
    scale, offset = 0.1, 1.0 if name.endswith("weight") else recipe.beta
    if len(shape) > 1:
        gain = 2.0 if len(shape) == 4 else 0.25
        scale, offset = math.sqrt(gain / math.prod(shape[1:])), 0.0
    value = offset + scale * philox.normal(recipe.seed, index, parameter.numel())
    return torch.from_numpy(value.astype(np.float32).astype(np.float64)).reshape(shape)


def prepare(recipe, dtype):
    """The model with its drawn state, x as (N,C,H,W), labels."""
    seed, n = recipe.seed, recipe.batch
    model = build(recipe.model).to(dtype)
    with torch.no_grad():
        for index, (key, p) in enumerate(model.named_parameters()):
            p.copy_(draw_parameter(recipe, index, key, p))
    x = philox.normal(seed, ID_INPUT, n * 32 * 32 * 3).astype(np.float32)
    x = torch.from_numpy(x.reshape(n, 32, 32, 3)).permute(0, 3, 1, 2).to(dtype).contiguous()
    labels = torch.from_numpy(philox.below(seed, ID_LABELS, n, 10))
    return model, x, labels


def summarise(out, kind, seed, index, name, tensor):
    """KIND.NAME: all elements if few, else SAMPLES drawn ones; KIND_stats.NAME: L2 norm and sum."""
    v = tensor.detach().double().reshape(-1)
    where = torch.arange(v.numel())
    if v.numel() > FULL:
        where = torch.from_numpy(
            philox.below(seed, index, SAMPLES, v.numel(), epoch=EPOCH_SAMPLES)
        )
    out[f"{kind}.{name}"] = v[where]
    out[f"{kind}_stats.{name}"] = torch.stack([v.norm(), v.sum()])


def compute(name, dtype=torch.float64):
    """All tensors of one fixture, and its metadata."""
    recipe = RECIPES[name]
    model, x, labels = prepare(recipe, dtype)
    parameters = list(model.named_parameters())
    out = {"x_first": x.permute(0, 2, 3, 1).reshape(-1)[:16], "labels": labels}
    out["init_first"] = torch.stack([p.detach().reshape(-1)[0] for _, p in parameters])
    with torch.no_grad():
        out["logits_eval"] = model.eval()(x)
    optimizer = torch.optim.SGD(model.parameters(), lr=recipe.lr, **SGD)
    losses = []
    for step in range(STEPS):
        logits = model.train()(x)
        each = F.cross_entropy(logits, labels, reduction="none")
        optimizer.zero_grad()
        each.mean().backward()
        losses.append(each.mean().detach())
        if step == 0:
            out["logits_train"], out["loss_each"] = logits.detach(), each.detach()
            for index, (key, p) in enumerate(parameters):
                summarise(out, "grad", recipe.seed, index, key, p.grad)
            running = [(k, b) for k, b in model.named_buffers() if "running" in k]
            for index, (key, b) in enumerate(running):
                summarise(out, "running", recipe.seed, index, key, b)
            with torch.no_grad():
                out["logits_eval_updated"] = model.eval()(x)
        optimizer.step()
    out["losses"] = torch.stack(losses)
    arrays = {k: v.numpy() for k, v in out.items()}
    metadata = {
        "format": "graft-golden-1",
        "model": recipe.model,
        "seed": str(recipe.seed),
        "batch": str(recipe.batch),
        "beta": str(recipe.beta),
        "parameter_count": str(sum(p.numel() for _, p in parameters)),
        "parameters": json.dumps([k for k, _ in parameters], separators=(",", ":")),
        "sgd": json.dumps({"lr": recipe.lr, **SGD}),
        "samples": f"{SAMPLES} of tensors with more than {FULL} elements: Philox::below(numel) of "
        f"(seed, kTest, epoch {EPOCH_SAMPLES}, id = index of the parameter or running buffer)",
        "made_with": f"torch {torch.__version__.split('+')[0]}, numpy {np.__version__}, f64",
    }
    return arrays, metadata


def save(path, arrays, metadata):
    """safetensors, written in a fixed order, so that equal contents are equal bytes."""
    header, blobs, at = {"__metadata__": metadata}, [], 0
    for key, value in arrays.items():
        integer = np.issubdtype(value.dtype, np.integer)
        blob = value.astype("<i4" if integer else "<f4").tobytes()
        dtype = "I32" if integer else "F32"
        header[key] = {
            "dtype": dtype,
            "shape": list(value.shape),
            "data_offsets": [at, at + len(blob)],
        }
        blobs.append(blob)
        at += len(blob)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def load(path):
    raw = path.read_bytes()
    start = 8 + struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8:start])
    header.pop("__metadata__")
    return {
        k: np.frombuffer(
            raw[start + v["data_offsets"][0] : start + v["data_offsets"][1]],
            {"I32": "<i4", "F32": "<f4"}[v["dtype"]],
        ).reshape(v["shape"])
        for k, v in header.items()
    }


def relative_errors(want, got, numels):
    """Worst relative error by kind of tensor, each with the scale that README.md defines."""
    total = sum(want[f"grad_stats.{k}"][0].astype(float) ** 2 for k in numels)
    typical = math.sqrt(total / sum(numels.values()))
    worst = {}

    def note(kind, error, name):
        if error > worst.get(kind, (-1.0, ""))[0]:
            worst[kind] = (float(error), name)

    for key, a in want.items():
        a, difference = a.astype(float), np.abs(got[key].astype(float) - a)
        kind, _, name = key.partition(".")
        if kind == "losses":
            note(kind, (difference / a).max(), f"step {(difference / a).argmax()}")
        elif kind == "grad":
            rms = want[f"grad_stats.{name}"][0] / math.sqrt(numels[name])
            note(kind, difference.max() / max(np.abs(a).max(), rms, typical), name)
        elif kind == "grad_stats":
            n = numels[name]
            scale = max(a[0], typical * math.sqrt(n))
            note("grad_l2", difference[0] / scale, name)
            note("grad_sum", difference[1] / (scale * math.sqrt(n)), name)
        else:
            note(kind, difference.max() / np.abs(a).max(), name)
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--out", type=pathlib.Path, default=ORACLE)
    parser.add_argument("--models", nargs="+", default=list(RECIPES), choices=list(RECIPES))
    parser.add_argument("--check", action="store_true", help="compare with the files in --out")
    parser.add_argument("--dtype", choices=["f64", "f32"], default="f64", help="of --check")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    failed = False
    for name in args.models:
        path = args.out / f"golden_{name}.safetensors"
        if not args.check:
            arrays, metadata = compute(name)
            save(path, arrays, metadata)
            losses = " ".join(f"{v:.4f}" for v in arrays["losses"])
            print(f"{path.name}: {path.stat().st_size} bytes, losses {losses}")
            continue
        arrays, _ = compute(name, torch.float64 if args.dtype == "f64" else torch.float32)
        numels = {k: p.numel() for k, p in build(RECIPES[name].model).named_parameters()}
        worst = relative_errors(load(path), arrays, numels)
        for kind, (error, where) in worst.items():
            print(f"{name} {kind}: {error:.1e} {where}")
        failed |= not all(e <= 1e-4 for e, _ in worst.values())  # also for NaN
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
