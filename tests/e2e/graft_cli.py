# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests share: the binary under test, run directories and small inputs."""
import json
import os
import pathlib
import shutil
import struct
import subprocess
import tempfile
import unittest
import zlib

OK, USAGE, CONFIG, DATA, MODEL, UNAVAILABLE = 0, 2, 3, 4, 5, 6
NUMERICAL, IO, INTERRUPTED, GATE = 8, 9, 10, 11
TIMEOUT_S = 120


def binary():
    return os.environ["E2E_GRAFT"]


def clean_environment(**more):
    """The caller's environment without options of graft, which it would read."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("GRAFT_")}
    env.update(more)
    return env


def has_bf16():
    """Whether the processor has AVX512_BF16."""
    return "avx512_bf16" in pathlib.Path("/proc/cpuinfo").read_text().split()


def png(width, height, colour):
    """A PNG of one colour (r, g, b)."""
    def chunk(kind, body):
        crc = zlib.crc32(kind + body)
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", crc)
    rows = (b"\0" + bytes(colour) * width) * height
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) +
            chunk(b"IEND", b""))


def read_archive(path):
    """Tensors of a safetensors file of f32: name -> tuple of floats."""
    data = pathlib.Path(path).read_bytes()
    (size,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8:8 + size])
    out = {}
    for name, info in header.items():
        if name == "__metadata__":
            continue
        begin, end = info["data_offsets"]
        out[name] = struct.unpack(f"<{(end - begin) // 4}f", data[8 + size + begin:8 + size + end])
    return out


def checkpoints(run):
    """Checkpoint folders of a run, oldest first."""
    folder = pathlib.Path(run) / "ckpt"
    return sorted(p for p in folder.glob("[0-9]*") if p.is_dir()) if folder.exists() else []


def records(run):
    """metrics.jsonl of a run without its time fields."""
    out = []
    for line in (pathlib.Path(run) / "metrics.jsonl").read_text().splitlines():
        record = json.loads(line)
        record.pop("seconds", None)
        out.append(record)
    return out


def flip_bit(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


class GraftTest(unittest.TestCase):
    """A test with an empty folder of its own, self.folder."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="graft-e2e-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def graft(self, *arguments, code=OK, env=None, **popen):
        """Runs graft and checks its exit code. Returns (stdout, stderr)."""
        done = subprocess.run([binary(), *map(str, arguments)], capture_output=True, text=True,
                              timeout=TIMEOUT_S, env=clean_environment(**(env or {})), **popen)
        self.assertEqual(done.returncode, code,
                         f"graft {' '.join(map(str, arguments))}\n{done.stdout}{done.stderr}")
        if code != OK:
            self.assertIn("error: " if code != INTERRUPTED else "warning", done.stderr)
            self.assertNotIn("internal", done.stderr)
        return done.stdout, done.stderr

    def train_arguments(self, out, *more, examples=200):
        return ["train", "--data", f"synthetic:train={examples},test=40", "--model", "small_cnn",
                "--epochs", 2, "--batch", 32, "--lr", 0.05, "--threads", 1, "--device", "cpu",
                "--out", out, *more]

    def train(self, out, *more, code=OK, **popen):
        return self.graft(*self.train_arguments(out, *more), code=code, **popen)

    def assert_names(self, text, *parts):
        for part in parts:
            self.assertIn(str(part), text)
