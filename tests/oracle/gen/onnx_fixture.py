# SPDX-License-Identifier: Apache-2.0
"""Writes tests/oracle/onnx_*.onnx and onnx_expected.safetensors: tiny classifiers by PyTorch's exporters.

    VENV/bin/python tests/oracle/gen/onnx_fixture.py     # torch 2.15, onnxruntime 1.31, safetensors

Between them the files use every operator of the table in models/onnx/operators.cpp that PyTorch writes. For each:
NAME.x, an image (1,3,H,W), and NAME.y, ONNX Runtime's output for it.
"""
import pathlib

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import helper, numpy_helper
from safetensors.numpy import save_file
from torch import nn

FOLDER = pathlib.Path(__file__).resolve().parent.parent
SIDE = 18


class Features(nn.Module):
    """Rectangular, grouped, dilated and unevenly padded convolutions, pools of every kind, sums, joins."""

    def __init__(self):
        super().__init__()
        self.pad = nn.ZeroPad2d((0, 1, 0, 1))
        self.stem = nn.Conv2d(3, 8, 3, stride=2, bias=False)
        self.norm = nn.BatchNorm2d(8, eps=1e-3)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.dilated = nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=2)
        self.row = nn.Conv2d(8, 4, (1, 5), padding=(0, 2))
        self.column = nn.Conv2d(8, 4, (5, 1), padding=(2, 0))
        self.max = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.average = nn.AvgPool2d(3, 1, 1, count_include_pad=True)
        self.border = nn.AvgPool2d(3, 1, 1, count_include_pad=False)
        self.head = nn.Linear(16, 5)

    def forward(self, x):
        x = nn.functional.relu6(self.norm(self.stem(self.pad(x))))
        x = torch.relu(self.depthwise(x) + self.dilated(x))
        x = torch.cat([self.row(x), self.column(x)], 1)
        x = self.max(x)
        x = torch.cat([self.average(x), self.border(x)], 1)
        x = nn.functional.dropout(nn.functional.adaptive_avg_pool2d(x, 1), training=self.training)
        return self.head(x.view(x.size(0), -1))


class Dense(nn.Module):
    """LeNet's shape: the classifier sees all pixels; logits through a softmax."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 5)
        self.first = nn.Linear(4 * 7 * 7, 6)
        self.second = nn.Linear(6, 5)

    def forward(self, x):
        x = nn.functional.max_pool2d(torch.relu(self.conv(x)), 2)
        x = torch.relu(self.first(torch.flatten(x, 1)))
        return self.second(x)


def randomise(model):
    torch.manual_seed(7)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 1.5)
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.normal_(0, 0.3)
    return model.eval()


def same_padding():
    """What TensorFlow's converter writes: auto_pad, MatMul and Add, ReduceMean, a transposed input."""
    rng = np.random.default_rng(3)
    weights = {"w": rng.normal(0, 0.3, (4, 3, 3, 3)), "b": rng.normal(0, 0.3, (1, 4, 1, 1)),
               "m": rng.normal(0, 0.5, (4, 5)), "c": rng.normal(0, 0.5, (5,))}
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], "nchw", perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["t", "w"], ["u"], "conv", strides=[2, 2], auto_pad="SAME_UPPER"),
        helper.make_node("Add", ["u", "b"], ["v"], "conv_bias"),
        helper.make_node("MaxPool", ["v"], ["p"], "pool", kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER"),
        helper.make_node("ReduceMean", ["p"], ["r"], "mean", axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["r", "m"], ["n"], "dense"),
        helper.make_node("Add", ["n", "c"], ["y"], "dense_bias"),
    ]
    graph = helper.make_graph(
        nodes, "same", [helper.make_tensor_value_info("x", 1, ["n", SIDE, SIDE, 3])],
        [helper.make_tensor_value_info("y", 1, ["n", 5])],
        [numpy_helper.from_array(v.astype(np.float32), k) for k, v in weights.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)


def main():
    x = torch.randn(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(11))
    paths = {}
    for name, model, opset in [("features_9", Features(), 9), ("features_13", Features(), 13),
                               ("dense_17", Dense(), 17)]:
        paths[name] = FOLDER / f"onnx_{name}.onnx"
        torch.onnx.export(randomise(model), (x,), str(paths[name]), dynamo=False, opset_version=opset,
                          input_names=["x"], dynamic_axes={"x": {0: "n"}} if opset == 13 else None,
                          training=torch.onnx.TrainingMode.PRESERVE if opset == 13 else torch.onnx.TrainingMode.EVAL)
    paths["features_18"] = FOLDER / "onnx_features_18.onnx"
    torch.onnx.export(randomise(Features()), (x,), dynamo=True, opset_version=18,
                      verbose=False).save(str(paths["features_18"]), external_data=False)
    paths["same_13"] = FOLDER / "onnx_same_13.onnx"
    onnx.save(same_padding(), str(paths["same_13"]))
    tensors = {}
    for name, path in paths.items():
        onnx.checker.check_model(str(path), full_check=True)
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        given = x.numpy().transpose(0, 2, 3, 1) if name.startswith("same") else x.numpy()
        tensors[f"{name}.x"] = x.numpy()
        tensors[f"{name}.y"] = session.run(None, {session.get_inputs()[0].name: np.ascontiguousarray(given)})[0]
        print(name, path.stat().st_size, sorted({n.op_type for n in onnx.load(str(path)).graph.node}))
    save_file(tensors, str(FOLDER / "onnx_expected.safetensors"))


if __name__ == "__main__":
    main()
