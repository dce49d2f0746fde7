"""A life cycle that is killed, doubled, starved and misled: what was finished is kept, what was begun leaves nothing, each fault is a sentence.

    unplugged_test.py SAHA        the binary; needs numpy and onnx
"""
import re
import resource
import signal
import time

import numpy as np

import life_cycle
from life_cycle import points


class Unplugged(life_cycle.LifeCycle):
    def test_a_killed_run_goes_on_where_it_was(self):
        process = self.start()
        for line in process.stdout:
            if re.match(r"\s+ok\s+train", line):
                break
        else:
            self.fail(process.stderr.read())
        process.kill()
        process.communicate()
        self.assertEqual(process.returncode, -signal.SIGKILL)
        self.assertFalse((self.folder / "report" / "report.json").exists())
        code, out, err = self.run_saha()
        self.assertEqual(code, 0, out + err)
        self.assertRegex(out, r"cached\s+train")
        first = self.decision()
        code, out, err = self.run_saha()
        self.assertEqual(code, 0, out + err)
        self.assertRegex(out, r"cached\s+train")
        self.assertNotRegex(out, r"(?m)^\s+ok\s+(train|simplify|measure)")
        self.assertTrue(first and all(first))
        self.assertEqual(self.decision(), first)

    def test_two_runs_at_once_go_one_after_the_other(self):
        (self.folder / "pause").write_text("2")
        self.config()
        first = self.start()
        deadline = time.time() + 20
        while not list((self.folder / ".saha").glob("*")) and time.time() < deadline:
            time.sleep(0.02)
        code, out, err = self.run_saha()
        self.assertEqual(code, 0, out + err)
        self.assertRegex(out, rf"process {first.pid} runs in .*; this run waits for it")
        self.assertRegex(out, r"cached\s+train")
        first.communicate(timeout=60)
        self.assertEqual(first.returncode, 0)

    def test_a_full_disk_is_one_sentence_and_leaves_nothing_half(self):
        # No file may grow beyond 2 KiB: what write(2) says is EFBIG, as it would be ENOSPC.
        def full():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (2048, 2048))
        code, out, err = self.run_saha(preexec_fn=full)
        self.assertEqual(code, 1, out + err)
        self.one_sentence(err)
        self.assertEqual(self.leftovers(), [])
        code, out, err = self.run_saha()
        self.assertEqual(code, 0, out + err)

    def test_a_folder_that_cannot_be_made_is_named(self):
        (self.folder / ".saha").write_text("a file where the folder should be")
        code, out, err = self.run_saha()
        self.assertEqual(code, 1, out + err)
        self.assertIn(".saha", self.one_sentence(err))
        self.assertFalse((self.folder / "report").exists())

    def test_a_changed_requirement_changes_the_decision(self):
        code, out, err = self.run_saha()
        self.assertEqual(code, 0, out + err)
        # With every fourth label wrong, 90 % is out of reach and 60 % is not.
        x, y = points(2)
        y[::4] = 1 - y[::4]
        np.savez(self.folder / "test.npz", x=x, y=y)
        code, out, err = self.run_saha()
        self.assertEqual(code, 1, out + err)
        self.assertRegex(out, r"cached\s+train")
        self.config(accuracy=60)
        code, out, err = self.run_saha()
        self.assertEqual(code, 0, out + err)
        self.assertRegex(out, r"cached\s+train")

    def test_samples_of_both_train_and_test_fail(self):
        x, y = points(1)
        np.savez(self.folder / "test.npz", x=x, y=y)
        code, out, err = self.run_saha()
        self.assertNotEqual(code, 0, out + err)
        self.assertRegex(out + err, r"80\b.*(train|test)")

    def test_a_wrong_file_is_exit_2_with_line_and_column(self):
        text = (self.folder / "saha.yaml").read_text()
        (self.folder / "saha.yaml").write_text(text.replace("threads: 1", "threads: many"))
        code, out, err = self.run_saha()
        self.assertEqual(code, 2, out + err)
        line = next(i for i, t in enumerate(text.splitlines(), 1) if "threads" in t)
        self.assertRegex(err, rf"saha\.yaml:{line}:\d+")
        self.assertFalse((self.folder / ".saha").exists())


if __name__ == "__main__":
    life_cycle.main()
