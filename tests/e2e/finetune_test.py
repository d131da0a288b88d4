# SPDX-License-Identifier: Apache-2.0
"""graft finetune as a user runs it, on tiny pictures and a network with random weights."""
import hashlib
import json
import signal
import subprocess
import time
import unittest

from graft_cli import (CONFIG, DATA, INTERRUPTED, IO, MODEL, USAGE, GraftTest, binary, clean_environment, png,
                       read_archive)


class Finetune(GraftTest):
    def setUp(self):
        super().setUp()
        self.data = self.folder / "data"
        self.out = self.folder / "out"
        for c, name in enumerate(("ant", "bee", "cat")):
            for split, count in (("train", 12), ("test", 3)):
                for i in range(count):
                    path = self.data / split / name / f"p{i}.png"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(png(40, 32, (20 + 100 * c, 10 * i, 200 - 10 * i)))

    def arguments(self, *more, out=None):
        return ("finetune", "--base", "zoo:resnet8", "--data", f"folder:{self.data}", "--task", "insects",
                "--out", out or self.out, "--epochs", 2, "--batch", 8, "--threads", 1, *more)

    def family(self, out=None):
        return json.loads(((out or self.out) / "family.json").read_text())

    def test_a_family_with_its_files(self):
        out, _ = self.graft(*self.arguments("--branchpoints", "0,3"))
        self.assertIn("Pareto front", out)
        family = self.family()
        self.assertEqual(list(family), ["format", "task", "base", "labels", "preprocess", "graph", "layers",
                                        "candidates", "seconds"])
        self.assertEqual(family["labels"], ["ant", "bee", "cat"])
        self.assertEqual([c["frozen"] for c in family["candidates"]], [0, 3])
        for c in family["candidates"]:
            weights = self.out / c["weights"]
            self.assertEqual(hashlib.sha256(weights.read_bytes()).hexdigest(), c["sha256"])
            self.assertEqual("conv1.weight" in read_archive(weights), c["frozen"] == 0)
            self.assertLessEqual(c["accuracy_low"], c["accuracy"])
            record = json.loads((self.out / f"candidates/frozen-{c['frozen']}.json").read_text())
            self.assertEqual(sum(map(sum, record["confusion"])), 9)
            self.assertEqual(len(record["worst"]), 9)
        self.assertTrue(family["candidates"][1]["pareto"])
        self.assertIn("<svg", (self.out / "report.html").read_text())
        self.assertFalse((self.out / "cache").exists())

    def test_jobs_give_the_same_candidates(self):
        self.graft(*self.arguments("--branchpoints", "0,3"))
        other = self.folder / "jobs"
        self.graft(*self.arguments("--branchpoints", "0,3", "--jobs", 2, out=other))
        self.assertEqual([c["sha256"] for c in self.family()["candidates"]],
                         [c["sha256"] for c in self.family(other)["candidates"]])
        self.assertEqual((other / "candidates/frozen-3.log").read_text(), "")

    def test_a_run_directory_is_a_base(self):
        run = self.folder / "run"
        self.train(run)
        arguments = list(self.arguments("--branchpoints", "0"))
        arguments[arguments.index("zoo:resnet8")] = run
        self.graft(*arguments)
        self.assertEqual(self.family()["base"]["origin"], "graft run run")

    def test_interrupted_and_resumed(self):
        command = [binary(), *map(str, self.arguments("--branchpoints", "0,3", "--epochs", 2000,
                                                      "--patience", 2000))]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, env=clean_environment())
        deadline = time.monotonic() + 60
        while not (self.out / "cache").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
        self.assertEqual(process.returncode, INTERRUPTED, error)
        self.assertIn(b"--resume", error)
        self.assertFalse((self.out / "family.json").exists())
        self.graft(*self.arguments("--branchpoints", "0,3", "--resume"), code=CONFIG)  # other epochs
        self.graft(*self.arguments("--branchpoints", "3", "--force"))
        self.graft(*self.arguments("--branchpoints", "0,3", "--resume"))
        self.assertEqual(len(self.family()["candidates"]), 2)

    def test_mistakes_have_their_exit_codes(self):
        _, error = self.graft(*self.arguments("--branchpoints", "5"), code=USAGE)
        self.assertIn("no branch point", error)
        self.graft(*self.arguments("--branchpoint", "5"), code=USAGE)
        self.graft("finetune", "--data", f"folder:{self.data}", code=USAGE)
        (self.data / "train/dog").mkdir()
        _, error = self.graft(*self.arguments(), code=DATA)
        self.assertIn("dog", error)
        (self.data / "train/dog").rmdir()
        bad = self.folder / "bad.graft"
        bad.write_bytes(b"x" * 100)
        arguments = list(self.arguments())
        arguments[arguments.index("zoo:resnet8")] = bad
        self.graft(*arguments, code=MODEL)
        self.assertFalse(self.out.exists())
        self.out.write_text("a file where the folder should be")
        self.graft(*self.arguments(), code=IO)


if __name__ == "__main__":
    unittest.main()
