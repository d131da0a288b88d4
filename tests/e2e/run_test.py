# SPDX-License-Identifier: Apache-2.0
"""`graft run`, `graft ctl` and `graft top`: replay, plans, live change, signals, kill -9, input that is refused."""
import contextlib
import json
import os
import re
import signal
import subprocess
import time
import unittest
import urllib.error
import urllib.request

from graft_cli import CONFIG, INTERRUPTED, IO, MODEL, UNAVAILABLE, USAGE, GraftTest, binary, clean_environment

VIDEO = "synthetic:frames=90,fps=10,width=48,height=40,event=15,gap=15"
ENDLESS = "synthetic:fps=200,width=48,height=40"
WAIT_S = 60
SHARED = ("--budget", 1e6, "--method", "maxsharing")  # or so much money would buy whole networks


def records(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


class RunTest(GraftTest):
    def setUp(self):
        super().setUp()
        subprocess.run([os.environ["E2E_DRAW_PACKAGE"], self.folder, "birds", "cars"], check=True)
        self.birds, self.cars = self.folder / "birds.mpkg", self.folder / "cars.mpkg"
        self.journal = self.folder / "events.jsonl"

    def arguments(self, *more, apps=None, source=VIDEO, journal=None):
        packages = [self.birds, self.cars] if apps is None else apps
        return ["run", *(["--apps", *packages] if packages else []), "--source", source, "--journal",
                journal or self.journal, "--threads", 1, *more]

    def run_video(self, *more, **kw):
        out, _ = self.graft(*self.arguments("--json", *SHARED, *more, **kw))
        return json.loads(out)

    @contextlib.contextmanager
    def running(self, *more, **kw):
        """A run that listens; gives the process and its address."""
        log = (self.folder / "log.txt").open("w+")
        arguments = self.arguments(*SHARED, "--listen", "127.0.0.1:0", "--mode", "live", *more,
                                   source=ENDLESS, **kw)
        run = subprocess.Popen([binary(), *map(str, arguments)], stderr=log, env=clean_environment())
        try:
            yield run, self.address(run)
        finally:
            run.kill()
            run.wait()
            log.close()

    def address(self, run):
        end = time.monotonic() + WAIT_S
        while time.monotonic() < end and run.poll() is None:
            found = re.search(r"listening on http://(\S+)", (self.folder / "log.txt").read_text())
            if found:
                return found[1]
            time.sleep(0.02)
        self.fail((self.folder / "log.txt").read_text())

    def ctl(self, address, *words, code=0):
        return self.graft("ctl", "--listen", address, *words, code=code)

    def status(self, address):
        return json.loads(self.ctl(address, "status", "--json")[0])

    def wait_for(self, address, condition):
        end = time.monotonic() + WAIT_S
        while time.monotonic() < end:
            status = self.status(address)
            if condition(status):
                return status
        self.fail(f"did not come: {status}")

    def check(self, status):
        frames = status["frames"]
        self.assertEqual(frames["captured"], frames["processed"] + sum(frames["dropped"].values()))
        for node in status["nodes"]:
            self.assertEqual(node["in"], node["run"] + node["dropped"], node["name"])


class Replay(RunTest):
    def test_every_frame_and_every_score(self):
        scores = self.folder / "scores.jsonl"
        status = self.run_video("--rates", "5,10", "--scores", scores)
        self.check(status)
        self.assertEqual(status["frames"]["captured"], 90)
        for app in status["apps"]:
            seen = [r["frame"] for r in records(scores) if r["app"] == app["name"]]
            self.assertEqual(len(seen), 9 * app["fps"])
            self.assertEqual(len(seen), app["analysed"])
        alone = self.folder / "alone.jsonl"
        self.run_video("--rates", "5,10", "--scores", alone, "--no-sharing",
                       journal=self.folder / "alone-events.jsonl")
        self.assertEqual(records(alone), records(scores))

    def test_runs_the_plan_of_graft_schedule(self):
        costs, plan = self.folder / "costs.json", self.folder / "plan.json"
        self.graft("profile", "--model", self.birds, "--threads", 1, "--runs", 5, "--costs", costs)
        self.graft("schedule", "--apps", self.birds, self.cars, "--stream-fps", 10, "--costs", costs,
                   "--budget", 1e6, "--voting", 2, "--rates", "2,5", "--out", plan)
        out, _ = self.graft(*self.arguments("--json", "--plan", plan))
        self.assertEqual([a["package"] for a in json.loads(plan.read_text())["apps"]],
                         [str(p.relative_to(self.folder)) for p in (self.birds, self.cars)])
        alone, _ = self.graft(*self.arguments("--json", "--plan", plan, apps=[], journal=self.folder / "alone.jsonl"))
        self.assertEqual([a["analysed"] for a in json.loads(alone)["apps"]],
                         [a["analysed"] for a in json.loads(out)["apps"]], "a plan names its packages")
        status, planned = json.loads(out), json.loads(plan.read_text())
        for app, wanted in zip(status["apps"], planned["apps"]):
            self.assertEqual([app[k] for k in ("name", "frozen", "fps", "x", "f1")],
                             [wanted[k] for k in ("name", "frozen", "fps", "x", "f1")])
            self.assertEqual(app["analysed"], 9 * wanted["fps"])

    def test_reports_on_the_way(self):
        _, err = self.graft(*self.arguments(*SHARED, "--report-every", 0.1))
        self.assert_names(err, "90 frames = ", "stem 0-", "p99", "birds")

    def test_events_go_to_standard_output_too(self):
        out, _ = self.graft(*self.arguments("--budget", 1e6, "--sink", "stdout"))
        journal = [r for r in records(self.journal) if r["type"] != "journal"]
        self.assertEqual([json.loads(line) for line in out.splitlines()], journal)


class Live(RunTest):
    def test_change_status_and_signal(self):
        with self.running() as (run, address):
            self.assertEqual(self.ctl(address, "add", self.cars)[0], "cars#2 added\n")
            self.assertEqual(self.ctl(address, "replace", "cars", self.birds)[0],
                             "birds#2 takes its place\n")
            self.assertEqual(self.ctl(address, "remove", "birds")[0], "birds removed\n")
            status = self.wait_for(address, lambda s: all(a["analysed"] > 5 for a in s["apps"]))
            self.assertEqual([a["name"] for a in status["apps"]], ["birds#2", "cars#2"])
            self.check(status)
            self.ctl(address, "remove", "birds", code=CONFIG)
            (self.folder / "bad.mpkg").write_bytes(self.cars.read_bytes()[:-1])
            self.ctl(address, "add", self.folder / "bad.mpkg", code=MODEL)
            self.assertEqual(self.status(address)["tree"], 4)
            self.assert_names(self.graft("top", "--listen", address, "--once")[0], "birds#2", "busy")
            self.assert_names(self.ctl(address, "status")[0], "cars#2", "frames")
            run.send_signal(signal.SIGTERM)
            self.assertEqual(run.wait(WAIT_S), INTERRUPTED)
        self.ctl(address, "status", code=UNAVAILABLE)
        opened = set()
        for r in records(self.journal):
            if r["type"] in ("new", "end"):
                (opened.add if r["type"] == "new" else opened.discard)(r["id"])
        self.assertEqual(opened, set(), "events are ended")

    def test_page_and_metrics(self):
        with self.running() as (_, address):
            def get(path, **headers):
                request = urllib.request.Request(f"http://{address}{path}", headers=headers)
                with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
                    return answer.read().decode()
            self.wait_for(address, lambda s: s["frames"]["processed"] > 5)
            self.assert_names(get("/"), "<h2>Tree</h2>", "page.js")
            self.assert_names(get("/metrics"), 'graft_frames_total{stream="camera",outcome="processed"',
                              "graft_inference_seconds_bucket", "graft_frame_age_seconds_sum")
            self.assertEqual(get("/readyz"), "ok\n")
            with self.assertRaises(urllib.error.HTTPError) as refused:
                get("/api/status", Origin="http://elsewhere.example")
            self.assertEqual(refused.exception.code, 403)

    def test_after_kill_9_the_journal_goes_on(self):
        with self.running("--rates", "20") as (run, address):
            self.wait_for(address, lambda s: s["frames"]["processed"] > 20)
            run.send_signal(signal.SIGKILL)
            run.wait()
        before = [r for r in records(self.journal) if r["type"] != "journal"]
        open_then = {r["id"] for r in before if r["type"] == "new"} - \
                    {r["id"] for r in before if r["type"] == "end"}
        self.run_video()
        after = [r for r in records(self.journal) if r["type"] != "journal"]
        self.assertEqual(after[:len(before)], before)
        self.assertEqual([r["seq"] for r in after], list(range(1, len(after) + 1)))
        ended = {r["id"] for r in after[len(before):] if r["type"] == "end" and r["reason"] == "restart"}
        self.assertEqual(ended, open_then)


    def test_after_kill_9_applications_are_those_that_were_added(self):
        with self.running(apps=[self.birds]) as (run, address):
            self.ctl(address, "add", self.cars)
            self.ctl(address, "add", self.birds)
            self.ctl(address, "remove", "birds")
            run.send_signal(signal.SIGKILL)
            run.wait()
        self.cars.unlink()
        with self.running(apps=[self.birds]) as (_, address):
            status = self.wait_for(address, lambda s: all(a["analysed"] > 0 for a in s["apps"]))
            self.assertEqual([a["name"] for a in status["apps"]], ["cars", "birds#2"])


class Scores(RunTest):
    def test_detect_gives_the_events_of_the_run(self):
        scores, again = self.folder / "scores.jsonl", self.folder / "again.jsonl"
        for votes in (1, 2):
            with self.subTest(votes=votes):
                journal = self.folder / f"votes-{votes}.jsonl"
                self.run_video("--rates", "10", "--voting", votes, "--scores", scores, journal=journal)
                again.unlink(missing_ok=True)
                for app in ("birds", "cars"):
                    self.graft("events", "detect", "--scores", scores, "--journal", again, "--app", app, "--votes",
                               votes, "--update-every", 10)
                def events(path):
                    return sorted((r["app"], r["type"], r["at"]["frame"], r["first"]["frame"], r["last"]["frame"],
                                   r["opened"]["frame"], r["confidence"])
                                  for r in records(path) if r["type"] != "journal")
                self.assertEqual(events(again), events(journal))
                self.assertTrue(events(journal))


class Refused(RunTest):
    def test_bad_options(self):
        for more, kw, code, parts in (
                ((), {}, USAGE, ["--budget"]),
                (("--budget", "-1"), {}, CONFIG, ["--budget"]),
                (("--budget", 1), {"apps": []}, USAGE, ["--apps", "--plan"]),
                (("--budget", 1, "--device", "gpu"), {}, USAGE, ["cuda"]),
                (("--budget", 1), {"source": "rtmp://x"}, USAGE, ["rtsp://"]),
                (("--budget", 1), {"source": "synthetic:fsp=3"}, USAGE, ["did you mean `fps`"]),
                (("--budget", 1), {"source": "images:/none"}, IO, ["/none"]),
                (("--budget", 1), {"source": "v4l2:/dev/video-none"}, IO, ["/dev/video-none", "no such device"]),
                (("--budget", 1, "--crop", "bird=0,0,1,0.5"), {}, CONFIG, ["did you mean `birds`"]),
                (("--budget", 1, "--crop", "birds=0,0,1,1.5"), {}, USAGE, ["LEFT,TOP,WIDTH,HEIGHT"]),
                (("--plan", "x", "--crop", "birds=0,0,1,0.5"), {}, USAGE, ["--plan"]),
                (("--budget", 1), {"source": "rtsp://u:${NO_SUCH_VARIABLE}@h/"}, CONFIG, ["NO_SUCH"]),
                (("--budget", 1e-6), {}, CONFIG, ["budget"]),
                (("--budget", 1e6, "--rates", "11"), {}, CONFIG, ["11"]),
                (("--budget", 1e6, "--listen", "0.0.0.0:0"), {}, CONFIG, ["--token-file"]),
                (("--budget", 1e6, "--listen", "x"), {}, USAGE, ["HOST:PORT"]),
                (("--budget", 1, "--method", "exactly"), {}, USAGE, ["exact"]),
                (("--plan", "/none.json"), {}, IO, ["/none.json"])):
            with self.subTest(more=more, **kw):
                _, err = self.graft(*self.arguments(*more, **kw), code=code)
                self.assert_names(err, *parts)

    def test_bad_packages(self):
        bad = self.folder / "bad.mpkg"
        bad.write_bytes(self.birds.read_bytes()[:1000])
        self.graft(*self.arguments("--budget", 1, apps=[bad]), code=MODEL)
        self.assertFalse(self.journal.exists(), "nothing is left behind")

    def test_no_password_in_any_output(self):
        env = {"CAMERA_PASSWORD": "hunter2secret"}
        run = subprocess.Popen([binary(), *map(str, self.arguments(
            "--budget", 1e6, "--report-every", 0.2, source="rtsp://u:${CAMERA_PASSWORD}@127.0.0.1:9/x"))],
            stderr=subprocess.PIPE, text=True, env=clean_environment(**env))
        time.sleep(1)
        run.send_signal(signal.SIGINT)
        _, err = run.communicate(timeout=WAIT_S)
        self.assertIn(run.returncode, (INTERRUPTED, UNAVAILABLE), err)
        self.assertNotIn("hunter2secret", err)


if __name__ == "__main__":
    unittest.main()
