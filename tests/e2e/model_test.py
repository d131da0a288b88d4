# SPDX-License-Identifier: Apache-2.0
"""graft import, export and classify as a user runs them."""
import hashlib
import json
import pathlib
import struct
import unittest

from graft_cli import DATA, GATE, IO, MODEL, OK, UNAVAILABLE, USAGE, GraftTest, checkpoints, has_bf16, png


class Models(GraftTest):
    def setUp(self):
        super().setUp()
        self.model = self.folder / "m.graft"
        self.image = self.folder / "x.png"
        self.image.write_bytes(png(40, 30, (200, 30, 90)))

    def train_and_import(self, *more):
        run = self.folder / "run"
        self.train(run, *more)
        self.graft("import", run, "--out", self.model)
        return run

    def classify(self, *more, model=None):
        out, _ = self.graft("classify", *more, "--model", model or self.model, "--json", "--logits", "--threads", 1)
        return [json.loads(line) for line in out.splitlines()]

    def test_a_run_becomes_a_model_that_classifies(self):
        self.train_and_import()
        (line,) = self.classify(self.image)
        self.assertEqual(list(line), ["image", "top", "ms", "logits"])
        self.assertEqual(line["image"], str(self.image))
        self.assertEqual(len(line["top"]), 5)
        self.assertEqual(len(line["logits"]), 10)
        self.assertEqual(list(line["top"][0]), ["index", "label", "probability"])
        best = max(range(10), key=lambda i: line["logits"][i])
        self.assertEqual(line["top"][0]["index"], best)
        self.assertGreater(line["ms"], 0)

    def test_profile_and_bench_keep_their_contract(self):
        self.train_and_import()
        out, _ = self.graft("profile", "--model", self.model, "--threads", 1, "--runs", 3, "--json")
        profile = json.loads(out)
        self.assertGreater(profile["total_ms"], 0)
        self.assertGreater(profile["peak_bytes"], 0)
        self.assertGreater(len(profile["layers"]), 3)
        for layer in profile["layers"]:
            self.assertEqual(list(layer), ["name", "op", "ms", "flops", "bytes", "roofline"])
            self.assertGreater(layer["ms"], 0)
            self.assertGreater(layer["bytes"], 0)
        # The first convolution of small_cnn: 3x3, 3 to 32 channels on 32x32; a multiply-add is two.
        self.assertEqual(profile["layers"][0]["flops"], 2 * 9 * 3 * 32 * 32 * 32)
        out, _ = self.graft("bench", "inference", "--model", self.model, "--batch", 2, "--threads", 1,
                            "--dtype", "f32", "--json")
        bench = json.loads(out)
        self.assertEqual(list(bench), ["ms_p50", "ms_min", "ms_max", "runs"])
        self.assertLessEqual(bench["ms_min"], bench["ms_p50"])
        self.assertLessEqual(bench["ms_p50"], bench["ms_max"])
        out, _ = self.graft("bench", "inference", "--model", self.model, "--dtype", "int8", "--runs", 3, "--json")
        self.assertGreater(json.loads(out)["ms_p50"], 0)
        self.assert_refused_without_bf16("--dtype f32", "bench", "inference", "--model", self.model, "--dtype", "bf16")
        if has_bf16():
            out, _ = self.graft("bench", "inference", "--model", self.model, "--dtype", "bf16", "--runs", 3, "--json")
            self.assertGreater(json.loads(out)["ms_p50"], 0)

    def test_inspect_shows_the_graph_before_and_after_the_passes(self):
        self.train_and_import()
        for model in (self.model, "small_cnn"):
            before, _ = self.graft("inspect", "graph", "--model", model, "--stage", "before")
            after, _ = self.graft("inspect", "graph", "--model", model, "--stage", "after")
            self.assert_names(before, "Conv2d", "BatchNorm2d", "Activation")
            self.assert_names(after, "FusedConv2d", "+relu")
            self.assertNotIn("BatchNorm2d", after)
            self.assertNotIn("trainable", after)
        self.graft("inspect", "graph", "--model", self.model, "--freeze", "conv1", code=USAGE)

    def quantize(self, *more, data="synthetic:train=64,test=64", code=OK):
        self.int8 = self.folder / "m8.graft"
        return self.graft("quantize", self.model, "--calibrate", data, "--out", self.int8, "--threads", 1, *more,
                          code=code)

    def test_quantize_makes_a_model_that_the_other_commands_take(self):
        self.train_and_import()
        out, err = self.quantize("--validate", "synthetic:train=64,test=64", "--gate", 20, "--json")
        report = json.loads(out)
        self.assert_names(err, "f32", "int8", "difference", "top-1 %", "file, KiB", report["method"])
        self.assertEqual({m["method"] for m in report["methods"]}, {"minmax", "percentile", "entropy"})
        self.assertAlmostEqual(report["points_lost"], report["f32"]["top1"] - report["int8"]["top1"])
        self.assertTrue(report["gate"]["passed"])
        self.assertGreater(len(report["layers"]), 1)
        self.assertLess(report["bytes"]["int8"], report["bytes"]["f32"])
        self.assertEqual(report["sha256"], hashlib.sha256(self.int8.read_bytes()).hexdigest())
        (f32,), (int8,) = self.classify(self.image), self.classify(self.image, model=self.int8)
        scale = max(map(abs, f32["logits"]))
        for a, b in zip(f32["logits"], int8["logits"], strict=True):
            self.assertLess(abs(a - b), 0.2 * scale)
        profile = json.loads(self.graft("profile", "--model", self.int8, "--runs", 3, "--json")[0])
        self.assertIn("Int8Conv2d", " ".join(layer["op"] for layer in profile["layers"]))
        self.graft("bench", "inference", "--model", self.int8, "--runs", 3)
        self.graft("bench", "inference", "--model", self.int8, "--dtype", "f32", "--runs", 3, code=UNAVAILABLE)
        self.assert_names(self.graft("inspect", "graph", "--model", self.int8, "--stage", "after")[0], "Int8Conv2d")
        self.assert_onnx_gives_back_the_logits(self.int8)
        self.graft("quantize", self.int8, "--calibrate", "synthetic", "--out", self.folder / "x.graft", code=USAGE)

    def assert_refused_without_bf16(self, instead, *command):
        """Where oneDNN must not use AVX512_BF16, or has none, it would emulate bf16."""
        _, err = self.graft(*command, env={"ONEDNN_MAX_CPU_ISA": "AVX512_CORE"}, code=UNAVAILABLE)
        self.assert_names(err, "bf16", "no AVX512_BF16", instead)

    @unittest.skipUnless(has_bf16(), "no AVX512_BF16")
    def test_quantize_to_bf16_makes_a_model_that_the_other_commands_take(self):
        self.train_and_import()
        low, data = self.folder / "m16.graft", ("--validate", "synthetic:train=64,test=64")
        out, err = self.graft("quantize", self.model, "--to", "bf16", *data, "--out", low, "--threads", 1, "--json")
        report = json.loads(out)
        self.assert_names(err, "f32", "bf16", "difference", "top-1 %", "file, KiB")
        self.assertAlmostEqual(report["points_lost"], report["f32"]["top1"] - report["bf16"]["top1"])
        self.assertTrue(report["gate"]["passed"])
        self.assertLess(report["bytes"]["bf16"], 0.6 * report["bytes"]["f32"])
        self.assertEqual(report["sha256"], hashlib.sha256(low.read_bytes()).hexdigest())
        (f32,), (bf16,) = self.classify(self.image), self.classify(self.image, model=low)
        scale = max(map(abs, f32["logits"]))
        for a, b in zip(f32["logits"], bf16["logits"], strict=True):
            self.assertLess(abs(a - b), 0.05 * scale)
        self.assertNotEqual(f32["logits"], bf16["logits"])
        profile = json.loads(self.graft("profile", "--model", low, "--runs", 3, "--json")[0])
        self.assertIn("bf16", profile["layers"][1]["op"])
        self.assertGreater(profile["roof"]["bf16_gflops_per_second"], 0)
        self.graft("bench", "inference", "--model", low, "--dtype", "bf16", "--runs", 3)
        self.graft("bench", "inference", "--model", low, "--dtype", "f32", "--runs", 3, code=UNAVAILABLE)
        self.graft("export", low, "--onnx", self.folder / "x.onnx", code=UNAVAILABLE)
        self.graft("quantize", low, "--to", "bf16", *data, "--out", self.folder / "x.graft", code=USAGE)
        _, err = self.graft("finetune", "--base", low, "--data", "synthetic", "--task", "t", "--branchpoints", "1",
                            "--out", self.folder / "family", code=MODEL)
        self.assert_names(err, "m16.graft", "bf16", "f32 model")
        self.graft("profile", "--model", low, "--costs", self.folder / "c.json", code=MODEL)
        self.assert_refused_without_bf16("f32 model", "classify", self.image, "--model", low)

    def test_quantize_to_bf16_refuses_what_it_cannot_use_and_where_it_cannot_run(self):
        self.train_and_import()
        low, validate = self.folder / "m16.graft", ("--validate", "synthetic:train=64,test=64")
        for options, names in ((("--calibrate", "synthetic"), "leave it out"), ((), "--validate is missing")):
            _, err = self.graft("quantize", self.model, "--to", "bf16", *options, "--out", low, code=USAGE)
            self.assert_names(err, names)
        _, err = self.graft("quantize", self.model, "--out", low, code=USAGE)
        self.assert_names(err, "--calibrate is missing")
        self.assert_refused_without_bf16("f32", "quantize", self.model, "--to", "bf16", *validate, "--out", low)
        self.assertFalse(low.exists())

    def test_quantize_without_labels_counts_changed_classes(self):
        self.train_and_import()
        photos = self.folder / "photos"
        photos.mkdir()
        for i in range(4):
            (photos / f"{i}.png").write_bytes(png(40, 30, (60 * i, 30, 90)))
        out, _ = self.quantize("--gate", 100, "--json", data=f"folder:{photos}")
        report = json.loads(out)
        self.assertIsNone(report["f32"]["top1"])
        self.assertAlmostEqual(report["points_lost"], 100 - report["int8"]["agreement"])

    def test_quantize_refuses_above_the_gate_and_writes_nothing(self):
        self.train_and_import("--epochs", 10)
        # The ranges of one grey picture, near the mean, cut everything else off.
        grey = self.folder / "grey"
        grey.mkdir()
        (grey / "0.png").write_bytes(png(40, 30, (120, 120, 120)))
        _, err = self.quantize("--validate", "synthetic:train=64,test=200", "--gate", 0, "--methods", "minmax",
                               data=f"folder:{grey}", code=GATE)
        self.assert_names(err, "top-1 %", "points of top-1", "nothing is written", "--gate")
        self.assertFalse(self.int8.exists())

    def test_quantize_names_classes_that_the_model_does_not_have(self):
        self.train_and_import()
        (self.folder / "labelled" / "unicorn").mkdir(parents=True)
        (self.folder / "labelled" / "unicorn" / "0.png").write_bytes(png(40, 30, (9, 9, 9)))
        _, err = self.quantize("--validate", f"folder:{self.folder / 'labelled'}", code=DATA)
        self.assert_names(err, "'unicorn'", "labels")
        self.assert_names(self.quantize("--methods", "entropie", code=USAGE)[1], "entropy")
        self.quantize(data=f"folder:{self.folder / 'nowhere'}", code=DATA)

    def assert_onnx_gives_back_the_logits(self, model):
        onnx, back = self.folder / "m.onnx", self.folder / "back.graft"
        self.graft("export", model, "--onnx", onnx)
        run = json.loads((self.folder / "run" / "run.json").read_text())["preprocess"]
        self.graft("import", "--onnx", onnx, "--out", back, "--preprocess",
                   "keras:resize={},mean={},std={}".format(run["side"], *("/".join(map(str, run[k]))
                                                                          for k in ("mean", "std"))))
        (want,), (got,) = self.classify(self.image, model=model), self.classify(self.image, model=back)
        scale = max(map(abs, want["logits"]))
        for a, b in zip(want["logits"], got["logits"], strict=True):
            self.assertLess(abs(a - b), 1e-5 * scale)

    def test_onnx_there_and_back_gives_the_same_logits(self):
        self.train_and_import()
        self.assert_onnx_gives_back_the_logits(self.model)

    def test_weights_of_a_checkpoint_import_by_name(self):
        run = self.train_and_import()
        weights = checkpoints(run)[-1] / "model.safetensors"
        labels = self.folder / "labels.txt"
        labels.write_text("\n".join(f"thing {i}" for i in range(10)) + "\n")
        named = self.folder / "named.graft"
        self.graft("import", "--arch", "small_cnn", "--weights", weights, "--labels", labels, "--out", named)
        (line,) = self.classify(self.image, model=named)
        self.assertEqual(line["top"][0]["label"], f"thing {line['top'][0]['index']}")

    def test_one_bad_image_does_not_cost_the_others(self):
        self.train_and_import()
        photos = self.folder / "photos"
        photos.mkdir()
        for name in ("a.png", "c.png"):
            (photos / name).write_bytes(self.image.read_bytes())
        (photos / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n damaged")
        out, err = self.graft("classify", photos, "--model", self.model, "--json", code=DATA)
        self.assertEqual([pathlib.Path(json.loads(line)["image"]).name for line in out.splitlines()], ["a.png", "c.png"])
        self.assert_names(err, "b.png", "1 of 3 images")

    def test_unsupported_nodes_are_listed_and_exit_with_5(self):
        broken = self.folder / "x.onnx"
        broken.write_bytes(b"\x08\x08:\x02\x0a\x00B\x02\x10\x11")
        _, err = self.graft("import", "--onnx", broken, "--out", self.model, code=MODEL)
        self.assert_names(err, broken)
        self.assertFalse(self.model.exists())

    def test_other_files_are_refused(self):
        for name, data in [("empty", b""), ("pickle", b"\x80\x04\x95" * 9), ("length", struct.pack("<Q", 1 << 60))]:
            path = self.folder / name
            path.write_bytes(data)
            self.assert_names(self.graft("classify", self.image, "--model", path, code=MODEL)[1], path)
            self.graft("import", "--arch", "small_cnn", "--weights", path, "--out", self.model, code=MODEL)
        self.graft("classify", self.image, "--model", self.folder / "none", code=IO)

    def test_usage(self):
        self.assert_names(self.graft("import", "--out", self.model, code=USAGE)[1], "RUN_DIR", "--onnx", "--arch")
        self.assert_names(self.graft("import", "--arch", "small_cnn", "--out", self.model, code=USAGE)[1], "--weights")
        self.assert_names(self.graft("import", "--onnx", "x", code=USAGE)[1], "--out")
        out, _ = self.graft("import", "--operators")
        self.assert_names(out, "Conv", "GlobalAveragePool", "Gemm")


if __name__ == "__main__":
    unittest.main()
