# SPDX-License-Identifier: Apache-2.0
"""`graft schedule`: the contract of its output, batches, and input that is refused."""
import copy
import itertools
import json
import unittest

from graft_cli import CONFIG, IO, MODEL, USAGE, GraftTest

LAYERS = [2.0, 1.0, 0.5, 0.25]
FPS = 4
METHODS = ["exact", "greedy", "greedy-code", "stems", "exhaustive", "nosharing", "maxsharing",
           "static:3", "independent"]


def candidate(frozen, accuracy, fpr):
    return {"frozen": frozen, "accuracy": accuracy, "fpr": fpr}


def application(name, length, frequency, correlation, accuracies):
    return {"name": name, "event_length_ms": length, "event_frequency": frequency,
            "correlation": correlation,
            "candidates": [candidate(k, a, 1 - a) for k, a in zip((0, 1, 3), accuracies)]}


WORKLOAD = {"stream_fps": FPS, "apps": [application("bus#1", 700, 0.6, 0.6, (0.95, 0.93, 0.8)),
                                        application("car#2", 1500, 0.3, 0.1, (0.85, 0.84, 0.83)),
                                        application("cat#3", 400, 0.1, 0.3, (0.9, 0.7, 0.65))]}


def event_f1(app, chosen, fps, model):
    """Section 1 of the specification, written from it once more; no votes."""
    frames = app["event_length_ms"] / 1000 * (fps if model == "code" else FPS)
    n = frames / (FPS / fps)

    def detected(rate):
        def miss(count):
            again = 1 - rate + app["correlation"] * rate
            return 1 if count == 0 else (1 - rate) * again ** (count - 1)
        low = int(n)
        return 1 - (low + 1 - n) * miss(low) - (n - low) * miss(low + 1)
    recall = detected(chosen["accuracy"])
    true, false = (app["event_frequency"] * recall,
                   (1 - app["event_frequency"]) * detected(chosen["fpr"]))
    precision = true / (true + false)
    return 2 * recall * precision / (recall + precision)


def cost(places):
    tails = sum(sum(LAYERS[k:]) * f for k, f in places)
    return tails + sum(c * max([f for k, f in places if k > j], default=0)
                       for j, c in enumerate(LAYERS))


def optimum(model, budget, objective):
    options = [[(c["frozen"], f, event_f1(a, c, f, model)) for c in a["candidates"]
                for f in range(1, FPS + 1)] for a in WORKLOAD["apps"]]
    values = [[o[2] for o in choice] for choice in itertools.product(*options)
              if cost([o[:2] for o in choice]) <= budget + 1e-9]
    return max(min(v) if objective == "maxmin" else sum(v) / len(v) for v in values)


class ScheduleTest(GraftTest):
    def setUp(self):
        super().setUp()
        self.apps = self.write("apps.json", WORKLOAD)
        self.costs = self.write("costs.json", {"unit": "ms", "layers": LAYERS})

    def write(self, name, content):
        path = self.folder / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    def schedule(self, *more, code=0, apps=None, costs=None, budget=15):
        return self.graft("schedule", "--apps", apps or self.apps, "--costs", costs or self.costs,
                          "--budget", budget, *more, code=code)


