# SPDX-License-Identifier: Apache-2.0
"""The commands at the top of the README exist and are sound shell."""
import os
import pathlib
import re
import subprocess
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHOWN_BEFORE_LINE = 25


class Readme(unittest.TestCase):
    def test_first_commands_are_there(self):
        lines = (ROOT / "README.md").read_text().splitlines()
        fences = [i for i, line in enumerate(lines) if line.strip().startswith("```")]
        self.assertGreaterEqual(len(fences), 2, "the README shows no commands")
        self.assertLess(fences[1], SHOWN_BEFORE_LINE)
        commands = re.findall(r"scripts/\w+", "\n".join(lines[fences[0]:fences[1]]))
        self.assertTrue({"scripts/demo", "scripts/test"} <= set(commands), commands)
        for command in commands:
            self.assertTrue(os.access(ROOT / command, os.X_OK), command)

    def test_scripts_are_sound_shell(self):
        scripts = [p for p in (ROOT / "scripts").iterdir()
                   if p.is_file() and b"bash" in p.read_bytes().split(b"\n", 1)[0]]
        self.assertTrue({"demo", "test", "setup", "build"} <= {p.name for p in scripts})
        for script in scripts:
            subprocess.run(["bash", "-n", str(script)], check=True)


if __name__ == "__main__":
    unittest.main()
