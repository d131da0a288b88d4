# SPDX-License-Identifier: Apache-2.0
"""Runs `graft schedule --batch`."""
import json
import pathlib
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
GRAFT = ROOT / "build/cpu/runtime/graft"
CONFIG = 3  # some workloads have no schedule


def schedule(workloads, layers, *options, graft=GRAFT):
    """Plans of the workloads, each with its own "budget"; {"error": ...} where there is none."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "costs.json").write_text(json.dumps({"layers": layers}))
        (folder / "batch.jsonl").write_text("".join(json.dumps(w) + "\n" for w in workloads))
        done = subprocess.run([str(graft), "schedule", "--batch", str(folder / "batch.jsonl"),
                               "--costs", str(folder / "costs.json"), *map(str, options)],
                              capture_output=True, text=True)
    if done.returncode not in (0, CONFIG):
        raise RuntimeError(done.stderr)
    plans = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(plans) == len(workloads), done.stderr
    return plans
