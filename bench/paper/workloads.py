# SPDX-License-Identifier: Apache-2.0
"""The authors' random workloads (specification, section 4), drawn again; standard library only."""
import json
import math
import random

SEED = 1337
FIELDS = ("event_length_ms", "event_frequency", "correlation")


def arange(low, high, step):
    """numpy.arange(low, high + step, step): the end point may overshoot."""
    return [low + i * step for i in range(math.ceil((high + step - low) / step))]


GRIDS = {
    "050318": (arange(200, 1000, 200), arange(.1, 1.0, .1), arange(.1, .9, .1)),
    "050318-ind": (arange(400, 500, 50), arange(.1, .2, .1), [0.0]),
    "050318-emp": (arange(400, 500, 50), arange(.1, .2, .1), arange(.2, .2, .1)),
    "050318-dep": (arange(400, 500, 50), arange(.1, .2, .1), arange(1.0, 1.0, .1)),
}


def choice(rng, values):
    """random.choice() of Python 2."""
    return values[int(rng.random() * len(values))]


class Recorded:
    """What was published: curves, costs, and schedules by workload."""

    def __init__(self, folder):
        def load(name):
            return json.loads((folder / name).read_text())
        apps = load("apps.json")
        self.order = apps["app_enum_order"]
        self.curves = {name: [{"frozen": k, "accuracy": a, "fpr": f}
                              for k, a, f in data["pareto_filtered"]]
                       for name, data in apps["mpackages_mobilenets224"].items()}
        self.february = {name: [{"frozen": k, "accuracy": a, "fpr": f} for k, a, f in rows]
                         for name, rows in apps["curves_feb2018"]["rows"].items()}
        self.layers = load("layers_mobilenets.json")["normalised_cost_used_by_scheduler"]
        self.schedules = load("schedules_public.json")
        self.throughput = load("throughput_latency.json")
        self.intervals = load("event_intervals.json")["files"]

    def application(self, number, name, length, frequency, correlation, curves=None):
        return {"name": f"{name}#{number}", "event_length_ms": length,
                "event_frequency": frequency, "correlation": correlation,
                "candidates": (curves or self.curves)[name]}

    def workload(self, key, correlation=None):
        _, fps, rows = self.schedules["workloads"][key]
        return {"stream_fps": fps,
                "apps": [self.application(i, n, t, p, r if correlation is None else correlation)
                         for i, (n, t, p, r) in enumerate(rows)]}

    def random_workloads(self, experiment, n_apps, count=100):
        lengths, frequencies, correlations = GRIDS[experiment]
        rng = random.Random(SEED)
        out = []
        for _ in range(count):
            apps = []
            for i in range(n_apps):
                correlation = choice(rng, correlations)
                frequency = choice(rng, frequencies)
                length = choice(rng, lengths)
                apps.append(self.application(i, choice(rng, self.order), length,
                                             min(frequency, 1.0), correlation))
            out.append({"stream_fps": 10, "apps": apps})
        return out

    def key(self, workload):
        """What identifies a workload of experiment 050318 among the recorded ones."""
        return json.dumps([[a["name"].split("#")[0], a["event_length_ms"],
                            round(a["event_frequency"], 4), round(a["correlation"], 4)]
                           for a in workload["apps"]])
