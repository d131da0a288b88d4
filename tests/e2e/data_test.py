# SPDX-License-Identifier: Apache-2.0
"""Data that are missing, truncated or damaged."""
import json
import unittest

from graft_cli import DATA, USAGE, GraftTest, png

RECORD_BYTES, RECORDS = 3073, 10000


class Cifar(GraftTest):
    def test_missing_file(self):
        _, err = self.train(self.folder / "run", "--data", f"cifar10:{self.folder}", code=DATA)
        self.assert_names(err, self.folder, "data_batch_1.bin")
        self.assertFalse((self.folder / "run").exists())

    def test_missing_folder(self):
        _, err = self.train(self.folder / "run", "--data", "cifar100:/nonexistent", code=DATA)
        self.assertIn("/nonexistent", err)

    def test_truncated_file(self):
        with open(self.folder / "data_batch_1.bin", "wb") as file:
            file.truncate(RECORD_BYTES * RECORDS - 1)
        _, err = self.train(self.folder / "run", "--data", f"cifar10:{self.folder}", code=DATA)
        self.assert_names(err, "data_batch_1.bin", RECORD_BYTES * RECORDS,
                          RECORD_BYTES * RECORDS - 1)


class ImageFolder(GraftTest):
    """Two classes of 20 images each, some of them damaged."""

    def make(self, bad):
        for split, count in (("train", 20), ("test", 5)):
            for number, name in enumerate(("ant", "bee")):
                folder = self.folder / "images" / split / name
                folder.mkdir(parents=True)
                for i in range(count):
                    colour = (200 * number, 40 + 8 * i, 90)
                    (folder / f"{i:03}.png").write_bytes(png(32, 32, colour))
        for i in range(bad):
            # A JPEG that ends in the middle of its header.
            (self.folder / f"images/train/ant/bad{i}.jpg").write_bytes(
                bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffdb004300"))
        return self.folder / "images"

    def arguments(self, data):
        return ["train", "--data", f"folder:{data},size=32", "--model", "small_cnn", "--epochs", 2,
                "--batch", 16, "--threads", 1, "--out", self.folder / "run"]

    def test_one_corrupt_jpeg_is_named_and_skipped(self):
        data = self.make(bad=1)
        _, err = self.graft(*self.arguments(data))
        self.assert_names(err, "bad0.jpg", "skipped")
        self.assertTrue((self.folder / "run/report.html").exists())

    def test_more_than_the_limit_stop_the_run(self):
        data = self.make(bad=3)
        _, err = self.graft(*self.arguments(data), code=DATA)
        self.assert_names(err, "bad", ".jpg", "max_bad")

    def test_limit_may_be_raised(self):
        data = self.make(bad=3)
        arguments = self.arguments(data)
        arguments[2] += ",max_bad=3"
        _, err = self.graft(*arguments)
        self.assert_names(err, "bad0.jpg", "bad1.jpg", "bad2.jpg")

    def test_check_lists_what_is_wrong(self):
        data = self.make(bad=1)
        out, _ = self.graft("data", "check", f"folder:{data},size=32", "--json")
        check = json.loads(out)
        self.assertEqual(check["test"]["examples"], 10)
        self.assertEqual([b["path"].split("/")[-1] for b in check["train"]["bad_files"]],
                         ["bad0.jpg"])
        self.assertEqual(check["test"]["bad_files"], [])

    def test_empty_folder(self):
        (self.folder / "images").mkdir()
        _, err = self.graft("data", "check", f"folder:{self.folder}/images", code=DATA)
        self.assertIn("images", err)


class Synthetic(GraftTest):
    def test_check(self):
        out, err = self.graft("data", "check", "--data", "synthetic:train=200,test=50", "--json")
        check = json.loads(out)
        self.assertEqual(err, "")
        self.assertEqual(check["train"]["examples"], 200)
        self.assertEqual(sorted(check["train"]["classes"].values()), [20] * 10)
        self.assertEqual(check["test"]["size"], [32, 32])
        text, _ = self.graft("data", "check", "synthetic:train=200,test=50")
        self.assert_names(text, "train: 200 examples of 32x32, 10 classes", check["train"]["sha256"])

    def test_unknown_key(self):
        _, err = self.graft("data", "check", "synthetic:trian=10", code=USAGE)
        self.assert_names(err, "trian", "did you mean")


if __name__ == "__main__":
    unittest.main()
