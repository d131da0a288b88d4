# SPDX-License-Identifier: Apache-2.0
"""Registers, shared memory and spills of the CUDA kernels, as the compiler left them in the objects.

Usage: kernel_resources.py BUILD_DIR [sm_90]. One row a functor of kernels/cuda, the most of all its
instances (element type, width); needs cuobjdump of the CUDA toolkit.
"""

import pathlib
import re
import shutil
import subprocess
import sys


def usage(path, architecture):
    """(demangled name, registers, stack, shared) of every kernel in an object."""
    text = subprocess.run(["cuobjdump", "--dump-resource-usage", "-arch", architecture, str(path)],
                          capture_output=True, text=True, check=True).stdout
    names, numbers = [], []
    for line in text.splitlines():
        if m := re.match(r"\s*Function (\S+):", line):
            names.append(m[1])
        elif m := re.search(r"REG:(\d+) STACK:(\d+) SHARED:(\d+) LOCAL:(\d+)", line):
            numbers.append(tuple(int(v) for v in m.groups()))
    demangle = shutil.which("cu++filt") or "c++filt"
    demangled = subprocess.run([demangle], input="\n".join(names), capture_output=True,
                               text=True, check=True).stdout.splitlines()
    return zip(demangled, numbers)


def functor(name):
    """What a launcher runs: the first type of our own among its template arguments."""
    found = re.findall(r"::(\w+)(?=<|[,>)])", name.partition("<")[2])
    own = [f for f in found if f not in ("_GLOBAL__N__", "PartialSums", "FinishColumn")]
    return own[0] if own else name


def main():
    build = pathlib.Path(sys.argv[1])
    architecture = sys.argv[2] if len(sys.argv) > 2 else "sm_90"
    print("| file | functor | instances | registers | shared bytes | stack bytes |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    for path in sorted(build.rglob("kernels/**/cuda/*.cu.o")):
        table = {}
        for name, (registers, stack, shared, local) in usage(path, architecture):
            row = table.setdefault(functor(name), [0, 0, 0, 0])
            row[0] += 1
            row[1] = max(row[1], registers)
            row[2] = max(row[2], shared)
            row[3] = max(row[3], stack + local)
        for key, row in sorted(table.items()):
            print(f"| {path.name[:-5]} | {key} | {row[0]} | {row[1]} | {row[2]} | {row[3]} |")


if __name__ == "__main__":
    main()
