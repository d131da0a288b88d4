# SPDX-License-Identifier: Apache-2.0
"""graft compare as a user runs it: table, page, interruption, refusals."""
import json
import signal
import subprocess
import time
import unittest

from graft_cli import CONFIG, INTERRUPTED, OK, USAGE, GraftTest, binary, clean_environment

KEYS = {"arm", "test_error_mean", "test_error_sd", "seconds_per_epoch", "seconds_ratio",
        "cost_units_ratio", "kept_fraction", "time_to_1.2x", "flip_rate"}


class Compare(GraftTest):
    def arguments(self, out, *more, arms="traditional;random;sb", examples=100):
        return ["compare", "--data", f"synthetic:train={examples},test=40", "--model", "small_cnn",
                "--epochs", 2, "--seeds", 2, "--batch", 32, "--lr", 0.05, "--threads", 1,
                "--device", "cpu", "--arms", arms, "--out", out, *more]

    def test_table_and_page(self):
        out = self.folder / "c"
        text, _ = self.graft(*self.arguments(out))
        self.assert_names(text, "traditional", "random", "sb", "table.json", "report.html")
        table = json.loads((out / "table.json").read_text())
        arms = table["arms"]
        self.assertEqual([a["arm"] for a in arms], ["traditional", "random", "sb"])
        for arm in arms:
            self.assertLessEqual(KEYS, set(arm))
            self.assertEqual(arm["n"], 2)
            self.assertIsNone(arm["flip_rate"])
        self.assertEqual(arms[0]["seconds_ratio"], 1)
        self.assertEqual(arms[0]["kept_fraction"], 1)
        self.assertLess(arms[2]["cost_units_ratio"], 1)
        page = (out / "report.html").read_text()
        self.assert_names(page, "Time to an error", "Pareto front", "Hard examples",
                          "Gradient of a part", "Selection probability", "data:image/png;base64,")
        again, _ = self.graft(*self.arguments(out, "--json"))
        self.assertEqual(json.loads(again), table)  # finished runs are kept
        _, err = self.graft(*self.arguments(out, "--lr", 0.1), code=CONFIG)
        self.assert_names(err, "lr", "0.05", "0.1")

    def test_mistakes_are_found_before_the_first_run(self):
        for arms, parts in (("traditional;sbb", ("arm 'sbb'", "`sb`")),
                            ("sb betta=2", ("arm 'sb betta=2'", "`beta`")),
                            ("traditional epoch=2", ("`epochs`",)), ("", ("--arms",))):
            with self.subTest(arms=arms):
                out = self.folder / "none"
                _, err = self.graft(*self.arguments(out, arms=arms), code=USAGE)
                self.assert_names(err, *parts)
                self.assertFalse(out.exists())

    def test_interrupted_and_taken_up(self):
        out = self.folder / "c"
        arguments = self.arguments(out, "--probes", "none", arms="traditional;sb", examples=1000)
        command = [binary(), *map(str, arguments)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              env=clean_environment()) as process:
            deadline = time.monotonic() + 60
            while not (out / "traditional/seed-1/metrics.jsonl").exists():
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.wait(60), INTERRUPTED)
        self.graft(*arguments, code=OK)
        arms = json.loads((out / "table.json").read_text())["arms"]
        self.assertEqual([a["n"] for a in arms], [2, 2])


if __name__ == "__main__":
    unittest.main()
