#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails where a file includes what its folder must not see, or is longer than a file may be.

The matrix is that of the README's architecture section: what stands left may include what stands right.
"""
import pathlib
import re
import sys

MAY = {
    "engine": {"engine"},
    "kernels": {"kernels", "engine"},
    "layers": {"layers", "kernels/api", "engine"},
    "graph": {"graph", "layers/core", "kernels/api", "engine"},
    "sampler": {"sampler", "engine/core", "engine/io"},
    "scheduler": {"scheduler", "engine/core", "engine/io"},
    "models": {"models", "graph", "layers", "kernels/api", "engine"},
    "runtime": {"runtime", "models", "graph", "layers", "sampler", "scheduler", "kernels/api", "engine"},
    "tests": None,
    "bench": None,
}
VENDOR = re.compile(r"<(dnnl|oneapi/dnnl|cuda|cudnn|cublas|omp\.h)")
VENDOR_MAY = ("kernels/cpu", "kernels/cuda", "engine/device")
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)
MAX_LINES = 500


def problems(root):
    for top, allowed in MAY.items():
        for path in sorted((root / top).rglob("*")):
            if path.suffix not in {".h", ".cpp", ".cu", ".cuh", ".inc"}:
                continue
            name = path.relative_to(root).as_posix()
            text = path.read_text()
            if text.count("\n") > MAX_LINES:
                yield f"{name}: {text.count(chr(10))} lines, at most {MAX_LINES}"
            if allowed is None:
                continue
            for include in INCLUDE.findall(text):
                if not any(include.startswith(a + "/") for a in allowed):
                    yield f"{name}: {top} must not include {include}"
                if "/detail/" in include and include.split("/detail/")[0] != name.rsplit("/", 1)[0].split("/detail")[0]:
                    yield f"{name}: {include} is private to its folder"
            if VENDOR.search(text) and not name.startswith(VENDOR_MAY):
                yield f"{name}: vendor headers belong to {', '.join(VENDOR_MAY)}"


def main():
    found = list(problems(pathlib.Path(sys.argv[1])))
    print("\n".join(found) or "layering holds")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
