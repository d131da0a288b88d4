#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One candidate of a family of `graft finetune` as a model file of its own, for `graft quantize` and `graft export`.

    bench/finetune/family_model.py FAMILY --frozen 33 --out m.graft

Weights of the candidate, and of the base where the candidate has none; graph, labels and preprocessing of the family.
"""
import argparse
import hashlib
import json
import pathlib
import struct

PARTS = {"Conv2d": ["weight", "bias"], "Linear": ["weight", "bias"],
         "BatchNorm2d": ["weight", "bias", "running_mean", "running_var"]}


def read(path):
    """Tensors of a safetensors file: name -> (shape, bytes)."""
    data = path.read_bytes()
    length, = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + length])
    header.pop("__metadata__", None)
    return {name: (t["shape"], data[8 + length + t["data_offsets"][0]:8 + length + t["data_offsets"][1]])
            for name, t in header.items()}


def content_hash(metadata, tensors):
    """As runtime/model/model_file.cpp has it."""
    h = hashlib.sha256()
    for key, value in sorted(metadata.items()):
        h.update(f"{key}\n{len(value.encode())}\n{value}".encode())
    for name, (_, data) in tensors.items():
        h.update(f"{name}\n{len(data) // 4}\n".encode() + data)
    return h.hexdigest()


def write(path, metadata, tensors):
    header, at = {"__metadata__": metadata}, 0
    for name, (shape, data) in tensors.items():
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(data for _, data in tensors.values()))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("family", type=pathlib.Path)
    parser.add_argument("--frozen", required=True, type=int)
    parser.add_argument("--out", required=True, type=pathlib.Path)
    args = parser.parse_args()
    family = json.loads((args.family / "family.json").read_text())
    candidate = next(c for c in family["candidates"] if c["frozen"] == args.frozen)
    weights = read(args.family / family["base"]["file"]) | read(args.family / candidate["weights"])
    tensors = {}
    for node in family["graph"]["nodes"]:
        for part in PARTS.get(node["op"], []):
            name = f"{node['name']}.{part}"
            if name in weights:
                tensors[name] = weights[name]
    metadata = {"format": "pt", "graft_model": "1", "norm": "batch", "output": "logits",
                "graph": json.dumps(family["graph"]), "labels": json.dumps(family["labels"]),
                "preprocess": json.dumps(family["preprocess"]), "origin": f"{family['task']}, {args.frozen} layers frozen"}
    metadata["sha256"] = content_hash(metadata, tensors)
    write(args.out, metadata, tensors)


if __name__ == "__main__":
    main()
