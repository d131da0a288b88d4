#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The page of `graft run` as a person uses it, in headless Chromium: adds, replaces and removes applications by its buttons.

    bench/runner/page_buttons.py --graft build/cpu/runtime/graft --draw-package build/cpu/tests/e2e/draw_package --out runs/page

What the runner says afterwards must be what was clicked. Leaves a picture of each step; prints a JSON summary, exit code 1
if something is not as it should be. Needs Debian's chromium.
"""
import argparse
import json
import pathlib
import sys
import tempfile

import browser

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "reliability"))
import runner  # noqa: E402

SOURCE = "synthetic:fps=30,width=320,height=240"


def parse_arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    runner.add_arguments(p)
    p.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/page"))
    p.add_argument("--removals", type=int, default=10, help="removed and added again, as the page redraws under the mouse")
    return p.parse_args()


class Walk:
    def __init__(self, args, run, page, packages):
        self.args, self.run, self.page, self.packages, self.problems, self.steps = args, run, page, packages, [], []

    def expect(self, step, message, names):
        try:
            self.page.wait_for(f"document.getElementById('message').textContent === {json.dumps(message)}")
            shown = json.dumps(names)
            self.page.wait_for("JSON.stringify([...document.querySelectorAll('#apps h3')]"
                               f".map((h) => h.firstChild.textContent)) === JSON.stringify({shown})")
        except RuntimeError as error:
            self.problems.append(f"{step}: {error}; the page says " + self.page.value("document.getElementById('message').textContent"))
        runs = [a["name"] for a in self.run.status()["apps"]]
        if runs != names:
            self.problems.append(f"{step}: {runs} run")
        self.steps.append(step)

    def picture(self, name):
        self.page.value("new Promise((r) => setTimeout(r, 1500))")  # a few frames and pictures
        self.page.picture(self.args.out / f"{name}.png")

    def add(self, package, place=""):
        self.page.choose_file("#file", self.packages[package].resolve())
        self.page.value(f"document.getElementById('place').value = {json.dumps(place)}")
        self.page.click("document.querySelector('#add button')")

    def remove(self, number):
        self.page.click(f"document.querySelectorAll('#apps .remove')[{number}]")

    def walk(self):
        page = self.page
        page.open(f"http://{self.run.address}/")
        page.wait_for("document.querySelectorAll('#apps .card').length === 2")
        self.picture("1-start")
        self.add("dogs")
        self.expect("add", "dogs added", ["birds", "cars", "dogs"])
        self.picture("2-added")
        self.add("dogs", "cars")
        self.expect("replace", "dogs#2 takes its place", ["birds", "dogs#2", "dogs"])
        self.remove(0)
        self.expect("remove", "birds removed", ["dogs#2", "dogs"])
        self.picture("3-removed")
        page.choose_file("#file", self.packages["damaged"].resolve())
        page.click("document.querySelector('#add button')")
        page.wait_for("document.getElementById('message').className === 'bad'")
        self.steps.append("refused: " + page.value("document.getElementById('message').textContent"))
        self.picture("4-refused")
        for i in range(self.args.removals):
            self.remove(1)
            self.expect(f"remove {i}", "dogs removed", ["dogs#2"])
            self.add("dogs")
            self.expect(f"add {i}", "dogs added", ["dogs#2", "dogs"])
        if len(page.dialogs) != 1 + self.args.removals:
            self.problems.append(f"{len(page.dialogs)} questions for {1 + self.args.removals} removals")


def main():
    args = parse_arguments()
    args.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        tasks = ("birds", "cars", "dogs")
        packages = dict(zip(tasks, runner.draw_packages(args, folder, *tasks)))
        packages["damaged"] = pathlib.Path(folder) / "damaged.mpkg"
        packages["damaged"].write_bytes(packages["dogs"].read_bytes()[:-100])
        with runner.Run(args, folder, "--apps", packages["birds"], packages["cars"], *runner.SHARED, "--mode", "live",
                        "--source", SOURCE) as run, browser.Page() as page:
            walk = Walk(args, run, page, packages)
            walk.walk()
            print(json.dumps({"steps": walk.steps, "questions": page.dialogs[:2], "errors": page.errors,
                              "problems": walk.problems}, indent=1))
    return 1 if walk.problems else 0


if __name__ == "__main__":
    sys.exit(main())
