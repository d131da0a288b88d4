#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Training step, graft against PyTorch, in turn (A B A B ...) so that a drifting machine slows both.

    python3 bench/compare_step.py --python VENV/bin/python [--threads 2] [--rounds 5] [--out FILE.jsonl]

Ratio = images/s of graft / images/s of the peer's form, pair by pair; the median of the rounds counts.
The peer's packages: bench/peers/requirements.txt.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
MODELS = "resnet20,wrn-16-2,mobilenet_v2"


def lines(command):
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [json.loads(line) for line in out.splitlines() if line.startswith("{")]


def round_of(args, model):
    """One measurement of each side: images/s by name."""
    steps = ["--batch", str(args.batch), "--threads", str(args.threads), "--runs", "3", "--steps", "2"]
    ours = lines([args.graft, "--models", model, *steps])[0]
    rates = {"graft": ours["median"]}
    peer = HERE / "peers" / "pytorch_step.py"
    for row in lines([args.python, str(peer), "--models", model, "--forms", args.forms, *steps]):
        if "median" in row:
            rates[f"pytorch {row['form']}"] = row["median"]
    return rates


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--graft", default=str(HERE.parent / "build/cpu/bench/bench_train_step"))
    p.add_argument("--python", default=sys.executable)
    p.add_argument("--models", default=MODELS)
    p.add_argument("--forms", default="contiguous,channels_last")
    p.add_argument("--batch", type=int, default=128)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--out")
    args = p.parse_args()
    rows = []
    for model in args.models.split(","):
        rounds = [round_of(args, model) for _ in range(args.rounds)]
        for form in [f for f in rounds[0] if f != "graft"]:
            ratio = sorted(r["graft"] / r[form] for r in rounds)
            rows.append({"model": model, "threads": args.threads, "batch": args.batch, "peer": form,
                         "graft_images_s": round(statistics.median(r["graft"] for r in rounds), 1),
                         "peer_images_s": round(statistics.median(r[form] for r in rounds), 1),
                         "ratio": round(statistics.median(ratio), 3),
                         "ratio_min": round(ratio[0], 3), "ratio_max": round(ratio[-1], 3),
                         "rounds": args.rounds})
            print(json.dumps(rows[-1]), flush=True)
    if args.out:
        pathlib.Path(args.out).write_text("".join(json.dumps(r) + "\n" for r in rows))


if __name__ == "__main__":
    main()
