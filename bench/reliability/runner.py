# SPDX-License-Identifier: Apache-2.0
"""What the benches of `graft run` share: drawn packages, a run that listens, its status."""
import json
import os
import pathlib
import re
import subprocess
import threading
import time
import urllib.error
import urllib.request

START_S = 120
SHARED = ("--budget", 1e6, "--method", "maxsharing")  # or so much money would buy whole networks


def add_arguments(parser):
    parser.add_argument("--graft", default="build/cpu/runtime/graft", help="the binary")
    parser.add_argument("--draw-package", default="build/cpu/tests/e2e/draw_package", help="maker of packages")
    parser.add_argument("--threads", type=int, default=1)


def draw_packages(args, folder, *tasks):
    subprocess.run([args.draw_package, folder, *tasks], check=True)
    return [pathlib.Path(folder) / f"{task}.mpkg" for task in tasks]


class Run:
    """`graft run` in the background; a context."""

    def __init__(self, args, folder, *more):
        self.log = pathlib.Path(folder) / "log.txt"
        environment = {k: v for k, v in os.environ.items() if not k.startswith("GRAFT_")}
        self.process = subprocess.Popen(
            [args.graft, "run", "--journal", f"{folder}/events.jsonl", "--listen", "127.0.0.1:0", "--threads",
             str(args.threads), *map(str, more)], stderr=self.log.open("w"), env=environment)
        self.address = None

    def __enter__(self):
        end = time.monotonic() + START_S
        while time.monotonic() < end and self.process.poll() is None:
            found = re.search(r"listening on http://(\S+)", self.log.read_text())
            if found:
                self.address = found[1]
                return self
            time.sleep(0.05)
        self.process.kill()
        raise RuntimeError(self.log.read_text())

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait()

    def ask(self, path, method="GET", body=None):
        request = urllib.request.Request(f"http://{self.address}{path}", data=body, method=method,
                                         headers={"Content-Type": "application/octet-stream"} if body else {})
        while True:
            try:
                with urllib.request.urlopen(request, timeout=START_S) as answer:
                    return json.loads(answer.read())
            except urllib.error.HTTPError as error:
                if error.code != 429:  # too many requests: the runner takes a hundred a second
                    raise
                time.sleep(float(error.headers["Retry-After"]))

    def status(self):
        return self.ask("/api/status")

    def threads(self):
        return len(os.listdir(f"/proc/{self.process.pid}/task"))

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


class HaltWatch:
    """Notices that this process was stopped for a while, as on a machine that is shared: what was timed then does not count."""

    TICK_S, HALT_S = 0.1, 1.0

    def __init__(self):
        self.halted_at = float("-inf")
        threading.Thread(target=self.tick, daemon=True).start()

    def tick(self):
        last = time.monotonic()
        while True:
            time.sleep(self.TICK_S)
            now = time.monotonic()
            if now - last > self.HALT_S:
                self.halted_at = now
            last = now

    def halted_since(self, moment):
        time.sleep(2 * self.TICK_S)  # a halt that has just ended is noticed
        return self.halted_at > moment


def balanced(status):
    frames = status["frames"]
    return frames["captured"] == frames["processed"] + sum(frames["dropped"].values())


def slope(points):
    """Of the least-squares line through (x, y)."""
    n = len(points)
    mean_x, mean_y = sum(x for x, _ in points) / n, sum(y for _, y in points) / n
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0
