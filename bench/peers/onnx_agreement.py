# SPDX-License-Identifier: Apache-2.0
"""Do graft and ONNX Runtime give the same logits for torchvision's networks?

    VENV/bin/python bench/peers/onnx_agreement.py --graft build/cpu/runtime/graft [--models resnet18,...] [--exporter both]

Each network gets random weights and running statistics, is exported by PyTorch (both its exporters), imported by
`graft import --onnx`, run on random images by both sides, written back by `graft export` and run by ONNX Runtime again.
Prints the largest difference of a logit, relative to the largest logit; fails above 1e-4. Files go to a temporary folder.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
import torch
import torchvision
from PIL import Image

MODELS = ["resnet18", "resnet50", "mobilenet_v2", "densenet121", "squeezenet1_1", "inception_v3"]
LIMIT = 1e-4
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


def network(name):
    """Random weights; running statistics as if it had seen data, so that batch norms do something."""
    torch.manual_seed(0)
    more = {"aux_logits": True, "init_weights": True} if name == "inception_v3" else {}
    model = getattr(torchvision.models, name)(weights=None, **more)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.weight.data.uniform_(0.8, 1.2)
            module.bias.data.normal_(0, 0.1)
    model.train()
    side = 299 if name == "inception_v3" else 224
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = None
        model(torch.randn(4, 3, side, side))
    return model.eval(), side


def export(model, side, path, dynamo):
    x = torch.randn(1, 3, side, side)
    if dynamo:
        program = torch.onnx.export(model, (x,), dynamo=True, opset_version=18, verbose=False)
        program.save(str(path), external_data=False)
    else:
        torch.onnx.export(model, (x,), str(path), dynamo=False, opset_version=17, input_names=["x"],
                          output_names=["y"], dynamic_axes={"x": {0: "n"}, "y": {0: "n"}})


def run_onnx(path, x):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})[0]


def graft(binary, *arguments):
    done = subprocess.run([binary, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"graft {' '.join(map(str, arguments))}\n{done.stderr}")
    return done.stdout


def difference(got, want):
    return float(np.abs(got - want).max() / np.abs(want).max())


def check(binary, name, folder, dynamo, images):
    model, side = network(name)
    path, ours, back = (folder / f for f in ("peer.onnx", "model.graft", "ours.onnx"))
    export(model, side, path, dynamo)
    files, pixels = [], np.random.default_rng(1).integers(0, 256, (images, side, side, 3), np.uint8)
    for i, image in enumerate(pixels):
        files.append(folder / f"{i}.png")
        Image.fromarray(image).save(files[-1])
    x = ((pixels / 255 - MEAN) / STD).transpose(0, 3, 1, 2).astype(np.float32)
    want = np.concatenate([run_onnx(path, x[i:i + 1]) for i in range(images)])
    graft(binary, "import", "--onnx", path, "--preprocess", "torchvision:resize=none", "--out", ours)
    lines = graft(binary, "classify", *files, "--model", ours, "--json", "--logits", "--top", 1).splitlines()
    got = np.array([json.loads(line)["logits"] for line in lines])
    graft(binary, "export", ours, "--onnx", back)
    onnx.checker.check_model(str(back), full_check=True)
    return difference(got, want), difference(run_onnx(back, x), want)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--graft", required=True)
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--exporter", choices=["torchscript", "dynamo", "both"], default="both")
    parser.add_argument("--images", type=int, default=2)
    args = parser.parse_args()
    print(f"torch {torch.__version__}, torchvision {torchvision.__version__}, onnx {onnx.__version__}, "
          f"onnxruntime {onnxruntime.__version__}")
    print(f"{'model':<16}{'exporter':<14}{'graft':>10}{'our export':>12}   |difference| / largest |logit|")
    worst = 0.0
    for name in args.models.split(","):
        for dynamo in [False, True]:
            exporter = "dynamo" if dynamo else "torchscript"
            if args.exporter not in ("both", exporter):
                continue
            with tempfile.TemporaryDirectory() as folder:
                ours, back = check(args.graft, name, pathlib.Path(folder), dynamo, args.images)
            print(f"{name:<16}{exporter:<14}{ours:>10.1e}{back:>12.1e}", flush=True)
            worst = max(worst, ours, back)
    sys.exit(f"worst {worst:.1e} is above {LIMIT}" if worst > LIMIT else 0)


if __name__ == "__main__":
    main()
