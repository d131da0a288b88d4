# SPDX-License-Identifier: Apache-2.0
"""`graft events` and `graft dispatch`: the contracts of their output, delivery to sinks, refusals."""
import http.server
import json
import pathlib
import signal
import subprocess
import threading
import unittest

from graft_cli import CONFIG, DATA, IO, OK, USAGE, GraftTest, binary, clean_environment

ORACLE = pathlib.Path(__file__).resolve().parents[1] / "oracle" / "edge_sched.json"


class EventsTest(GraftTest):
    def setUp(self):
        super().setUp()
        self.journal = self.folder / "events.jsonl"

    def detect(self, answers, *more, app="cars"):
        """Votes on one answer a frame, '+' or '-'; '.' is a frame that was not analysed."""
        scores = self.folder / "scores.jsonl"
        scores.write_text("".join(
            json.dumps({"frame": i, "app": app, "score": 0.9 if c == "+" else 0.1}) + "\n"
            for i, c in enumerate(answers) if c != "."))
        return self.graft("events", "detect", "--scores", scores, "--journal", self.journal,
                          "--app", app, *more)

    def records(self, *more):
        out, _ = self.graft("events", "tail", "--journal", self.journal, *more)
        return [json.loads(line) for line in out.splitlines()]

    def labels(self, text, header="frame,label"):
        path = self.folder / "labels.csv"
        path.write_text(header + "\n" + "".join(
            f"{i + 1},{'' if c == '?' else int(c == '+')}\n" for i, c in enumerate(text)))
        return path

    def evaluate(self, labels, *more):
        out, _ = self.graft("events", "eval", "--journal", self.journal, "--labels", labels,
                            "--app", "cars", "--json", *more)
        return json.loads(out)


class Detect(EventsTest):
    def test_votes_open_and_end_events(self):
        self.detect("-++---+-", "--votes", 2)
        self.assertEqual([(r["seq"], r["type"], r["at"]["frame"]) for r in self.records()],
                         [(1, "new", 2), (2, "end", 4)])
        self.assertEqual(self.records("--after", 1)[0]["reason"], "negatives")

    def test_the_end_of_the_file_ends_what_is_open(self):
        self.detect("-++")
        self.assertEqual(self.records()[-1]["reason"], "source_end")

    def test_numbering_goes_on(self):
        self.detect("+-")
        self.detect("+-")
        self.assertEqual([r["seq"] for r in self.records()], [1, 2, 3, 4])

    def test_mistakes(self):
        _, err = self.graft("events", "detect", "--scores", self.folder / "none", "--journal",
                            self.journal, "--app", "cars", code=IO)
        self.assert_names(err, "none")
        self.detect("+-")
        _, err = self.graft("events", "detect", "--scores", self.folder / "scores.jsonl",
                            "--journal", self.journal, "--app", "cats", code=DATA)
        self.assert_names(err, "cats")
        self.graft("events", "tail", "--journal", self.folder / "none", code=IO)
        self.journal.write_text("{}\n")
        self.graft("events", "tail", "--journal", self.journal, code=DATA)


