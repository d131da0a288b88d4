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
TIMEOUT_S, POLL_S = 60, 0.005
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
    for _ in range(int(TIMEOUT_S / POLL_S)):  # not by the clock: this process may have been stopped meanwhile
        if condition():
            return
        time.sleep(POLL_S)
    raise TimeoutError(f"waited {TIMEOUT_S} s in vain for {what}")


def journal_records(journal):
    return [json.loads(line) for line in journal.read_text().splitlines()[1:]]


def received(subscriber):
    return [(e["after"]["id"], e["after"]["seq"]) for e in subscriber.events()]


def kill_once(args, folder, journal, broker, subscriber, publisher, rng):
    """Seconds from the broker's return until everything is there."""
    write_events(args, folder, journal)
    time.sleep(rng.uniform(0, 0.03))
    broker.kill()
    write_events(args, folder, journal)  # while nobody is there
    time.sleep(rng.uniform(0, 0.3))
    broker.start()
    back = time.monotonic()
    last = len(journal_records(journal))
    wait_for(lambda: publisher.poll() is not None or any(seq == last for _, seq in received(subscriber)), f"seq {last}")
    return time.monotonic() - back


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
    with tempfile.TemporaryDirectory(prefix="graft-broker-") as name:
        summary = run(args, pathlib.Path(name))
    print(json.dumps(summary, indent=2))
    return 1 if summary["problems"] else 0


def run(args, folder):
    rng = random.Random(args.seed)
    began = time.monotonic()
    journal = folder / "events.jsonl"
    broker = Broker(folder)
    broker.start()
    subscriber = Subscriber(broker.port)
    subscriber.start()
    publisher = subprocess.Popen(
        [args.graft, "events", "replay", "--journal", journal, "--sink", f"mqtt://127.0.0.1:{broker.port}", "--follow"],
        stderr=open(folder / "stderr", "w"), env=environment())
    try:
        wait_for(subscriber.subscribed.is_set, "the subscription")
        recoveries = [kill_once(args, folder, journal, broker, subscriber, publisher, rng) for _ in range(args.kills)]
        publisher.send_signal(signal.SIGTERM)
        publisher.wait(timeout=TIMEOUT_S)
    finally:
        publisher.kill()
        broker.kill()
        subscriber.end()
    problems = [f"graft ended with {publisher.returncode}: {(folder / 'stderr').read_text()}"] if publisher.returncode != 0 else []
    wanted = [(r["id"], r["seq"]) for r in journal_records(journal)]
    got = received(subscriber)
    lost = sorted(set(wanted) - set(got))
    cursor = json.loads(next(folder.glob("events.jsonl.cursor-*")).read_text())
    if set(got) - set(wanted):
        problems.append(f"events that the journal does not have: {sorted(set(got) - set(wanted))[:5]}")
    if cursor["seq"] != len(wanted):
        problems.append(f"delivered up to {cursor['seq']} of {len(wanted)}")
    if lost:
        problems.append(f"{len(lost)} events did not arrive: {lost[:5]}")
    recoveries.sort()
    return {"kills": args.kills, "events": len(wanted), "received": len(got), "lost": len(lost),
            "twice": len(got) - len(set(got)),
            "recovery_s": {"median": round(recoveries[len(recoveries) // 2], 2), "most": round(recoveries[-1], 2)},
            "seconds": round(time.monotonic() - began, 1), "problems": problems}


if __name__ == "__main__":
    sys.exit(main())
