# SPDX-License-Identifier: Apache-2.0
"""What `graft finetune` leaves, written from the description of the files: a tiny network with drawn weights."""
import hashlib
import json
import pathlib
import random
import struct

SIDE, WIDTHS = 16, (4, 6, 8)
PREPROCESS = {"resize": "exact", "side": SIDE, "filter": "bilinear", "height": SIDE, "width": SIDE, "range": 1.0,
              "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "order": "rgb"}
LAYERS = 3 * len(WIDTHS) + 2
CUTS = (0, 3, 6, 9)  # behind the activations


def network(labels):
    """Graph as JSON, and its parameters as [(layer, name, shape)]."""
    nodes = [{"name": "image", "op": "Input", "shape": [SIDE, SIDE, 3]}]
    params = []

    def add(name, op, **options):
        nodes.append({"name": name, "op": op, "inputs": [len(nodes) - 1], **options})
    last = 3
    for i, width in enumerate(WIDTHS):
        add(f"conv{i}", "Conv2d", **{"in": last}, out=width, kernel=3, kernel_w=3, stride=2, pad=1, pad_left=1,
            pad_end=1, pad_right=1, dilation=1, groups=1, bias=False)
        params.append((3 * i, f"conv{i}.weight", [width, last, 3, 3]))
        add(f"bn{i}", "BatchNorm2d", channels=width, eps=1e-5)
        params += [(3 * i + 1, f"bn{i}.{p}", [width]) for p in ("weight", "bias", "running_mean", "running_var")]
        add(f"relu{i}", "Activation", function="relu")
        last = width
    add("pool", "GlobalAvgPool")
    add("fc", "Linear", **{"in": last}, out=labels, bias=True)
    params += [(LAYERS - 1, "fc.weight", [labels, last]), (LAYERS - 1, "fc.bias", [labels])]
    return {"nodes": nodes, "outputs": {"logits": len(nodes) - 1}}, params


def draw(params, seed):
    """{name: (shape, bytes)}."""
    rng = random.Random(seed)
    out = {}
    for _, name, shape in params:
        count = 1
        for d in shape:
            count *= d
        low = 0.5 if "running_var" in name or name.startswith("bn") and "weight" in name else -1
        out[name] = shape, struct.pack(f"<{count}f", *(rng.uniform(low, 1) for _ in range(count)))
    return out


def write_archive(path, tensors, metadata):
    header, data = {"__metadata__": metadata} if metadata else {}, b""
    for name, (shape, values) in tensors.items():
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(values)]}
        data += values
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_base(path, labels=10, seed=0):
    graph, params = network(labels)
    tensors = draw(params, seed)
    metadata = {"format": "pt", "graft_model": "1", "norm": "batch", "output": "logits",
                "preprocess": json.dumps(PREPROCESS), "labels": json.dumps([f"class {i}" for i in range(labels)]),
                "origin": "test", "graph": json.dumps(graph)}
    digest = hashlib.sha256()
    for key in sorted(metadata):
        digest.update(f"{key}\n{len(metadata[key])}\n{metadata[key]}".encode())
    for _, name, _ in params:
        digest.update(f"{name}\n{len(tensors[name][1]) // 4}\n".encode() + tensors[name][1])
    metadata["sha256"] = digest.hexdigest()
    return write_archive(path, tensors, metadata)


def write_family(folder, task, labels=("rose", "tulip", "weed"), seed=1, base_seed=0):
    """Returns the description that family.json holds."""
    folder = pathlib.Path(folder)
    (folder / "candidates").mkdir(parents=True)
    graph, params = network(len(labels))
    names = [n["name"] for n in graph["nodes"][1:]]
    candidates = []
    for i, frozen in enumerate(CUTS):
        file = f"candidates/frozen-{frozen}.safetensors"
        own = [p for p in params if p[0] >= frozen]
        accuracy = 0.95 - 0.05 * i
        candidates.append({"frozen": frozen, "branch": names[frozen - 1] if frozen else "", "weights": file,
                           "sha256": write_archive(folder / file, draw(own, 100 * seed + frozen), {}),
                           "accuracy": accuracy, "accuracy_low": accuracy - 0.03, "accuracy_high": accuracy + 0.03,
                           "tpr": accuracy, "fpr": 1 - accuracy, "pareto": True, "epochs": 1, "seconds": 0.5})
    family = {"format": 1, "task": task,
              "base": {"file": "base.graft", "sha256": write_base(folder / "base.graft", seed=base_seed),
                       "origin": "test"},
              "labels": list(labels), "preprocess": PREPROCESS, "graph": graph, "layers": LAYERS,
              "candidates": candidates, "seconds": {"prefix": 0.1, "total": 2.0}}
    (folder / "family.json").write_text(json.dumps(family))
    return family