class Output(ScheduleTest):
    def check(self, plan, model, budget):
        """The plan's numbers follow from its choices."""
        apps, places = WORKLOAD["apps"], []
        for app, got in zip(apps, plan["apps"]):
            self.assertEqual(got["name"], app["name"])
            chosen = next(c for c in app["candidates"] if c["frozen"] == got["frozen"])
            self.assertAlmostEqual(got["f1"], event_f1(app, chosen, got["fps"], model), 9)
            self.assertIsNone(got["x"])
            places.append((got["frozen"], got["fps"]))
        f1 = [a["f1"] for a in plan["apps"]]
        self.assertAlmostEqual(plan["mean_f1"], sum(f1) / len(f1), 9)
        self.assertAlmostEqual(plan["min_f1"], min(f1), 9)
        self.assertAlmostEqual(plan["cost"], cost(places), 9)
        self.assertLessEqual(plan["cost"], budget + 1e-9)
        tree = sum((sum(LAYERS[slice(*n["layers"])])) * n["fps"] for n in plan["tree"])
        self.assertAlmostEqual(tree, plan["cost"], 9)

    def test_every_method_keeps_the_contract(self):
        for model in ("text", "code"):
            best = optimum(model, 25, "mean")
            for method in METHODS:
                with self.subTest(method=method, model=model):
                    # No-Sharing would also try rates below 1.
                    out, err = self.schedule("--method", method, "--event-model", model, "--json",
                                             "--rates", "1,2,3,4", budget=25)
                    plan = json.loads(out)
                    self.assertEqual(err, "")
                    self.check(plan, model, 25)
                    self.assertLessEqual(plan["mean_f1"], best + 1e-9)
                    self.assertGreaterEqual(plan["upper_bound_f1"], plan["mean_f1"] - 1e-12)
                    if method in ("exact", "stems", "exhaustive"):
                        self.assertAlmostEqual(plan["mean_f1"], best, 9)

    def test_exact_is_the_optimum_at_every_budget(self):
        for objective, field in (("mean", "mean_f1"), ("maxmin", "min_f1")):
            for budget in range(5, 60, 5):
                out, _ = self.schedule("--objective", objective, "--json", budget=budget)
                self.assertAlmostEqual(json.loads(out)[field], optimum("text", budget, objective),
                                       9)

    def test_voting_and_rates(self):
        out, _ = self.schedule("--voting", "auto", "--rates", "0.5,1.5,4", "--json")
        for app in json.loads(out)["apps"]:
            self.assertIn(app["x"], range(1, 8))
            self.assertIn(app["fps"], (0.5, 1.5, 4))
        out, _ = self.schedule("--voting", "2", "--json")
        self.assertEqual({a["x"] for a in json.loads(out)["apps"]}, {2})

    def test_table_and_explanation(self):
        out, _ = self.schedule("--explain")
        self.assert_names(out, "application", "bus#1", "gave up", "Cost")

    def test_out_is_the_plan(self):
        out, _ = self.schedule("--out", self.folder / "plan.json")
        self.assertEqual(out, "")
        self.assertEqual(len(json.loads((self.folder / "plan.json").read_text())["apps"]), 3)

    def test_one_application_and_none(self):
        one = self.write("one.json", {**WORKLOAD, "apps": WORKLOAD["apps"][:1]})
        self.assertEqual(len(json.loads(self.schedule("--json", apps=one)[0])["apps"]), 1)
        none = self.write("none.json", {**WORKLOAD, "apps": []})
        plan = json.loads(self.schedule("--json", apps=none, budget=0)[0])
        self.assertEqual((plan["apps"], plan["cost"], plan["mean_f1"]), ([], 0, None))

    def test_applications_of_several_files(self):
        files = [self.write(f"{i}.json", {**WORKLOAD, "apps": [a]})
                 for i, a in enumerate(WORKLOAD["apps"])]
        split, _ = self.graft("schedule", "--apps", *files, "--costs", self.costs, "--budget", 15,
                              "--json")
        whole, _ = self.schedule("--json")
        self.assertEqual(json.loads(split)["apps"], json.loads(whole)["apps"])

    def test_audit_flags_a_false_claim(self):
        agreement = self.write("seen.json", {"agreements": [
            {"app": "bus#1", "frozen": [0, 3], "frames": 2000, "disagreements": 20},
            {"app": "car#2", "frozen": [0, 3], "frames": 2000, "disagreements": 200}]})
        plan = json.loads(self.schedule("--audit", agreement, "--json")[0])
        self.assertEqual([f["app"] for f in plan["flagged"]], ["bus#1"])


