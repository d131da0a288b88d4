# SPDX-License-Identifier: Apache-2.0
"""Run directories: refused, damaged, interrupted, resumed, on a full disk."""
import math
import resource
import signal
import subprocess
import time
import unittest

from graft_cli import (CONFIG, INTERRUPTED, IO, MODEL, NUMERICAL, TIMEOUT_S, GraftTest, binary,
                       checkpoints, clean_environment, flip_bit, read_archive, records)

DISK_BYTES, RECORDS_BYTES = 4 << 20, 64 << 10


def limit_file_size(max_bytes):
    """For a child process: files end at max_bytes, and a write beyond is an error, not a signal."""
    def apply():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (max_bytes, max_bytes))
    return apply


class RunDirectory(GraftTest):
    def setUp(self):
        super().setUp()
        self.run_dir = self.folder / "run"

    def assert_same_run(self, run, whole):
        a, b = checkpoints(run)[-1], checkpoints(whole)[-1]
        self.assertEqual(a.name, b.name)
        for part in ("model.safetensors", "optimizer.safetensors", "arrays.safetensors"):
            self.assertTrue((a / part).read_bytes() == (b / part).read_bytes(), part)
        self.assertEqual(records(run), records(whole))

    def test_run_that_is_there_is_not_overwritten(self):
        self.train(self.run_dir)
        before = (self.run_dir / "metrics.jsonl").read_bytes()
        _, err = self.train(self.run_dir, code=CONFIG)
        self.assert_names(err, self.run_dir, "--resume", "--force")
        self.assertEqual((self.run_dir / "metrics.jsonl").read_bytes(), before)

    def test_force_replaces(self):
        self.train(self.run_dir)
        self.train(self.run_dir, "--force", "--epochs", 1)
        self.assertEqual([r["epoch"] for r in records(self.run_dir) if r["event"] == "epoch"], [1])

    def test_resume_with_another_model(self):
        self.train(self.run_dir)
        _, err = self.train(self.run_dir, "--resume", "--model", "resnet8", code=CONFIG)
        self.assert_names(err, "model", '"small_cnn"', '"resnet8"')
        self.assertNotIn("epochs", err)

    def test_resume_with_other_data(self):
        self.train(self.run_dir)
        _, err = self.train(self.run_dir, "--resume", "--data", "synthetic:train=201,test=40",
                            code=CONFIG)
        self.assertIn("train_data", err)

    def test_resume_of_a_finished_run_writes_nothing(self):
        self.train(self.run_dir)

        def contents():
            return {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in self.run_dir.rglob("*")
                    if p.is_file() and p.name != "log.txt"}
        before = contents()
        _, err = self.train(self.run_dir, "--resume")
        self.assertIn("nothing left to train", err)
        self.assertEqual(contents(), before)

    def test_flipped_bit_in_the_newest_checkpoint(self):
        whole = self.folder / "whole"
        self.train(whole)
        self.train(self.run_dir)
        newest = checkpoints(self.run_dir)[-1]
        flip_bit(newest / "model.safetensors")
        _, err = self.train(self.run_dir, "--resume")
        self.assert_names(err, newest, "damaged", "checkpoint before it")
        self.assert_same_run(self.run_dir, whole)

    def test_flipped_bit_in_every_checkpoint(self):
        self.train(self.run_dir)
        for checkpoint in checkpoints(self.run_dir):
            flip_bit(checkpoint / "optimizer.safetensors")
        _, err = self.train(self.run_dir, "--resume", code=MODEL)
        self.assert_names(err, "no sound checkpoint among 2", "optimizer.safetensors", "SHA-256")
        _, err = self.graft("eval", self.run_dir, code=MODEL)
        self.assertIn("no sound checkpoint", err)

    def test_divergence_is_stopped_before_a_checkpoint(self):
        _, err = self.train(self.run_dir, "--lr", "1e20", "--lr-policy", "fixed",
                            "--checkpoint-every", 1, code=NUMERICAL)
        self.assertIn("--lr", err)
        for checkpoint in checkpoints(self.run_dir):
            for name, values in read_archive(checkpoint / "model.safetensors").items():
                self.assertTrue(all(map(math.isfinite, values)), name)

    def interrupt(self, signal_number, arguments):
        """Starts a run and interrupts it once it has saved a checkpoint."""
        before = checkpoints(self.run_dir)
        with subprocess.Popen([binary(), *map(str, arguments)], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, env=clean_environment()) as process:
            deadline = time.monotonic() + TIMEOUT_S
            while checkpoints(self.run_dir) == before and process.poll() is None:
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.005)
            process.send_signal(signal_number)
            _, err = process.communicate(timeout=TIMEOUT_S)
        self.assertEqual(process.returncode, INTERRUPTED, err)
        self.assertIn("--resume", err)

    def test_signals_save_and_resume_goes_on(self):
        more = ["--epochs", 4, "--sampler", "sb", "--checkpoint-every", 3]
        whole = self.folder / "whole"
        self.graft(*self.train_arguments(whole, *more, examples=600))
        arguments = self.train_arguments(self.run_dir, *more, examples=600)
        self.interrupt(signal.SIGTERM, arguments)
        self.assertLess(len(records(self.run_dir)), len(records(whole)))
        self.interrupt(signal.SIGINT, [*arguments, "--resume"])
        self.graft(*arguments, "--resume")
        self.assert_same_run(self.run_dir, whole)

    def test_write_error(self):
        _, err = self.train(self.run_dir, code=IO, preexec_fn=limit_file_size(20000))
        self.assert_names(err, "model.safetensors", "bytes")
        self.assertEqual(checkpoints(self.run_dir), [])
        self.train(self.run_dir, "--resume")

    def test_full_disk(self):
        disk = self.folder / "disk"
        disk.mkdir()
        mount = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", disk],
                               capture_output=True, check=False)
        if mount.returncode != 0:
            self.skipTest("cannot mount a tmpfs here")
        self.addCleanup(subprocess.run, ["umount", str(disk)], check=False)
        run, whole = disk / "run", self.folder / "whole"
        self.train(whole, "--epochs", 4)
        part = sum(p.stat().st_size for p in checkpoints(whole)[-1].iterdir())
        filler = disk / "filler"
        # Room for one checkpoint and a half, next to the records.
        filler.write_bytes(bytes(DISK_BYTES - int(1.5 * part) - RECORDS_BYTES))
        _, err = self.train(run, "--epochs", 4, code=IO)
        self.assert_names(err, "ckpt", "No space left", "bytes free")
        self.assertEqual(len(checkpoints(run)), 1)
        self.assertFalse((run / "ckpt/.saving").exists())
        filler.unlink()
        self.train(run, "--epochs", 4, "--resume")
        self.assert_same_run(run, whole)


if __name__ == "__main__":
    unittest.main()
