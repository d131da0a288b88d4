#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Kills the MQTT broker again and again while events are written and delivered; none may be lost.

`graft events replay --follow` delivers a journal that grows, a subscriber collects what the broker passes on. Some
events are written while the broker is up, or just before it dies, some while it is down. Every record must arrive, twice
at most with equal id and seq. Prints a JSON summary; exit code 1 if anything is wrong, 77 if no broker is installed.
"""
import argparse
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

from mqtt_client import Broker, Subscriber, find_broker

SKIPPED, UNAVAILABLE = 77, 6
TIMEOUT_S = 60
EVENTS_A_WRITE = 3


def parse_arguments():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--graft", default="build/cpu/runtime/graft", help="the binary")
    p.add_argument("--kills", type=int, default=100)
    p.add_argument("--seed", type=int, default=1, help="of the moments")
    return p.parse_args()


def environment():
    return {k: v for k, v in os.environ.items() if not k.startswith("GRAFT_")}


def write_events(args, folder, journal):
    """Appends some events to the journal, as a runner would."""
    scores = folder / "scores.jsonl"
    scores.write_text("".join(json.dumps({"frame": i, "app": "cars", "score": float(i % 2)}) + "\n"
                              for i in range(2 * EVENTS_A_WRITE + 1)))
    subprocess.run([args.graft, "-q", "events", "detect", "--scores", scores, "--journal", journal, "--app", "cars"],
                   check=True, env=environment())


def wait_for(condition, what):
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"waited {TIMEOUT_S} s in vain for {what}")
        time.sleep(0.002)


def journal_records(journal):
    return [json.loads(line) for line in journal.read_text().splitlines()[1:]]


def main():
    args = parse_arguments()
    if find_broker() is None:
        print("skipped: 1 test, no mosquitto broker is installed")
        return SKIPPED
    probe = subprocess.run([args.graft, "events", "replay", "--journal", "none", "--sink", "mqtt://localhost"],
                           capture_output=True, env=environment())
    if probe.returncode == UNAVAILABLE:
        print("skipped: 1 test, MQTT is not in this build")
        return SKIPPED
    rng = random.Random(args.seed)
    began = time.monotonic()
    recoveries, problems = [], []
    with tempfile.TemporaryDirectory(prefix="graft-broker-") as name:
        folder = pathlib.Path(name)
        journal = folder / "events.jsonl"
        broker = Broker(folder)
        broker.start()
        subscriber = Subscriber(broker.port)
        subscriber.start()
        subscriber.subscribed.wait(TIMEOUT_S)
        publisher = subprocess.Popen(
            [args.graft, "events", "replay", "--journal", journal, "--sink", f"mqtt://127.0.0.1:{broker.port}",
             "--follow"], stderr=subprocess.PIPE, text=True, env=environment())
        received = lambda: {(e["after"]["id"], e["after"]["seq"]) for e in subscriber.events()}
        for _ in range(args.kills):
            write_events(args, folder, journal)  # while the broker is there, or was just killed
            time.sleep(rng.uniform(0, 0.03))
            broker.kill()
            subscriber.subscribed.clear()
            write_events(args, folder, journal)  # while it is not
            time.sleep(rng.uniform(0, 0.3))
            broker.start()
            back = time.monotonic()
            last = len(journal_records(journal))
            wait_for(lambda: any(seq == last for _, seq in received()) or publisher.poll() is not None,
                     f"seq {last}")
            recoveries.append(time.monotonic() - back)
        publisher.send_signal(signal.SIGTERM)
        _, err = publisher.communicate(timeout=TIMEOUT_S)
        if publisher.returncode != 0:
            problems.append(f"graft ended with {publisher.returncode}: {err}")
        wanted = [(r["id"], r["seq"]) for r in journal_records(journal)]
        got = [(e["after"]["id"], e["after"]["seq"]) for e in subscriber.events()]
        lost = [w for w in wanted if w not in set(got)]
        strange = [g for g in got if g not in set(wanted)]
        cursor = json.loads(next(folder.glob("events.jsonl.cursor-*")).read_text())
        if strange:
            problems.append(f"events that the journal does not have: {strange[:5]}")
        if cursor["seq"] != len(wanted):
            problems.append(f"delivered up to {cursor['seq']} of {len(wanted)}")
        if lost:
            problems.append(f"{len(lost)} events did not arrive: {lost[:5]}")
        subscriber.end()
        broker.kill()
    recoveries.sort()
    print(json.dumps({"kills": args.kills, "events": len(wanted), "received": len(got), "lost": len(lost),
                      "twice": len(got) - len(set(got)), "recovery_s": {
                          "median": round(recoveries[len(recoveries) // 2], 2), "most": round(recoveries[-1], 2)},
                      "seconds": round(time.monotonic() - began, 1), "problems": problems}, indent=2))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
