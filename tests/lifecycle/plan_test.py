"""What would happen, and how much of it does: --list, --dry-run, --why, --only, --from, --force, --keep-going, -C, --clean, extends.

    plan_test.py SAHA        the binary; needs numpy and onnx
"""
import json
import shutil
import subprocess
import sys

import numpy as np

import life_cycle
from life_cycle import points


class Plan(life_cycle.LifeCycle):
    def plan(self, *more):
        code, out, err = self.run_saha("--dry-run", "--json", *more)
        self.assertEqual(code, 0, out + err)
        return {s["name"]: s for s in json.loads(out)["stages"]}

    def test_a_plan_says_what_would_happen_and_does_nothing(self):
        plan = self.plan()
        self.assertFalse((self.folder / ".saha").exists())
        self.assertEqual(plan["train"]["state"], "make")
        self.assertEqual(plan["train"]["why"], "it was not made here yet")
        self.assertEqual((plan["simplify"]["state"], plan["simplify"]["why"]), ("wait", "needs train"))
        self.assertEqual(self.run_saha()[0], 0)
        before = sorted(p.relative_to(self.folder) for p in self.folder.rglob("*"))
        plan = self.plan()
        self.assertEqual({s["state"] for s in plan.values()}, {"cached", "always"})
        self.assertGreater(plan["train"]["last_seconds"], 0)
        code, out, err = self.run_saha("--list")
        self.assertRegex(out, r"(?m)^validate\n  original/native +cached\n  float32/native +cached\nmeasure\n  server +cached")
        # A changed test set: what saw it is made anew, what did not is not.
        x, y = points(3)
        np.savez(self.folder / "test.npz", x=x, y=y)
        plan = self.plan()
        made = {name for name, s in plan.items() if s["state"] in ("make", "wait")}
        self.assertEqual(made, {"data", "validate/original/native", "validate/float32/native", "measure/server", "choose/server", "package/server"})
        code, out, err = self.run_saha("--why", "measure/server")
        self.assertEqual(code, 0, out + err)
        self.assertRegex(out, r"^measure/server: would be made: the content of test changed \([0-9a-f]{8} -> [0-9a-f]{8}\)\n$")
        code, out, err = self.run_saha("--why", "package")
        self.assertRegex(out, r"(?s)package/server: needs choose/server\n  choose/server: needs validate/original/native\n  validate/original/native would be made: the content of test")
        code, out, err = self.run_saha("--dry-run")
        self.assertRegex(out, r"make +measure/server +\S+ s last time +the content of test")
        self.assertRegex(out, r"6 stages would be made, in (about|more than) .*; nothing was run")
        self.assertEqual(sorted(p.relative_to(self.folder) for p in self.folder.rglob("*")), before)
        self.assertEqual(self.plan("--from", "simplify")["simplify"]["why"], "asked for anew")
        self.assertEqual(self.plan("--from", "simplify")["train"]["state"], "cached")

    def test_files_extend_each_other_and_paths_are_relative_to_the_file_they_stand_in(self):
        (self.folder / "shared").mkdir()
        for name in ("ready.onnx", "train.npz", "test.npz"):
            shutil.move(self.folder / name, self.folder / "shared" / name)
        (self.folder / "shared" / "base.yaml").write_text("saha: 1\nname: base\nmodel: {file: ready.onnx}\ndata: {train: train.npz, test: test.npz}\nrun: {seed: 3}\n")
        (self.folder / "saha.yaml").write_text("saha: 1\nextends: [shared/base.yaml]\nname: points\ndata: {train: null}\ntargets: {server: {threads: 1, backends: [native]}}\n")
        (self.folder / "last.yaml").write_text("run: {seed: 4}\n")
        code, out, err = self.run_saha("last.yaml", "--print-config", "-s", "targets.server.threads=2")
        self.assertEqual(code, 0, out + err)
        for line in (r"name +points +saha\.yaml:3", r"model\.file +ready\.onnx +shared/base\.yaml:3", r"run\.seed +4 +last\.yaml:1", r"run\.dir +\.saha +default",
                     r"choose\.minimize +p90\(latency\) +default", r"targets\.server\.threads +2 +-s targets\.server\.threads=2"):
            self.assertRegex(out, "(?m)^" + line + "$")
        self.assertNotIn("data.train", out)
        code, out, err = self.run_saha("--only", "data")
        self.assertEqual(code, 0, out + err)
        self.assertRegex(out, r"ok +data .* test 80")
        self.assertTrue((self.folder / ".saha").exists())
        (self.folder / "shared" / "base.yaml").write_text("saha: 1\nextends: [../saha.yaml]\n")
        code, out, err = self.run_saha()
        self.assertEqual(code, 2, out + err)
        self.assertIn("extends itself", err)

    def test_only_makes_a_stage_and_what_it_needs_and_force_makes_just_that_one_anew(self):
        code, out, err = self.run_saha("--only", "simplify")
        self.assertEqual(code, 0, out + err)
        self.assertRegex(out, r"ok +simplify")
        self.assertNotRegex(out, r"validate|measure|report")
        code, out, err = self.run_saha("--only", "simplify", "--force")
        self.assertRegex(out, r"cached +train[^\n]*\n +ok +simplify")
        code, out, err = self.run_saha("--only", "simplfy")
        self.assertEqual(code, 2, out + err)
        self.assertEqual(self.one_sentence(err), "error: there is no stage 'simplfy'")
        self.assertIn("simplify, validate/original/native", err)

    def test_keep_going_ends_only_what_needs_the_stage_that_failed(self):
        (self.folder / "make.py").write_text("import sys\nprint('no disk'); sys.exit(4)\n")
        code, out, err = self.run_saha()
        self.assertEqual(code, 1, out + err)
        self.assertFalse((self.folder / "report").exists())
        code, out, err = self.run_saha("--keep-going")
        self.assertEqual(code, 1, out + err)
        self.assertRegex(out, r"FAIL +train .*exit code 4; its last line: no disk")
        self.assertRegex(out, r"skip +simplify +- +needs train")
        self.assertRegex(out, r"skip +choose/server +- +needs ")
        stages = {s["name"]: s["status"] for s in json.loads((self.folder / "report" / "report.json").read_text())["stages"]}
        self.assertEqual((stages["data"], stages["train"], stages["report"]), ("cached", "FAIL", "ok"))

    def test_c_goes_to_a_folder_first_and_clean_takes_an_age(self):
        def away(*words):
            done = subprocess.run([life_cycle.SAHA, "run", *words], cwd="/", capture_output=True, text=True)
            return done.returncode, done.stdout, done.stderr
        code, out, err = away("-C", str(self.folder), "saha.yaml", "--only", "data")
        self.assertEqual(code, 0, out + err)
        self.assertTrue((self.folder / ".saha").exists())
        code, out, err = away("-C", "/nowhere")
        self.assertEqual(code, 2, out + err)
        self.assertIn("-C is '/nowhere'", self.one_sentence(err))
        code, out, err = away("-C", str(self.folder), "--clean", "30")
        self.assertEqual(code, 2, out + err)
        self.assertIn("--clean: ", self.one_sentence(err))
        kept = lambda: len(list((self.folder / ".saha" / "stages").glob("*")))
        self.assertEqual((away("-C", str(self.folder), "--clean", "1d")[0], kept()), (0, 1))
        self.assertEqual((away("-C", str(self.folder), "--clean", "0 s")[0], kept()), (0, 0))
        self.assertRegex(away("-C", str(self.folder), "--why", "data")[1], "its result is no longer kept")


if __name__ == "__main__":
    life_cycle.main()
