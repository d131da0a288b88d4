#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails, naming the files, where clang-format would change something."""
import pathlib
import subprocess
import sys

FOLDERS = ["engine", "kernels", "layers", "graph", "sampler", "scheduler", "models", "runtime", "tests", "bench"]

root, tool = pathlib.Path(sys.argv[1]), sys.argv[2]
if "NOTFOUND" in tool:
    sys.exit("clang-format is missing; scripts/setup installs it")
files = [str(p) for f in FOLDERS for p in sorted((root / f).rglob("*")) if p.suffix in {".h", ".cpp", ".cu", ".cuh"}]
result = subprocess.run([tool, "--dry-run", "--Werror", *files], capture_output=True, text=True)
bad = sorted({line.split(":")[0] for line in result.stderr.splitlines() if ": error:" in line})
print("\n".join(bad) or f"{len(files)} files are formatted")
sys.exit(1 if bad else 0)
