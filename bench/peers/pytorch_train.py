# SPDX-License-Identifier: Apache-2.0
"""The PyTorch twin of `graft train --data cifar10:DIR`: the same recipe, line by line.

Random crop after padding by 4 black pixels, mirroring, normalisation; SGD with Nesterov momentum
and weight decay on all parameters; the rate follows the candidates seen before a batch: linear
warm-up from a fraction of the peak, then cosine to 0 (graft's `cosine:warmup=1`); the last, smaller
batch of an epoch is trained too. One JSON line an epoch.
"""

import argparse
import json
import math
import pathlib
import time

import torch
from torch.nn import functional as F

from pytorch_models import build, initialise

SIDE, PAD, RECORD = 32, 4, 3073
MEAN = torch.tensor([125.3, 123.0, 113.9]) / 255
STD = torch.tensor([63.0, 62.1, 66.7]) / 255


def load_cifar10(folder, names):
    """Binary layout: a label byte, then 3 planes. Returns images (N,H,W,3) u8, labels (N) i64."""
    raw = bytearray().join((folder / name).read_bytes() for name in names)
    records = torch.frombuffer(raw, dtype=torch.uint8).reshape(-1, RECORD)
    images = records[:, 1:].reshape(-1, 3, SIDE, SIDE).permute(0, 2, 3, 1).contiguous()
    return images, records[:, 0].long()


def normalise(pixels, channels_last):
    """(n,H,W,3) u8 -> (n,3,H,W) f32, in memory NHWC if `channels_last`."""
    x = pixels.float().mul_(1 / 255).sub_(MEAN).div_(STD).permute(0, 3, 1, 2)
    return x if channels_last else x.contiguous()


def augment(padded, rows, generator):
    """Random crop and mirroring of the images `rows` of (N,H+8,W+8,3), as one gather."""
    n = len(rows)
    top, left = torch.randint(0, 2 * PAD + 1, (2, n, 1), generator=generator)
    flip = torch.randint(0, 2, (n, 1), generator=generator).bool()
    i = torch.arange(SIDE)
    y, x = top + i, left + torch.where(flip, SIDE - 1 - i, i)
    return padded[rows[:, None, None], y[:, :, None], x[:, None, :]]


def learning_rate(args, candidates, per_epoch):
    t, warmup = candidates / per_epoch, args.warmup
    if t < warmup:
        return args.lr * (args.warmup_from + (1 - args.warmup_from) * t / warmup)
    return args.lr * 0.5 * (1 + math.cos(math.pi * (t - warmup) / (args.epochs - warmup)))


def train_epoch(args, model, optimizer, padded, labels, generator, epoch):
    n, total = len(labels), 0.0
    order = torch.randperm(n, generator=generator)
    model.train()
    for start in range(0, n, args.batch):
        rows = order[start : start + args.batch]
        x = normalise(augment(padded, rows, generator), args.channels_last)
        optimizer.param_groups[0]["lr"] = learning_rate(args, epoch * n + start, n)
        loss = F.cross_entropy(model(x), labels[rows])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(rows)
    return total / n


@torch.no_grad()
def evaluate(args, model, images, labels, batch=500):
    model.eval()
    loss = wrong = 0.0
    for start in range(0, len(labels), batch):
        y = labels[start : start + batch]
        logits = model(normalise(images[start : start + batch], args.channels_last))
        loss += F.cross_entropy(logits, y, reduction="sum").item()
        wrong += (logits.argmax(1) != y).sum().item()
    return loss / len(labels), wrong / len(labels)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", type=pathlib.Path, required=True, help="folder of the .bin files")
    parser.add_argument("--model", default="resnet20")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--momentum", type=float, default=0.9)
    parser.add_argument("--weight-decay", type=float, default=5e-4)
    parser.add_argument("--warmup", type=float, default=1.0, help="epochs")
    parser.add_argument("--warmup-from", type=float, default=0.05, help="fraction of --lr")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--train-limit", type=int, default=0, help="first N examples; 0: all")
    parser.add_argument("--test-limit", type=int, default=0, help="first N examples; 0: all")
    parser.add_argument("--contiguous", dest="channels_last", action="store_false")
    args = parser.parse_args()
    if not 0 <= args.warmup < args.epochs:
        parser.error(f"--warmup {args.warmup} must be in [0, {args.epochs}), the epochs")
    return args


def main():
    args = parse_arguments()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    generator = torch.Generator().manual_seed(args.seed)
    names = [f"data_batch_{i}.bin" for i in range(1, 6)]
    images, labels = load_cifar10(args.data, names)
    limit = args.train_limit or len(labels)
    padded, labels = F.pad(images[:limit], (0, 0, PAD, PAD, PAD, PAD)), labels[:limit]
    test_images, test_labels = load_cifar10(args.data, ["test_batch.bin"])
    limit = args.test_limit or len(test_labels)
    test_images, test_labels = test_images[:limit], test_labels[:limit]
    model = initialise(build(args.model))
    if args.channels_last:
        model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(
        model.parameters(),
        lr=args.lr,
        momentum=args.momentum,
        nesterov=True,
        weight_decay=args.weight_decay,
    )
    for epoch in range(args.epochs):
        start = time.perf_counter()
        train_loss = train_epoch(args, model, optimizer, padded, labels, generator, epoch)
        trained = time.perf_counter()
        test_loss, test_error = evaluate(args, model, test_images, test_labels)
        line = {
            "peer": f"pytorch {torch.__version__.split('+')[0]}",
            "model": args.model,
            "seed": args.seed,
            "threads": args.threads,
            "epoch": epoch + 1,
            "train_loss": train_loss,
            "test_loss": test_loss,
            "test_error": test_error,
            "seconds": trained - start,
            "eval_seconds": time.perf_counter() - trained,
        }
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
