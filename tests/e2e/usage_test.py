# SPDX-License-Identifier: Apache-2.0
"""What graft says to a mistyped or contradictory command line, and where options come from."""
import json
import subprocess
import unittest

from graft_cli import CONFIG, GATE, UNAVAILABLE, USAGE, GraftTest, binary, clean_environment


class Usage(GraftTest):
    def test_unknown_flag(self):
        out, err = self.train(self.folder / "run", "--epocs", 3, code=USAGE)
        self.assertEqual(out, "")
        self.assert_names(err, "--epocs", "did you mean `--epochs`")
        self.assertFalse((self.folder / "run").exists())

    def test_unknown_subcommand(self):
        out, err = self.graft("trian", code=USAGE)
        self.assertEqual(out, "")
        self.assert_names(err, "trian", "did you mean `train`")

    def test_no_subcommand(self):
        self.assert_names(self.graft(code=USAGE)[1], "subcommand", "--help")

    def test_unknown_model(self):
        _, err = self.train(self.folder / "run", "--model", "resnett20", code=USAGE)
        self.assert_names(err, "resnett20", "did you mean `resnet20`")
        self.assertFalse((self.folder / "run").exists())

    def test_unknown_sampler(self):
        _, err = self.train(self.folder / "run", "--sampler", "sbb", code=USAGE)
        self.assert_names(err, "sbb", "did you mean")

    def test_unknown_data(self):
        _, err = self.train(self.folder / "run", "--data", "cifar11:x", code=USAGE)
        self.assert_names(err, "cifar11", "did you mean")

    def test_unknown_set_key(self):
        _, err = self.train(self.folder / "run", "--set", "epocs=3", code=USAGE)
        self.assert_names(err, "--set", "epocs", "did you mean `epochs`")

    def test_unknown_sampler_option(self):
        _, err = self.train(self.folder / "run", "--sampler", "sb", "--set", "sampler.betta=3",
                            code=USAGE)
        self.assert_names(err, "betta", "did you mean `beta`")

    def test_value_out_of_range(self):
        for flag, value in [("--batch", 0), ("--epochs", 0), ("--lr", -1), ("--epochs", "three"),
                            ("--beta", "x"), ("--lr-policy", "cosin")]:
            with self.subTest(flag=flag, value=value):
                _, err = self.train(self.folder / "run", flag, value, code=USAGE)
                self.assert_names(err, flag.lstrip("-").split("-")[0], value)

    def test_out_is_required(self):
        _, err = self.graft("train", "--epochs", 1, code=USAGE)
        self.assert_names(err, "--out")

    def test_help_is_on_stdout(self):
        for command in [[], ["train"], ["adapt"], ["eval"], ["report"], ["inspect", "graph"],
                        ["data", "check"], ["doctor"], ["version"]]:
            with self.subTest(command=command):
                out, err = self.graft(*command, "--help")
                self.assertIn("Usage", out)
                self.assertEqual(err, "")
        self.assert_names(self.graft("--help")[0], "Exit codes", "10 interrupted")

    def test_cuda_is_never_replaced_by_the_cpu(self):
        if self.cuda_is_there():
            self.skipTest("this build and machine have CUDA")
        _, err = self.train(self.folder / "run", "--device", "cuda", code=UNAVAILABLE)
        self.assertIn("CUDA", err)
        self.assertIn("to mend:", err)

    def test_doctor_says_what_cuda_lacks_and_what_mends_it(self):
        findings = {f["what"]: f for f in json.loads(self.graft("doctor", "--json")[0])}
        cuda = findings["--device cuda"]
        if self.cuda_is_there():
            self.assertEqual(cuda["mend"], "")
        else:
            self.assertIn("unavailable", cuda["found"])
            self.assertNotEqual(cuda["mend"], "")

    def test_bf16_on_the_cpu_is_refused_with_its_reason(self):
        _, err = self.train(self.folder / "run", "--device", "cpu", "--precision", "bf16",
                            code=USAGE)
        self.assert_names(err, "--precision bf16", "f32 only", "--device cuda")

    def test_bf16_selection_is_refused_where_the_processor_would_emulate_it(self):
        _, err = self.train(self.folder / "run", "--sampler", "sb", "--select-dtype", "bf16",
                            env={"ONEDNN_MAX_CPU_ISA": "AVX512_CORE"}, code=UNAVAILABLE)
        self.assert_names(err, "bf16", "no AVX512_BF16", "--select-dtype f32")

    def test_check_compares_two_backends_layer_by_layer(self):
        out, _ = self.graft("check", "--backends", "cpu,ref", "--model", "resnet8", "--batch", 2,
                            "--image", 16, "--json")
        report = json.loads(out)
        self.assertTrue(report["agrees"])
        self.assertIsNone(report["first_disagreement"])
        self.assertGreater(len(report["layers"]), 10)
        self.assertTrue(any(layer["backward"] is not None for layer in report["layers"]))
        out, err = self.graft("check", "--backends", "cpu,ref", "--model", "resnet8", "--batch", 2,
                              "--image", 16, "--tolerance", "1e-12", code=GATE)
        self.assert_names(err, "disagree", "1e-12")

    def test_check_refuses_wrong_backends(self):
        for text, names in [("cpu", ["two"]), ("cpu,tpu", ["tpu", "cuda"]),
                            ("cpu,cpu", ["different"])]:
            with self.subTest(backends=text):
                _, err = self.graft("check", "--backends", text, "--model", "resnet8", code=USAGE)
                self.assert_names(err, *names)
        if not self.cuda_is_there():
            self.graft("check", "--backends", "cuda,ref", "--model", "resnet8", code=UNAVAILABLE)

    def cuda_is_there(self):
        findings = json.loads(self.graft("doctor", "--json")[0])
        return any(f["what"] == "GPU" for f in findings)


