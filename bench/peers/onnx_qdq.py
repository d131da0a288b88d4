# SPDX-License-Identifier: Apache-2.0
"""Does graft import what ONNX Runtime's quantiser writes (QuantizeLinear and DequantizeLinear)?

    VENV/bin/python bench/peers/onnx_qdq.py --graft build/cpu/runtime/graft --model m.graft --images DIR

Exports the model, quantises it with onnxruntime.quantization (QDQ, one scale a channel) on half of the pictures in DIR,
imports the result and runs the other half through ONNX Runtime (8-bit) and graft (the same weights, f32 activations).
Prints how often the first class is the same and how far the logits are, beside ONNX Runtime's own distance of its 8-bit
from its f32 run. The model must take pictures as Keras' networks do: 224 x 224, -1 to 1.
"""
import argparse
import json
import pathlib
import subprocess
import tempfile

import numpy as np
import onnxruntime
from onnxruntime import quantization
from PIL import Image


def graft(binary, *arguments):
    return subprocess.run([binary, *map(str, arguments)], check=True, capture_output=True, text=True).stdout


def pixels(path):
    """(1,3,224,224) from -1 to 1: shorter side to 224, centre crop."""
    image = Image.open(path).convert("RGB")
    scale = 224 / min(image.size)
    image = image.resize([max(224, int(s * scale)) for s in image.size], Image.BILINEAR)
    left, top = ((s - 224) // 2 for s in image.size)
    crop = np.asarray(image.crop((left, top, left + 224, top + 224)), np.float32)
    return (crop / 127.5 - 1).transpose(2, 0, 1)[None]


class Reader(quantization.CalibrationDataReader):
    def __init__(self, name, files):
        self.feeds = iter([{name: pixels(f)} for f in files])

    def get_next(self):
        return next(self.feeds, None)


def run(path, files):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: pixels(f)})[0] for f in files])


def compare(what, got, want):
    same = (got.argmax(1) == want.argmax(1)).mean()
    print(f"{what:<44} same first class {100 * same:6.2f} %   largest difference / largest logit "
          f"{np.abs(got - want).max() / np.abs(want).max():.2e}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--graft", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--images", required=True, type=pathlib.Path)
    args = parser.parse_args()
    files = sorted(p for p in args.images.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    calibration, test = files[::2], files[1::2]
    with tempfile.TemporaryDirectory() as folder:
        plain, qdq, imported = (pathlib.Path(folder) / n for n in ("m.onnx", "qdq.onnx", "qdq.graft"))
        graft(args.graft, "export", args.model, "--onnx", plain)
        name = onnxruntime.InferenceSession(str(plain), providers=["CPUExecutionProvider"]).get_inputs()[0].name
        for kind in (quantization.QuantType.QUInt8, quantization.QuantType.QInt8):
            quantization.quantize_static(str(plain), str(qdq), Reader(name, calibration), per_channel=True,
                                         quant_format=quantization.QuantFormat.QDQ, activation_type=kind,
                                         weight_type=quantization.QuantType.QInt8)
            graft(args.graft, "import", "--onnx", qdq, "--preprocess", "keras", "--out", imported)
            lines = graft(args.graft, "classify", *test, "--model", imported, "--json", "--logits", "--threads", 1)
            ours = np.array([json.loads(line)["logits"] for line in lines.splitlines()])
            f32, int8 = run(plain, test), run(qdq, test)
            print(f"activations {kind}, {len(test)} pictures")
            compare("  ONNX Runtime, QDQ, against its f32", int8, f32)
            compare("  graft's import of QDQ against that QDQ", ours, int8)
            compare("  graft's import of QDQ against f32", ours, f32)


if __name__ == "__main__":
    main()
