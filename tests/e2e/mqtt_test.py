# SPDX-License-Identifier: Apache-2.0
"""Events over MQTT, against a real broker; skipped where none is installed or MQTT is not built."""
import json
import pathlib
import signal
import subprocess
import sys
import time
import unittest

from graft_cli import IO, OK, UNAVAILABLE, GraftTest, binary, clean_environment

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "bench" / "reliability"))
from mqtt_client import Broker, Subscriber, find_broker  # noqa: E402

TIMEOUT_S = 30
PASSWORD = "hunter2"


@unittest.skipIf(find_broker() is None, "no mosquitto broker is installed")
class Mqtt(GraftTest):
    def setUp(self):
        super().setUp()
        probe = subprocess.run([binary(), "events", "replay", "--journal", self.folder / "none", "--sink",
                                "mqtt://localhost"], capture_output=True, env=clean_environment())
        if probe.returncode == UNAVAILABLE:
            self.skipTest("MQTT is not in this build")

    def start(self, login=False):
        if login:
            passwords = self.folder / "passwords"
            tool = pathlib.Path(find_broker()).parent.parent / "bin" / "mosquitto_passwd"
            subprocess.run([tool, "-b", "-c", passwords, "me", PASSWORD], check=True)
        self.broker = Broker(self.folder, passwords if login else None)
        self.broker.start()
        self.addCleanup(self.broker.kill)
        self.subscriber = Subscriber(self.broker.port, *(("me", PASSWORD) if login else ()))
        self.subscriber.start()
        self.addCleanup(self.subscriber.end)
        self.assertTrue(self.subscriber.subscribed.wait(TIMEOUT_S))
        return f"mqtt://127.0.0.1:{self.broker.port}"

    def write(self):
        self.journal = self.folder / "events.jsonl"
        scores = self.folder / "scores.jsonl"
        scores.write_text("".join(json.dumps({"frame": i, "app": "ca/rs", "score": s}) + "\n"
                                  for i, s in enumerate((0.1, 0.8, 0.9, 0.2))))
        self.graft("events", "detect", "--scores", scores, "--journal", self.journal, "--app",
                   "ca/rs", "--stream", "front", "--update-every", 0.01)

    def wait_for(self, topic, payload=None):
        deadline = time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline:
            for t, p, _ in list(self.subscriber.messages):
                if t == topic and payload in (None, p):
                    return
            time.sleep(0.01)
        self.fail(f"no {topic} {payload} in {self.subscriber.messages}")

    def payloads(self, topic):
        return [p for t, p, _ in self.subscriber.messages if t == topic]

    def test_frigates_topics(self):
        address = self.start() + "/home/graft"
        self.write()
        _, err = self.graft("events", "replay", "--journal", self.journal, "--sink", address)
        self.assert_names(err, "3 events delivered")
        self.wait_for("home/graft/available", "stopped")
        self.assertEqual(self.payloads("home/graft/available"), ["online", "stopped"])
        self.assertEqual(self.payloads("home/graft/front/classification/ca_rs"), ["on", "off"])
        new, update, end = self.subscriber.events("home/graft")
        self.assertEqual([m["type"] for m in (new, update, end)], ["new", "update", "end"])
        self.assertEqual(new["before"], new["after"])
        self.assertEqual([m["after"]["seq"] for m in (new, update, end)], [1, 2, 3])
        self.assertEqual(update["before"]["at"], new["after"]["at"])
        after = end["after"]
        self.assertEqual((after["camera"], after["label"], after["reason"]),
                         ("front", "ca/rs", "negatives"))
        self.assertEqual((after["top_score"], after["score"]), (0.9, 0.9))
        self.assertIsNone(new["after"]["end_time"])
        self.assertLess(after["start_time"], after["end_time"])
        for key in ("id", "schema", "seq", "pts", "captured_at", "model_sha256"):
            self.assertIn(key, after)

    def test_last_will_of_a_killed_process(self):
        address = self.start()
        self.write()
        process = subprocess.Popen(
            [binary(), "events", "replay", "--journal", self.journal, "--sink", address,
             "--follow"], stderr=subprocess.DEVNULL, env=clean_environment())
        self.addCleanup(process.kill)
        self.wait_for("graft/available", "online")
        process.kill()
        process.wait()
        self.wait_for("graft/available", "offline")

    def test_credentials_by_file_and_never_shown(self):
        address = self.start(login=True)
        self.write()
        _, err = self.graft("events", "replay", "--journal", self.journal, "--sink", address,
                            "--timeout", 1, code=IO)
        secret = self.folder / "secret"
        secret.write_text(PASSWORD + "\n")
        out, more = self.graft("-v", "events", "replay", "--journal", self.journal, "--sink",
                               address, env={"GRAFT_MQTT_USER": "me",
                                             "GRAFT_MQTT_PASSWORD_FILE": str(secret)})
        self.assertEqual(len(self.subscriber.events()), 3)
        files = "".join(p.read_text() for p in self.folder.glob("events.jsonl*"))
        self.assertNotIn(PASSWORD, err + out + more + files)

    def test_broker_that_comes_later(self):
        address = self.start()
        # Else the broker forgets its subscriber: the last of its subscriptions must be on disk.
        saved, deadline = self.folder / "mosquitto.db", time.monotonic() + TIMEOUT_S
        while not (saved.exists() and b"$nothing/#" in saved.read_bytes()):
            self.assertLess(time.monotonic(), deadline, "the broker has not saved its subscriber")
            time.sleep(0.01)
        self.broker.kill()
        self.write()
        process = subprocess.Popen(
            [binary(), "events", "replay", "--journal", self.journal, "--sink", address,
             "--follow"], stderr=subprocess.DEVNULL, env=clean_environment())
        self.addCleanup(process.kill)
        time.sleep(0.3)
        self.broker.start()
        self.wait_for("graft/events")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=TIMEOUT_S), OK)
        self.assertEqual({m["after"]["seq"] for m in self.subscriber.events()}, {1, 2, 3})


if __name__ == "__main__":
    unittest.main()
