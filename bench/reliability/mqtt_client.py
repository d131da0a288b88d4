# SPDX-License-Identifier: Apache-2.0
"""A subscriber that speaks just enough MQTT 3.1.1, and a mosquitto broker of one's own."""
import contextlib
import getpass
import json
import pathlib
import random
import shutil
import socket
import struct
import subprocess
import threading
import time

CONNECT, PUBLISH, PUBACK, SUBSCRIBE = 0x10, 0x30, 0x40, 0x82


def find_broker():
    """Path of the mosquitto binary, or None."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


def free_port():
    """Below the ports that systems give to connections: none may take it while the broker is down."""
    while True:
        port = random.randint(20000, 32000)
        with contextlib.closing(socket.socket()) as s, contextlib.suppress(OSError):
            s.bind(("127.0.0.1", port))
            return port


class Broker:
    """mosquitto on a port of the loopback. It keeps sessions on disk, so that a subscriber that is back later than
    the publisher after a kill misses nothing."""

    def __init__(self, folder, password_file=None):
        self.port = free_port()
        folder = pathlib.Path(folder)
        self.config = folder / "mosquitto.conf"
        lines = [f"listener {self.port} 127.0.0.1", f"user {getpass.getuser()}", "persistence true",
                 f"persistence_location {folder}/", "autosave_on_changes true", "autosave_interval 1",
                 "max_queued_messages 0"]
        lines += [f"password_file {password_file}"] if password_file else ["allow_anonymous true"]
        self.config.write_text("\n".join(lines) + "\n")
        self.process = None

    def start(self):
        self.process = subprocess.Popen([find_broker(), "-c", str(self.config)], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise
                time.sleep(0.005)

    def kill(self):
        self.process.kill()
        self.process.wait()


def text(value):
    raw = value.encode()
    return struct.pack(">H", len(raw)) + raw


def packet(kind, body):
    length, size = b"", len(body)
    while True:
        size, digit = divmod(size, 128)
        length += bytes([digit | (128 if size else 0)])
        if not size:
            return bytes([kind]) + length + body


class Subscriber(threading.Thread):
    """Collects (topic, payload, retained) of every message, through broken connections."""

    def __init__(self, port, user=None, password=None):
        super().__init__(daemon=True)
        self.port, self.user, self.password = port, user, password
        self.messages, self.subscribed, self.ended = [], threading.Event(), False
        self.socket = None

    def read(self, n):
        data = b""
        while len(data) < n:
            more = self.socket.recv(n - len(data))
            if not more:
                raise ConnectionError("closed")
            data += more
        return data

    def read_packet(self):
        kind, size, shift = self.read(1)[0], 0, 0
        while True:
            digit = self.read(1)[0]
            size |= (digit & 127) << shift
            shift += 7
            if digit < 128:
                return kind, self.read(size)

    def session(self):
        self.socket = socket.create_connection(("127.0.0.1", self.port), 5)
        self.socket.settimeout(None)
        flags = (0x80 if self.user else 0) | (0x40 if self.password else 0)
        login = (text(self.user) if self.user else b"") + (text(self.password) if self.password else b"")
        self.socket.sendall(packet(CONNECT, text("MQTT") + bytes([4, flags, 0, 0]) + text("subscriber") + login))
        kind, body = self.read_packet()
        if kind != 0x20 or body[1] != 0:
            raise ConnectionError(f"refused: {body}")
        # The second makes the broker save the session at once: it does from two changes on.
        for number, topic in enumerate(("#", "$nothing/#"), 1):
            self.socket.sendall(packet(SUBSCRIBE, struct.pack(">H", number) + text(topic) + b"\x01"))
        while True:
            kind, body = self.read_packet()
            if kind == 0x90:
                self.subscribed.set()
            elif kind & 0xF0 == PUBLISH:
                (size,) = struct.unpack_from(">H", body)
                topic, rest = body[2:2 + size].decode(), body[2 + size:]
                if kind & 6:
                    self.socket.sendall(packet(PUBACK, rest[:2]))
                    rest = rest[2:]
                self.messages.append((topic, rest.decode(), bool(kind & 1)))

    def run(self):
        while not self.ended:
            try:
                self.session()
            except (OSError, struct.error):
                self.subscribed.clear()
                if self.socket:
                    self.socket.close()
                time.sleep(0.01)

    def end(self):
        self.ended = True
        if self.socket:
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)
        self.join(10)

    def events(self, prefix="graft"):
        """What came on PREFIX/events, parsed."""
        return [json.loads(p) for t, p, _ in list(self.messages) if t == prefix + "/events"]
