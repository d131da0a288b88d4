# SPDX-License-Identifier: Apache-2.0
"""`graft package` and what takes packages: profile and schedule."""
import hashlib
import json
import unittest

from family import CUTS, LAYERS, write_family
from graft_cli import CONFIG, DATA, IO, MODEL, OK, USAGE, GraftTest, flip_bit, png, read_archive


class PackageTest(GraftTest):
    def build(self, task="flowers", *options, **family):
        write_family(self.folder / task, task, **family)
        path = self.folder / f"{task}.mpkg"
        out, _ = self.graft("package", "build", "--from", self.folder / task, "--out", path, *options)
        return path, out

    def test_build_inspect_verify(self):
        path, out = self.build("flowers", "--positive", "tulip,weed", "--event-length-ms", 700,
                               "--event-frequency", 0.2, "--correlation", 0.3)
        self.assert_names(out, path, "tulip, weed", 700, "given")
        self.assertNotIn("--positive", out)
        shown = json.loads(self.graft("package", "inspect", path, "--json")[0])
        family = json.loads((self.folder / "flowers/family.json").read_text())
        self.assertEqual(shown["task"], "flowers")
        self.assertEqual(shown["layers"], LAYERS)
        self.assertEqual(shown["labels"], ["rose", "tulip", "weed"])
        self.assertEqual(shown["positive"], ["tulip", "weed"])
        self.assertEqual((shown["event_length_ms"], shown["event_frequency"], shown["correlation"]), (700, 0.2, 0.3))
        self.assertEqual([c["frozen"] for c in shown["candidates"]], list(CUTS))
        self.assertEqual([c["accuracy"] for c in shown["candidates"]],
                         [c["accuracy"] for c in family["candidates"]])
        base = self.folder / shown["base"]["file"]
        self.assertEqual(hashlib.sha256(base.read_bytes()).hexdigest(), family["base"]["sha256"])
        self.assert_names(self.graft("package", "inspect", path)[0], "flowers", "relu2", "0.8")
        verified = json.loads(self.graft("package", "verify", path, "--json")[0])
        self.assertEqual((verified["ok"], verified["base"]), (True, "verified"))
        # Only the weights behind each cut, bit for bit.
        tensors = read_archive(path)
        for c in family["candidates"]:
            own = read_archive(self.folder / "flowers" / c["weights"])
            held = {k.split("/", 1)[1]: v for k, v in tensors.items() if k.startswith(f"frozen-{c['frozen']}/")}
            self.assertEqual(held, own)

    def test_what_is_not_said_is_assumed_and_shown(self):
        path, out = self.build()
        self.assert_names(out, "positive: rose (--positive changes it)", "assumed")
        self.assertEqual(json.loads(self.graft("package", "inspect", path, "--json")[0])["events"], "assumed")

    def test_damage_is_refused(self):
        path, _ = self.build()
        whole = path.read_bytes()
        costs = self.folder / "costs.json"
        costs.write_text(json.dumps({"layers": [1.0] * LAYERS}))

        def refused(*parts):
            for command in (("package", "inspect", path), ("package", "verify", path, "--json"),
                            ("profile", "--model", path, "--costs", self.folder / "c.json"),
                            ("schedule", "--apps", path, "--costs", costs, "--budget", 100)):
                _, err = self.graft(*command, code=MODEL)
                self.assert_names(err, path, *parts)
            self.assertFalse((self.folder / "c.json").exists())
        flip_bit(path)
        refused("SHA-256")
        path.write_bytes(whole[:-1])
        refused("truncated")
        path.write_bytes(whole[:100])
        refused()
        path.write_bytes(whole.replace(b'"graft_package":"1"', b'"graft_package":"2"'))
        refused("format 2", "newer graft")
        path.write_bytes((self.folder / "flowers/base.graft").read_bytes())
        refused("not a package")
        path.write_bytes(whole)
        base = next(self.folder.glob("base-*.graft"))
        base.write_bytes(base.read_bytes()[:-8])
        self.graft("package", "verify", path, code=MODEL)
        base.unlink()
        self.assert_names(self.graft("package", "verify", path)[0], "not here", base.name)
        self.graft("package", "verify", path, "--base", self.folder / "nowhere", code=MODEL)
        self.graft("package", "verify", path, "--base", self.folder / "flowers/base.graft")

    def test_a_family_that_is_not_sound_writes_nothing(self):
        def build(change, *parts, code=MODEL, options=()):
            folder = self.folder / "bad"
            family = write_family(folder, "bad")
            change(folder, family)
            (folder / "family.json").write_text(json.dumps(family))
            out = self.folder / "out"
            out.mkdir()
            _, err = self.graft("package", "build", "--from", folder, "--out", out / "x.mpkg", *options, code=code)
            self.assert_names(err, *parts)
            self.assertEqual(list(out.iterdir()), [])
            out.rmdir()
            for file in sorted(folder.rglob("*"), reverse=True):
                file.rmdir() if file.is_dir() else file.unlink()
            folder.rmdir()

        def many(_, family):
            family["candidates"] = family["candidates"] * 2000
        build(lambda d, f: flip_bit(d / "candidates/frozen-3.safetensors"), "frozen-3", "SHA-256")
        build(lambda d, f: flip_bit(d / "base.graft"), "base.graft", "SHA-256")
        build(lambda d, f: f["candidates"][0].update(weights="../../secret"), "candidates[0].weights")
        build(lambda d, f: f["base"].update(file="/etc/passwd"), "base.file")
        build(lambda d, f: f.update(task="../up"), "task")
        build(lambda d, f: f["candidates"][1].update(accuracy=1.5), "candidates[1].accuracy")
        build(lambda d, f: f["candidates"][1].update(frozen=4), "candidates[1]")
        build(lambda d, f: f.update(format=2), "format")
        build(many, "candidates")
        build(lambda d, f: None, "--positive", "tulip", code=USAGE, options=["--positive", "tulp"])
        build(lambda d, f: None, "--event-frequency", code=USAGE, options=["--event-frequency", 2])

    def test_schedule_from_packages(self):
        flowers, _ = self.build("flowers", "--event-frequency", 0.3)
        signs, _ = self.build("signs", labels=("stop", "go", "yield"), seed=2)
        costs = self.folder / "costs.json"
        out, _ = self.graft("profile", "--model", flowers, "--costs", costs, "--threads", 1, "--runs", 3)
        self.assert_names(out, f"{LAYERS} layers")
        layers = json.loads(costs.read_text())
        self.assertEqual((layers["unit"], len(layers["layers"])), ("ms", LAYERS))
        self.assertAlmostEqual(sum(layers["layers"]), layers["total"])
        self.assertTrue(all(layers["layers"][3 * i] > 0 and layers["layers"][3 * i + 1] == 0 for i in range(3)))
        common = ("--costs", costs, "--budget", 1e6, "--stream-fps", 10)
        plan = json.loads(self.graft("schedule", "--apps", flowers, signs, flowers, *common, "--json")[0])
        self.assertEqual([a["name"] for a in plan["apps"]], ["flowers", "signs", "flowers#2"])
        # The same as from JSON.
        apps = []
        for name, path in (("flowers", flowers), ("signs", signs), ("flowers#2", flowers)):
            p = json.loads(self.graft("package", "inspect", path, "--json")[0])
            apps.append({"name": name, **{k: p[k] for k in ("event_length_ms", "event_frequency", "correlation")},
                         "candidates": [{k: c[k] for k in ("frozen", "accuracy", "fpr")} for c in p["candidates"]]})
        document = self.folder / "apps.json"
        document.write_text(json.dumps({"stream_fps": 10, "apps": apps}))
        same = json.loads(self.graft("schedule", "--apps", document, *common, "--json")[0])
        self.assertEqual([a.pop("package") for a in plan["apps"]], [str(p) for p in (flowers, signs, flowers)])
        self.assertEqual(plan["apps"], same["apps"])
        mixed = json.loads(self.graft("schedule", "--apps", document, signs, *common, "--json")[0])
        self.assertEqual(len(mixed["apps"]), 4)
        self.graft("schedule", "--apps", document, signs, "--costs", costs, "--budget", 9, "--stream-fps", 5,
                   code=CONFIG)
        self.graft("schedule", "--apps", signs, "--costs", costs, "--budget", 0, code=CONFIG)
        other, _ = self.build("other", base_seed=7)
        _, err = self.graft("schedule", "--apps", signs, other, *common, code=MODEL)
        self.assert_names(err, "other.mpkg", "is of base")
        costs.write_text(json.dumps({"layers": [1.0] * 4}))
        _, err = self.graft("schedule", "--apps", signs, *common, code=MODEL)
        self.assert_names(err, "graft profile --model")

    def test_events_measured_from_labelled_frames(self):
        frames = self.folder / "frames"
        frames.mkdir()
        event = [3 <= i < 8 or 12 <= i < 15 for i in range(20)]
        for i, inside in enumerate(event):
            (frames / f"{i:03}.png").write_bytes(png(20, 20, (200, 30, 30) if inside else (10, 200, 90)))
        labels = self.folder / "labels.csv"
        rows = "\n".join(f"{i + 1},{int(inside)}" for i, inside in enumerate(event))
        labels.write_text(f"frame,label\n{rows}\n")
        path, out = self.build("flowers", "--labels", labels, "--frames", f"images:{frames}", "--fps", 10)
        self.assert_names(out, "measured", "300 ms")
        shown = json.loads(self.graft("package", "inspect", path, "--json")[0])
        self.assertEqual((shown["events"], shown["event_length_ms"], shown["event_frequency"]), ("measured", 300, 0.4))
        for c in shown["candidates"]:  # two pictures: all or none of each kind is positive
            self.assertIn(c["tpr"], (0, 1))
            self.assertIn(c["fpr"], (0, 1))
        again = ("package", "build", "--from", self.folder / "flowers", "--out", self.folder / "new.mpkg")
        self.graft(*again, "--labels", labels, code=USAGE)
        self.graft(*again, "--labels", labels, "--frames", f"images:{frames}", code=USAGE)
        self.graft(*again, "--labels", labels, "--frames", f"images:{frames}", "--fps", 10, "--correlation", 0.5,
                   code=USAGE)
        labels.write_text("frame,label\n1,0\n2,0\n")
        self.graft(*again, "--labels", labels, "--frames", f"images:{frames}", "--fps", 10, code=DATA)
        labels.write_text("picture,label\n1,0\n")
        self.graft(*again, "--labels", labels, "--frames", f"images:{frames}", "--fps", 10, code=DATA)
        self.assertFalse(list(self.folder.glob("new.mpkg*")))

    def test_missing_files_and_flags(self):
        self.graft("package", code=USAGE)
        self.graft("package", "build", "--from", self.folder, code=USAGE)
        self.graft("package", "build", "--from", self.folder / "none", "--out", self.folder / "x.mpkg", code=IO)
        self.graft("package", "inspect", self.folder / "none.mpkg", code=IO)
        path, _ = self.build()
        self.graft("package", "build", "--from", self.folder / "flowers", "--out", self.folder / "no/x.mpkg", code=IO)
        self.graft("package", "verify", path, code=OK)


if __name__ == "__main__":
    unittest.main()
