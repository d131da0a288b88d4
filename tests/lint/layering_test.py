#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The layering check finds planted violations and passes a clean tree."""
import pathlib
import subprocess
import sys
import tempfile

CHECK = pathlib.Path(__file__).with_name("layering.py")


def run(files):
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            path = pathlib.Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return subprocess.run([sys.executable, CHECK, folder], capture_output=True, text=True)


clean = run({"graph/ir/a.h": '#include "layers/core/layer.h"\n'})
assert clean.returncode == 0, clean.stdout
for name, text in {
    "sampler/select/a.h": '#include "graph/ir/graph.h"\n',
    "graph/plan/b.cpp": '#include "layers/nn/conv2d.h"\n',
    "layers/nn/c.cpp": '#include "kernels/cpu/conv.h"\n',
    "runtime/train/d.cpp": "#include <dnnl.hpp>\n",
    "engine/core/e.h": "\n" * 501,
}.items():
    bad = run({name: text})
    assert bad.returncode == 1 and name in bad.stdout, (name, bad.stdout)
print("5 planted violations found")
