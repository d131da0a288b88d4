# SPDX-License-Identifier: Apache-2.0
"""What graft writes: records, reports, tables, graphs; data on stdout, everything else on stderr."""
import html.parser
import json
import re
import shutil
import subprocess
import unittest
import xml.etree.ElementTree as ElementTree

from graft_cli import CONFIG, GraftTest, records

EPOCH_KEYS = {"event", "epoch", "candidates", "forward_select", "forward_train", "backprops",
              "updates", "cost_units", "seconds", "lr", "train_loss", "test_loss", "test_error"}
SECONDS_KEYS = {"select", "forward", "backward", "optimizer", "data", "eval", "other"}
VOID = {"meta", "link", "br", "hr", "img", "input", "col", "wbr"}


class Balance(html.parser.HTMLParser):
    """Collects what is wrong with the nesting of an HTML page, and every address in it."""

    def __init__(self):
        super().__init__()
        self.open, self.wrong, self.addresses, self.tags = [], [], [], set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.addresses += [v for k, v in attrs if k in ("src", "href", "xlink:href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.add(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


class Records(GraftTest):
    def test_metrics_follow_the_contract(self):
        self.train(self.folder / "run", "--sampler", "sb", "--epochs", 3)
        lines = [json.loads(x) for x in (self.folder / "run/metrics.jsonl").read_text().splitlines()]
        epochs = [x for x in lines if x["event"] == "epoch"]
        self.assertEqual([e["epoch"] for e in epochs], [1, 2, 3])
        for e in epochs:
            self.assertEqual(set(e), EPOCH_KEYS)
            # "policy" is the share of the selection step that is not its forward.
            self.assertEqual(set(e["seconds"]), SECONDS_KEYS | {"policy"})
            self.assertTrue(all(s >= 0 for s in e["seconds"].values()))
            for key in ("candidates", "forward_select", "forward_train", "backprops", "updates"):
                self.assertIsInstance(e[key], int)
            self.assertEqual(e["cost_units"],
                             e["forward_select"] + e["forward_train"] + 2 * e["backprops"])
        self.assertEqual([e["candidates"] for e in epochs], [200, 400, 600])  # cumulative
        self.assertEqual(epochs[0]["backprops"], 200)  # the priming epoch
        self.assertLess(epochs[2]["backprops"], 600)
        for before, after in zip(epochs, epochs[1:]):
            self.assertTrue(all(after["seconds"][k] >= before["seconds"][k] for k in SECONDS_KEYS))

    def test_run_directory_is_complete(self):
        self.train(self.folder / "run")
        for name in ("run.json", "metrics.jsonl", "summary.csv", "report.html", "log.txt", "ckpt"):
            self.assertTrue((self.folder / "run" / name).exists(), name)
        description = json.loads((self.folder / "run/run.json").read_text())
        self.assertEqual(description["options"]["model"], "small_cnn")
        rows = (self.folder / "run/summary.csv").read_text().splitlines()
        self.assertEqual(len(rows), 3)  # a header and two epochs

    def test_stdout_carries_data_only(self):
        out, err = self.train(self.folder / "run", "--json")
        (result,) = json.loads(out)
        last = [r for r in records(self.folder / "run") if r["event"] == "epoch"][-1]
        self.assertEqual(result["test_error"], last["test_error"])
        self.assertEqual(result["counters"]["updates"], last["updates"])
        self.assertIn("epoch 2/2", err)
        out, err = self.graft("--quiet", *self.train_arguments(self.folder / "quiet"))
        self.assertEqual(err, "")
        self.assertEqual(len(out.splitlines()), 2)

    def test_several_seeds(self):
        out, _ = self.train(self.folder / "runs", "--seeds", 2, "--epochs", 1)
        self.assert_names(out, "2 seeds", "95 % interval")
        a, b = (records(self.folder / "runs" / f"seed-{s}") for s in (1, 2))
        self.assertNotEqual(a[0]["train_loss"], b[0]["train_loss"])
        self.assertTrue((self.folder / "runs/report.html").exists())


class Commands(GraftTest):
    def test_eval_gives_what_training_measured(self):
        run = self.folder / "run"
        self.train(run)
        last = [r for r in records(run) if r["event"] == "epoch"][-1]
        out, _ = self.graft("eval", run, "--data", "synthetic:train=200,test=40", "--json",
                            "--threads", 1, "--batch", 32)
        result = json.loads(out)
        self.assertEqual(set(result), {"test_loss", "test_error", "examples"})
        self.assertEqual(result["examples"], 40)
        self.assertEqual(result["test_error"], last["test_error"])
        self.assertAlmostEqual(result["test_loss"], last["test_loss"], places=5)
        self.assertIn("test error", self.graft("eval", run)[0])

    def test_eval_of_nothing(self):
        _, err = self.graft("eval", self.folder / "none", code=CONFIG)
        self.assert_names(err, "none", "run.json")

    def test_report_is_one_sound_page(self):
        for sampler in ("traditional", "sb"):
            self.train(self.folder / sampler, "--sampler", sampler)
        page = self.folder / "report.html"
        out, _ = self.graft("report", self.folder / "traditional", self.folder / "sb", "--out", page)
        self.assert_names(out, "Traditional", "SB", "cost units", page)
        check = Balance()
        check.feed(page.read_text())
        check.close()
        self.assertEqual((check.open, check.wrong), ([], []))
        self.assertTrue({"svg", "table", "html"} <= check.tags)
        self.assertEqual([a for a in check.addresses if not a.startswith(("#", "data:"))], [])

    def test_report_of_nothing(self):
        self.graft("report", self.folder / "none", "--out", self.folder / "r.html", code=CONFIG)

    def test_graph_as_text_dot_and_svg(self):
        for model in ("resnet8", "mobilenet_v2", "densenet-bc-22-12"):
            with self.subTest(model=model):
                graph = ["inspect", "graph", "--model", model, "--format"]
                text, err = self.graft(*graph, "text")
                self.assertEqual(err, "")
                self.assert_names(text, "image", "label", "select", "loss", "FLOP", "MiB")
                dot, _ = self.graft(*graph, "dot")
                svg, _ = self.graft(*graph, "svg")
                self.check_dot(dot)
                root = ElementTree.fromstring(svg)
                self.assertTrue(root.tag.endswith("svg"))
                drawn = " ".join(root.itertext())
                for node in ("image", "label", "select", "loss"):
                    self.assertIn(node, drawn)

    def check_dot(self, dot):
        nodes = set(re.findall(r"^\s*(n\d+) \[", dot, re.M))
        ends = set(re.findall(r"\b(n\d+)\b(?= ->|\s*[;\[])", dot)) | set(
            re.findall(r"-> (n\d+)", dot))
        self.assertGreater(len(nodes), 10)
        self.assertEqual(ends - nodes, set())
        self.assertEqual(dot.count("{"), dot.count("}"))
        if shutil.which("dot"):
            subprocess.run(["dot", "-Tsvg"], input=dot, text=True, capture_output=True, check=True)

    def test_models_are_listed(self):
        out, _ = self.graft("inspect", "models")
        self.assert_names(out, "resnetDEPTH", "wrn-DEPTH-K", "mobilenet_v2", "small_cnn")

    def test_doctor(self):
        out, err = self.graft("doctor", "--json")
        self.assertEqual(err, "")
        findings = json.loads(out)
        self.assertTrue(all(set(f) == {"what", "found", "mend"} for f in findings))
        self.assertTrue({"graft", "processor", "cores", "memory"} <= {f["what"] for f in findings})
        self.assertIn("processor", self.graft("doctor")[0])

    def test_version(self):
        out, err = self.graft("version")
        self.assertEqual(err, "")
        self.assertRegex(out, r"\Agraft \d+\.\d+\.\d+\n")
        version = json.loads(self.graft("version", "--json")[0])["version"]
        self.assertIn(version, out)


if __name__ == "__main__":
    unittest.main()