class Evaluate(EventsTest):
    def test_contract(self):
        self.detect("--++----+----++", "--votes", 2)
        result = self.evaluate(self.labels("--+++---------+"))
        self.assertEqual(result["event_recall"], 1)
        self.assertEqual(result["event_precision"], 1)
        self.assertEqual(result["event_f1"], 1)
        self.assertEqual(result["detection_delay_frames"], 0.5)

    def test_column_unknown_frames_and_misses(self):
        self.detect("-+--+-")
        labels = self.labels("?++--+", header="frame,near")
        result = self.evaluate(labels, "--column", "near")
        self.assertEqual((result["event_recall"], result["event_precision"]), (0.5, 0.5))

    def test_an_application_without_events_is_pointed_out(self):
        self.detect("+-", app="dogs")
        out, err = self.graft("events", "eval", "--journal", self.journal, "--labels",
                              self.labels("+-"), "--app", "cars", "--json")
        self.assertEqual(json.loads(out)["event_recall"], 0)
        self.assertIsNone(json.loads(out)["detection_delay_frames"])
        self.assert_names(err, "'cars'", "dogs")

    def test_mistakes(self):
        self.detect("+-")
        bad = self.folder / "bad.csv"
        bad.write_text("frame,label\n1,yes\n")
        _, err = self.graft("events", "eval", "--journal", self.journal, "--labels", bad, "--app",
                            "cars", code=DATA)
        self.assert_names(err, "bad.csv line 2", "yes")
        self.graft("events", "eval", "--journal", self.folder / "none", "--labels",
                   self.labels("+"), "--app", "cars", code=IO)


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((json.loads(body), self.headers.get("Authorization")))
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Replay(EventsTest):
    def serve(self, statuses=()):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        server.got, server.statuses = [], list(statuses)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return server, f"http://127.0.0.1:{server.server_port}/hook"

    def test_webhook_gets_everything_once_and_goes_on(self):
        self.detect("+-+-")
        server, address = self.serve(statuses=[500, 200, 503])
        env = {"GRAFT_WEBHOOK_TOKEN": "hunter2"}
        _, err = self.graft("events", "replay", "--journal", self.journal, "--sink", address,
                            env=env)
        self.assertEqual([r["seq"] for r, _ in server.got], [1, 1, 2, 2, 3, 4])
        self.assertEqual({a for _, a in server.got}, {"Bearer hunter2"})
        self.assertNotIn("hunter2", err)
        server.got.clear()
        self.detect("+-")
        self.graft("events", "replay", "--journal", self.journal, "--sink", address, env=env)
        self.assertEqual([r["seq"] for r, _ in server.got], [5, 6])

    def test_nobody_there_is_an_error_and_nothing_is_lost(self):
        self.detect("+-")
        _, err = self.graft("events", "replay", "--journal", self.journal, "--sink",
                            "http://127.0.0.1:1/", "--timeout", 0.2, code=IO)
        self.assert_names(err, "127.0.0.1:1", "seq 0")
        out, _ = self.graft("events", "replay", "--journal", self.journal, "--sink", "stdout")
        self.assertEqual(len(out.splitlines()), 2)

    def test_follow_delivers_what_comes_until_a_signal(self):
        process = subprocess.Popen(
            [binary(), "events", "replay", "--journal", self.journal, "--sink", "stdout",
             "--follow"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env=clean_environment())
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.kill)
        self.detect("+-")
        lines = [process.stdout.readline(), process.stdout.readline()]
        self.assertEqual([json.loads(line)["type"] for line in lines], ["new", "end"])
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=30), OK)

    def test_credentials_are_not_taken_from_arguments(self):
        self.detect("+-")
        _, err = self.graft("events", "replay", "--journal", self.journal, "--sink",
                            "mqtt://me:hunter2@localhost", code=USAGE)
        self.assertNotIn("hunter2", err)
        self.assert_names(err, "GRAFT_MQTT_PASSWORD_FILE")

    def test_mistakes(self):
        self.detect("+-")
        _, err = self.graft("events", "replay", "--journal", self.journal, "--sink", "pigeon",
                            code=USAGE)
        self.assert_names(err, "pigeon", "mqtt://")
        _, err = self.graft("events", "replay", "--journal", self.journal, "--sink", "stdout",
                            env={"GRAFT_MQTT_USER": "a", "GRAFT_MQTT_USER_FILE": "b"}, code=USAGE)
        self.assert_names(err, "GRAFT_MQTT_USER")
        cursor = self.folder / "cursor"
        cursor.write_text("nonsense")
        _, err = self.graft("events", "replay", "--journal", self.journal, "--sink", "stdout",
                            "--cursor", cursor, code=CONFIG)
        self.assert_names(err, cursor, "remove it")


class Dispatch(GraftTest):
    def test_one_line_a_case_and_all_as_recorded(self):
        out, _ = self.graft("dispatch", "simulate", "--cases", ORACLE, "--json")
        wanted = [{"id": c["id"], "result": c["result"]}
                  for c in json.loads(ORACLE.read_text())["cases"]]
        self.assertEqual([json.loads(line) for line in out.splitlines()], wanted)
        table, _ = self.graft("dispatch", "simulate", "--cases", ORACLE)
        self.assertEqual(len(table.splitlines()), len(wanted) + 1)

    def test_mistakes(self):
        path = self.folder / "cases.json"
        path.write_text('{"cases": [{"id": "a"}]}')
        _, err = self.graft("dispatch", "simulate", "--cases", path, code=DATA)
        self.assert_names(err, "cases.json", "case 0", "mu")
        self.graft("dispatch", "simulate", "--cases", self.folder / "none", code=IO)


if __name__ == "__main__":
    unittest.main()
