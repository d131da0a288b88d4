# SPDX-License-Identifier: Apache-2.0
"""Does ONNX Runtime compute what graft's int8 models compute, from what `graft export` writes (QDQ)?

    VENV/bin/python bench/peers/onnx_int8_export.py --graft build/cpu/runtime/graft --f32 m.graft --int8 m8.graft --images DIR

Cuts the pictures below DIR to the network's size, exports both models and runs the pictures through graft and through
ONNX Runtime. Prints top-1 where the folders of the pictures are named as classes of the model, how often the first class
is that of graft's int8 model, how far logits are from its, which operators ONNX Runtime made of the int8 file, and
milliseconds a picture, one thread. At the end the int8 file is imported again: its logits must be the model's, bit for bit.
"""
import argparse
import collections
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnx
import onnxruntime
from PIL import Image

EIGHT_BIT = {"QLinearConv", "QLinearAdd", "QLinearConcat", "QLinearAveragePool", "QLinearGlobalAveragePool", "QGemm",
             "QLinearMatMul", "MatMulIntegerToFloat", "ConvInteger"}


def graft(binary, *arguments):
    return subprocess.run([binary, *map(str, arguments)], check=True, capture_output=True, text=True).stdout


def header(path):
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8:8 + length])["__metadata__"]


def squares(files, folder, p):
    """The pictures in the network's size, so that both sides see the same pixels."""
    made = []
    for i, path in enumerate(files):
        image = Image.open(path).convert("RGB")
        scale = max(p["height"] / image.height, p["width"] / image.width)
        image = image.resize([max(p["width"], round(image.width * scale)), max(p["height"], round(image.height * scale))],
                             Image.BILINEAR)
        left, top = (image.width - p["width"]) // 2, (image.height - p["height"]) // 2
        made.append(folder / f"{i}.png")
        image.crop((left, top, left + p["width"], top + p["height"])).save(made[-1])
    return made


def pixels(path, p):
    x = np.asarray(Image.open(path), np.float32) * np.float32(p["range"] / 255)
    return ((x - np.float32(p["mean"])) / np.float32(p["std"])).transpose(2, 0, 1)[None]


def logits(binary, model, files):
    lines = graft(binary, "classify", *files, "--model", model, "--json", "--logits", "--top", 1, "--threads", 1)
    return np.array([json.loads(line)["logits"] for line in lines.splitlines()])


def session(path, optimised=None):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    if optimised:
        options.optimized_model_filepath = str(optimised)
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def operators(path):
    return collections.Counter(n.op_type for n in onnx.load(str(path), load_external_data=False).graph.node)


def milliseconds(s, x):
    name, times = s.get_inputs()[0].name, []
    for _ in range(50):
        begin = time.perf_counter()
        s.run(None, {name: x})
        times.append(time.perf_counter() - begin)
    return 1e3 * sorted(times)[len(times) // 2]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--graft", required=True)
    parser.add_argument("--f32", required=True, type=pathlib.Path)
    parser.add_argument("--int8", required=True, type=pathlib.Path)
    parser.add_argument("--images", required=True, type=pathlib.Path)
    parser.add_argument("--limit", type=int, default=400)
    args = parser.parse_args()
    p = json.loads(header(args.int8)["preprocess"])
    files = sorted(f for f in args.images.rglob("*") if f.suffix.lower() in (".jpg", ".jpeg", ".png", ".ppm"))
    files = files[::max(1, len(files) // args.limit)][:args.limit]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        names = json.loads(header(args.int8)["labels"])
        truth = [names.index(f.parent.name) if f.parent.name in names else -1 for f in files]
        files = squares(files, folder, p)
        exported, plain, optimised, back = (folder / n for n in ("int8.onnx", "f32.onnx", "optimised.onnx", "back.graft"))
        graft(args.graft, "export", args.int8, "--onnx", exported)
        graft(args.graft, "export", args.f32, "--onnx", plain)
        onnx.checker.check_model(str(exported), full_check=True)
        peer, peer_f32 = session(exported, optimised), session(plain)
        x = [pixels(f, p) for f in files]
        name = peer.get_inputs()[0].name
        theirs, theirs_f32 = (np.concatenate([s.run(None, {name: v})[0] for v in x]) for s in (peer, peer_f32))
        ours, f32 = (logits(args.graft, m, files) for m in (args.int8, args.f32))
        print(f"{len(files)} pictures, largest logit {np.abs(ours).max():.2f}")
        for what, y in (("graft int8", ours), ("ONNX Runtime int8", theirs), ("graft f32", f32),
                        ("ONNX Runtime f32", theirs_f32)):
            top1 = f"top-1 {100 * (y.argmax(1) == truth).mean():6.2f} %, " if min(truth) >= 0 else ""
            apart = np.abs(y - ours)
            print(f"{what:<18} {top1}first class of graft int8 {100 * (y.argmax(1) == ours.argmax(1)).mean():6.2f} %, "
                  f"logits apart {apart.max():.4f} at most, {apart.mean():.5f} in the mean")
        ops = operators(optimised)
        print("operators:", ", ".join(f"{k} {v}" for k, v in sorted(ops.items())))
        print(f"8-bit {sum(v for k, v in ops.items() if k in EIGHT_BIT)}, floating convolutions and products "
              f"{sum(v for k, v in ops.items() if k in ('Conv', 'FusedConv', 'Gemm', 'MatMul'))}")
        print(f"ONNX Runtime, one thread: int8 {milliseconds(peer, x[0]):.3f} ms, f32 {milliseconds(peer_f32, x[0]):.3f} ms")
        numbers = ",".join(f"{k}={'/'.join(map(str, p[k]))}" for k in ("mean", "std"))
        graft(args.graft, "import", "--onnx", exported, "--out", back, "--preprocess", f"keras:resize=none,{numbers}")
        if (logits(args.graft, back, files) != ours).any():
            sys.exit("imported again, it has other logits")
        print("imported again: the same logits")


if __name__ == "__main__":
    main()