class Batch(ScheduleTest):
    def batch(self, lines, *more, code=0):
        path = self.write("batch.jsonl", "".join(
            (line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
        out, err = self.graft("schedule", "--batch", path, "--costs", self.costs, *more, code=code)
        return [json.loads(line) for line in out.splitlines()], err

    def test_each_line_is_what_it_is_alone(self):
        budgets = [6, 11, 19.5, 40]
        plans, _ = self.batch([{**WORKLOAD, "id": str(b), "budget": b} for b in budgets], "--json")
        for budget, plan in zip(budgets, plans):
            alone = json.loads(self.schedule("--json", budget=budget)[0])
            self.assertEqual(plan["id"], str(budget))
            for key in ("apps", "cost", "mean_f1", "tree"):
                self.assertEqual(plan[key], alone[key])

    def test_a_line_without_schedule_does_not_stop_the_others(self):
        plans, err = self.batch([{**WORKLOAD, "budget": b} for b in (15, 1, 20)], code=CONFIG)
        self.assertEqual(["error" in p for p in plans], [False, True, False])
        self.assert_names(err, "1 of 3")

    def test_a_bad_line_is_named_and_nothing_is_written(self):
        bad = copy.deepcopy(WORKLOAD)
        bad["apps"][1]["candidates"][0]["fpr"] = 1.5
        plans, err = self.batch([{**WORKLOAD, "budget": 9}, {**bad, "budget": 9}], code=MODEL)
        self.assertEqual(plans, [])
        self.assert_names(err, "batch.jsonl:2", "apps[1].candidates[0].fpr")
        _, err = self.batch([WORKLOAD], code=CONFIG)
        self.assert_names(err, "batch.jsonl:1", "budget")


class Refused(ScheduleTest):
    def refuse(self, change, *parts, code=MODEL):
        bad = copy.deepcopy(WORKLOAD)
        change(bad)
        out, err = self.schedule("--out", self.folder / "plan.json", code=code,
                                 apps=self.write("bad.json", bad))
        self.assertEqual(out, "")
        self.assert_names(err, *parts)
        self.assertFalse((self.folder / "plan.json").exists())

    def test_missing_fields(self):
        self.refuse(lambda w: w.pop("stream_fps"), "bad.json", "stream_fps")
        for field in ("name", "event_length_ms", "event_frequency", "correlation", "candidates"):
            self.refuse(lambda w, f=field: w["apps"][2].pop(f), f"apps[2].{field}")
        for field in ("frozen", "accuracy", "fpr"):
            self.refuse(lambda w, f=field: w["apps"][0]["candidates"][1].pop(f),
                        f"apps[0].candidates[1].{field}")

    def test_values_out_of_range(self):
        for field, value in (("event_frequency", 1.5), ("event_frequency", -0.1),
                             ("correlation", 2), ("event_length_ms", -5),
                             ("event_frequency", "often"), ("correlation", None),
                             ("event_length_ms", float("inf"))):
            self.refuse(lambda w, f=field, v=value: w["apps"][1].update({f: v}), field)
        for field, value in (("accuracy", 1.0001), ("fpr", -1), ("frozen", 5), ("frozen", -1),
                             ("frozen", 0.5), ("accuracy", float("nan"))):
            self.refuse(lambda w, f=field, v=value: w["apps"][1]["candidates"][0].update({f: v}),
                        field)

    def test_a_million_candidates(self):
        text = json.dumps(WORKLOAD)
        many = '"candidates": [' + ",".join(['{"frozen":1,"accuracy":0.9,"fpr":0}'] * 10**6) + "]"
        start = text.index('"candidates"')
        text = text[:start] + many + text[text.index("]", start) + 1:]
        _, err = self.schedule(apps=self.write("many.json", text), code=MODEL)
        self.assert_names(err, "many.json", "candidates")

    def test_costs(self):
        for costs, part in (({"layers": [1, -2, 1, 1]}, "layers[1]"), ({}, "layers"),
                            ({"layers": []}, "layers"), ({"layers": [1, "x", 1, 1]}, "layers[1]"),
                            ('{"layers": [1, NaN]}', "layers"), ("no", "costs")):
            _, err = self.schedule(costs=self.write("costs_bad.json", costs), code=MODEL)
            self.assert_names(err, "costs_bad.json", part)

    def test_budget_too_small_says_what_would_fit(self):
        _, err = self.schedule("--out", self.folder / "plan.json", budget=4, code=CONFIG)
        self.assert_names(err, "cost 4.25", "budget 4", "would fit", "cat#3")
        self.assertFalse((self.folder / "plan.json").exists())
        self.schedule(budget=4.25)
        out, _ = self.schedule("--admit", "--json", budget=4)
        plan = json.loads(out)
        self.assertEqual((plan["rejected"], len(plan["apps"])), (["cat#3"], 2))

    def test_options(self):
        for arguments, part, code in ((["--budget", "nan"], "--budget", CONFIG),
                                      (["--budget", "-1"], "--budget", CONFIG),
                                      (["--budget", "ten"], "--budget", CONFIG),
                                      (["--rates", "1,0"], "--rates", CONFIG),
                                      (["--rates", "1,99"], "rates", CONFIG),
                                      (["--voting", "8"], "--voting", CONFIG),
                                      (["--method", "static:2"], "static:2", CONFIG),
                                      (["--max-memory", "9"], "max-memory", CONFIG),
                                      (["--method", "exat"], "did you mean `exact`", USAGE),
                                      (["--event-model", "x"], "--event-model", USAGE)):
            with self.subTest(arguments=arguments):
                if "--budget" not in arguments:
                    arguments = ["--budget", 15, *arguments]
                _, err = self.graft("schedule", "--apps", self.apps, "--costs", self.costs,
                                    *arguments, code=code)
                self.assert_names(err, part)

    def test_files(self):
        _, err = self.schedule(apps=self.folder / "absent.json", code=IO)
        self.assert_names(err, "absent.json")
        _, err = self.graft("schedule", "--costs", self.costs, code=USAGE)
        self.assert_names(err, "--apps", "--batch")


if __name__ == "__main__":
    unittest.main()