class Configuration(GraftTest):
    def dry_run(self, *more, env=None):
        out, err = self.graft("train", "--out", "x", "--dry-run", *more, env=env)
        return json.loads(out)

    def config(self, text):
        path = self.folder / "graft.toml"
        path.write_text(text)
        return path

    def test_flag_over_environment_over_file_over_default(self):
        file = ["--config", self.config("lr = 0.2\nepochs = 7\n")]
        env = {"GRAFT_LR": "0.3"}
        self.assertEqual(self.dry_run()["lr"], 0.1)
        self.assertEqual(self.dry_run(*file)["lr"], 0.2)
        self.assertEqual(self.dry_run(*file, env=env)["lr"], 0.3)
        self.assertEqual(self.dry_run(*file, "--lr", 0.4, env=env)["lr"], 0.4)
        self.assertEqual(self.dry_run("--lr", 0.4, env=env)["lr"], 0.4)
        self.assertEqual(self.dry_run(*file, env=env)["epochs"], 7)

    def test_file_counts_behind_flags_of_graft_itself(self):
        out, _ = self.graft("-q", "train", f"--config={self.config('lr = 0.2')}", "--out", "x",
                            "--dry-run", env={"GRAFT_EPOCHS": "9"})
        self.assertEqual((json.loads(out)["lr"], json.loads(out)["epochs"]), (0.2, 9))

    def test_file_keeps_every_digit_and_type(self):
        got = self.dry_run("--config", self.config(
            'lr = 0.012345678901234567\nseed = 9007199254740993\nflip = false\n'
            'model = "resnet8"\nbeta = 1.5\n[sampler]\nR = 2048\n'))
        self.assertEqual(got["lr"], 0.012345678901234567)
        self.assertEqual(got["seed"], 9007199254740993)
        self.assertEqual(got["flip"], False)
        self.assertEqual(got["model"], "resnet8")
        self.assertEqual(got["beta"], 1.5)
        self.assertEqual(got["sampler_options"], {"R": "2048"})

    def test_cache_options(self):
        got = self.dry_run("--cache", "reuse", "--cache-bn", "b2")
        self.assertEqual((got["cache"], got["cache_bn"]), ("reuse", "b2"))
        _, err = self.graft("train", "--cache", "keep", "--out", "x", code=USAGE)
        self.assert_names(err, "--cache keep", "recompute", "reuse", "masked")
        _, err = self.graft("train", "--cache", "reuse", "--sampler", "sb", "--out", "x", code=USAGE)
        self.assert_names(err, "--cache reuse", "--norm group", "--cache-bn")

    def test_last_of_a_flag_given_twice_counts(self):
        self.assertEqual(self.dry_run("--lr", 0.3, "--lr", 0.4)["lr"], 0.4)

    def test_set(self):
        got = self.dry_run("--set", "lr=0.5", "--set", "sampler.beta=3")
        self.assertEqual(got["lr"], 0.5)
        self.assertEqual(got["sampler_options"], {"beta": "3"})

    def test_bad_toml(self):
        path = self.config("lr = \n")
        _, err = self.graft("train", "--out", "x", "--dry-run", "--config", path, code=CONFIG)
        self.assert_names(err, path, ":1:")

    def test_missing_file(self):
        _, err = self.graft("train", "--out", "x", "--dry-run", "--config", "no.toml", code=CONFIG)
        self.assertIn("no.toml", err)

    def test_unknown_key_in_the_file(self):
        path = self.config("epocs = 3\n")
        done = subprocess.run([binary(), "train", "--out", "x", "--dry-run", "--config", str(path)],
                              capture_output=True, text=True, env=clean_environment())
        self.assertIn(done.returncode, (USAGE, CONFIG))
        self.assert_names(done.stderr, path, "epocs", "did you mean `epochs`")

    def test_bad_environment(self):
        _, err = self.graft("train", "--out", "x", "--dry-run", code=USAGE,
                            env={"GRAFT_EPOCHS": "many"})
        self.assert_names(err, "GRAFT_EPOCHS", "many")


if __name__ == "__main__":
    unittest.main()
