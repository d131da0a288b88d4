# SPDX-License-Identifier: Apache-2.0
"""graft adapt: its result, what it refuses, and a search that is interrupted."""
import json
import signal
import subprocess
import time
import unittest

from graft_cli import (DATA, INTERRUPTED, MODEL, TIMEOUT_S, USAGE, GraftTest, binary,
                       clean_environment)


class Adapt(GraftTest):
    def setUp(self):
        super().setUp()
        self.out = self.folder / "search"

    def arguments(self, *more):
        return ["adapt", "--data", "synthetic:train=120,test=40", "--holdout", 40, "--model",
                "small_cnn", "--epochs", 2, "--batch", 32, "--lr", 0.05, "--threads", 1, "--device",
                "cpu", "--trials", 3, "--trial-cost", 300, "--out", self.out, *more]

    def adapt(self, *more, **expected):
        return self.graft(*self.arguments(*more), **expected)

    def journal(self):
        return [json.loads(line) for line in (self.out / "trials.jsonl").read_text().splitlines()]

    def best(self):
        return json.loads((self.out / "best.json").read_text())

    def test_result_trains(self):
        out, _ = self.adapt("--search", "random", "--jobs", 2)
        trials, best = self.journal(), self.best()
        self.assertEqual({t["id"] for t in trials}, {0, 1, 2})
        self.assertEqual(best["objective"], max(t["objective"] for t in trials))
        self.assertIn(best["priority"], [t["priority"] for t in trials])
        self.assertTrue(best["finished"])
        for trial in trials:
            self.assertGreaterEqual(trial["cost_units"], 300)
            self.assertTrue(0 < trial["objective"] <= 1)
        self.assert_names(out, best["priority"], "best.json")
        self.train(self.folder / "run", "--sampler", "sb", "--priority", best["priority"])

    def test_a_run_swaps_in_what_its_own_search_found(self):
        run = self.folder / "run"
        self.train(run, "--sampler", "sb", "--holdout", 40, "--adapt-at", 0, "--epochs", 80, "--set",
                   "adapt.trials=2", "--set", "adapt.trial_cost=300", "--set", "adapt.search=random")
        records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        (swap,) = [r for r in records if r["event"] == "swap"]
        best = json.loads((run / "adapt" / "stage-0" / "best.json").read_text())
        self.assertEqual(swap["priority"], best["priority"])
        self.assertEqual((swap["stage"], swap["snapshot_epoch"]), (0, 0))
        self.assertGreater(swap["search_cost_units"], 600)
        self.train(self.folder / "other", "--adapt-at", 0, code=USAGE)  # traditional has no such function

    def test_from_a_snapshot(self):
        self.train(self.folder / "start")
        self.adapt("--search", "random", "--trials", 1, "--from", self.folder / "start")
        self.assertEqual(len(self.journal()), 1)

    def test_asha_goes_on_with_trials(self):
        _, err = self.adapt("--search", "asha", "--trials", 3, "--rungs", 2, "--epochs", 6)
        trials = self.journal()
        self.assertEqual([t["budget"] for t in trials], [100, 100, 100, 300])
        for trial in trials:
            self.assertGreaterEqual(trial["cost_units"], trial["budget"])
        self.assertEqual(self.best()["trial"], trials[3]["id"])
        self.assertNotIn("--epochs", err)

    def test_interrupt_is_passed_on_and_resumable(self):
        process = subprocess.Popen([binary(), *map(str, self.arguments("--search", "random"))],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   env=clean_environment())
        deadline = time.monotonic() + TIMEOUT_S
        while not (self.out / "trials/0000/metrics.jsonl").exists():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=TIMEOUT_S)
        if process.returncode == 0:
            self.skipTest("it was faster than the signal")
        self.assertEqual(process.returncode, INTERRUPTED, err)
        self.assertIn("--resume", err)
        self.adapt("--search", "random", "--resume")
        self.assertEqual([t["id"] for t in self.journal()], [0, 1, 2])

    def test_mistakes(self):
        _, err = self.adapt("--search", "grid", code=USAGE)
        self.assert_names(err, "'grid'", "gp, random, asha")
        _, err = self.adapt("--trial-cost", -5, code=USAGE)
        self.assert_names(err, "--trial-cost", "-5")
        _, err = self.adapt("--trial-cost", "lots", code=USAGE)
        self.assertIn("lots", err)
        _, err = self.adapt("--beta", 2, code=USAGE)
        self.assertIn("--beta", err)
        self.assertFalse(self.out.exists())
        _, err = self.adapt("--data", "cifar10:/no/such/folder", code=DATA)
        self.assertIn("/no/such/folder", err)

    def test_a_failing_trial_names_its_error(self):
        _, err = self.adapt("--from", self.folder / "nothing", code=MODEL)
        self.assert_names(err, "trial 0", "nothing", "child.log")


if __name__ == "__main__":
    unittest.main()
