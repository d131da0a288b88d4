#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Breaks the RTSP stream of a run in every way that a proxy can, and measures how soon frames come again.

Between the camera (rtsp_server.py) and the run stands a proxy of our own. A cycle waits for frames, does one of:
  reset    both connections are reset; the port refuses for a second
  stall    nothing passes for 6 seconds, nobody closes anything
  garbage  random bytes instead of the camera's for half a second, then a reset
  restart  the camera's process is killed and started again
  size     the camera changes its resolution in the middle of the stream
and counts the seconds from the moment that the source is whole again to the next frame. Prints a JSON summary;
exit code 1 if a stream did not come back within 2 seconds, or frames are missing from the account.
"""
import argparse
import json
import pathlib
import random
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time

import runner

MOST_S, GIVE_UP_S = 2.0, 30.0
KINDS = ("reset", "stall", "garbage", "restart", "size")


class Proxy:
    """Passes TCP on to `port`, until told otherwise."""

    def __init__(self, port):
        self.target, self.mode, self.pairs = port, "pass", []
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            try:
                if self.mode == "refuse":
                    raise OSError
                camera = socket.create_connection(("127.0.0.1", self.target), timeout=5)
                camera.settimeout(None)
            except OSError:
                reset(client)
                continue
            with self.lock:
                self.pairs.append((client, camera))
            for source, sink in ((client, camera), (camera, client)):
                threading.Thread(target=self.pump, args=(source, sink, sink is client), daemon=True).start()

    def pump(self, source, sink, to_client):
        try:
            while data := source.recv(65536):
                while self.mode == "stall":
                    time.sleep(0.02)
                if self.mode == "garbage" and to_client:
                    data = random.randbytes(len(data))
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def reset_all(self):
        with self.lock:
            pairs, self.pairs = self.pairs, []
        for pair in pairs:
            for end in pair:
                reset(end)


def reset(connection):
    """Closes with RST."""
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    connection.close()


class Camera:
    def __init__(self, port, fps):
        self.port, self.fps, self.sizes, self.process = port, fps, [(160, 120), (320, 240), (96, 96)], None
        self.start()

    def start(self):
        width, height = self.sizes[0]
        self.process = subprocess.Popen(
            ["/usr/bin/python3", pathlib.Path(__file__).with_name("rtsp_server.py"), "--port", str(self.port),
             "--fps", str(self.fps), "--size", f"{width}x{height}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.process.stdout.readline()

    def stop(self):
        self.process.kill()
        self.process.wait()

    def next_size(self):
        self.sizes.append(self.sizes.pop(0))
        print("size", *self.sizes[0], file=self.process.stdin, flush=True)


def fault(kind, proxy, camera):
    """Returns when the source is whole again."""
    if kind == "reset":
        proxy.mode = "refuse"
        proxy.reset_all()
        time.sleep(1)
    elif kind == "stall":
        proxy.mode = "stall"
        time.sleep(6)
    elif kind == "garbage":
        proxy.mode = "garbage"
        time.sleep(0.5)
        proxy.reset_all()
    elif kind == "restart":
        camera.stop()
        camera.start()
    elif kind == "size":
        camera.next_size()
    proxy.mode = "pass"


def parse_arguments():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    runner.add_arguments(p)
    p.add_argument("--cycles", type=int, default=200)
    p.add_argument("--fps", type=int, default=15)
    p.add_argument("--seed", type=int, default=1)
    return p.parse_args()


def captured(run):
    return run.status()["frames"]["captured"]


def wait_for_frames(run, beyond):
    """Seconds until more than `beyond` frames were captured, or None."""
    start = time.monotonic()
    while time.monotonic() < start + GIVE_UP_S:
        if captured(run) > beyond:
            return time.monotonic() - start
        time.sleep(0.03)
    return None


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


def main():
    args = parse_arguments()
    random.seed(args.seed)
    camera = Camera(free_port(), args.fps)
    proxy = Proxy(camera.port)
    seconds, problems, watch, halted = {kind: [] for kind in KINDS}, [], runner.HaltWatch(), 0
    with tempfile.TemporaryDirectory() as folder:
        packages = runner.draw_packages(args, folder, "birds")
        url = f"rtsp://viewer:secret@127.0.0.1:{proxy.port}/cam"
        with runner.Run(args, folder, "--apps", *packages, *runner.SHARED, "--source", url, "--fps", args.fps) as run:
            before, done = None, 0
            while done < args.cycles and halted < args.cycles:
                start, kind = time.monotonic(), KINDS[done % len(KINDS)]
                ready = wait_for_frames(run, captured(run) + 3)
                before = before or (run.threads(), run.descriptors())
                if ready is not None:
                    fault(kind, proxy, camera)
                back = wait_for_frames(run, captured(run))
                if not runner.balanced(run.status()):
                    problems.append(f"cycle {done}: frames are missing from the account")
                if watch.halted_since(start):
                    halted += 1
                    continue
                if ready is None or back is None or back > MOST_S:
                    problems.append(f"cycle {done}: {kind}: {'no frames' if back is None else f'{back:.2f} s'}")
                seconds[kind].append(back if back is not None else GIVE_UP_S)
                done += 1
            wait_for_frames(run, captured(run) + 3)
            after, status = (run.threads(), run.descriptors()), run.status()
        if "secret" in (pathlib.Path(folder) / "log.txt").read_text():
            problems.append("the password is in the log")
    camera.stop()
    if after[0] > before[0] or after[1] > before[1] + 2:
        problems.append(f"threads, descriptors were {before}, are {after}")
    print(json.dumps({
        "cycles": sum(map(len, seconds.values())), "halted": halted, "frames": status["frames"], "faults": status["video"]["faults"],
        "corrupt": status["video"]["corrupt"],
        "seconds_to_frames": {k: {"n": len(v), "p50": round(statistics.median(v), 2), "max": round(max(v), 2)}
                              for k, v in seconds.items() if v},
        "threads": [before[0], after[0]], "descriptors": [before[1], after[1]], "problems": problems}))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
