# SPDX-License-Identifier: Apache-2.0
"""Do Keras' ImageNet weights of MobileNetV1 give the known logits and classes in graft?

    python3 bench/peers/pretrained_agreement.py --graft build/cpu/runtime/graft --weights DIR

DIR holds mobilenet_v1_0.25_224.safetensors, imagenet_classes.json and sanity/ with pictures, logits.f32 (f64 forward
pass) and expected.json. Standard library only. Fails above a relative difference of 1e-4 or at a wrong class.
"""
import argparse
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

LIMIT = 1e-4
CLASSES = 1000


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--graft", required=True)
    parser.add_argument("--weights", required=True, type=pathlib.Path)
    args = parser.parse_args()
    sanity = args.weights / "sanity"
    expected = json.loads((sanity / "expected.json").read_text())
    data = (sanity / "logits.f32").read_bytes()
    logits = struct.unpack(f"<{len(data) // 4}f", data)
    with tempfile.TemporaryDirectory() as folder:
        model = pathlib.Path(folder) / "m.graft"
        subprocess.run([args.graft, "import", "--arch", "mobilenet_v1:alpha=0.25", "--weights",
                        args.weights / "mobilenet_v1_0.25_224.safetensors", "--labels",
                        args.weights / "imagenet_classes.json", "--out", model], check=True, stdout=subprocess.DEVNULL)
        out = subprocess.run([args.graft, "classify", *(sanity / e["file"] for e in expected), "--model", model, "--json",
                              "--logits"], check=True, capture_output=True, text=True).stdout
    worst, wrong = 0.0, 0
    for i, (line, want) in enumerate(zip(out.splitlines(), expected, strict=True)):
        got = json.loads(line)
        row = logits[i * CLASSES:(i + 1) * CLASSES]
        difference = max(abs(a - b) for a, b in zip(got["logits"], row, strict=True)) / max(map(abs, row))
        same = [(t["index"], t["label"], round(t["probability"], 4)) for t in got["top"]] == [
            (t["index"], t["name"], t["probability"]) for t in want["top5"]]
        top = got["top"][0]
        print(f"{want['file']:<12} {top['index']:>4} {top['label']:<16} {top['probability']:.4f}  "
              f"five best {'as expected' if same else 'DIFFER'}  logits off by {difference:.1e}")
        worst, wrong = max(worst, difference), wrong + (not same)
    sys.exit(f"worst {worst:.1e}, {wrong} pictures with other classes" if worst > LIMIT or wrong else 0)


if __name__ == "__main__":
    main()
