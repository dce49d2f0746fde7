"""Candidates in fewer bits: made, judged and measured beside float32, kept; a floor that nothing holds keeps only its own candidate out.

    compress_test.py SAHA        the binary; needs numpy and onnx
"""
import json

import life_cycle


class Compress(life_cycle.LifeCycle):
    def compress(self, text):
        self.config()
        with open(self.folder / "saha.yaml", "a") as f:
            f.write(text)

    def report(self):
        return json.loads((self.folder / "report" / "report.json").read_text())

    def test_candidates_are_made_judged_measured_and_kept(self):
        self.compress("compress:\n  int8: [{quantize: {floor: 5 pp}}]\n  wide: [{quantize: {to: int16, calibrate: minmax, samples: 40}}]\n")
        code, out, err = self.run_saha()
        self.assertEqual(code, 0, out + err)
        self.assertRegex(out, r"ok +compress/int8 .*1 layer in int8; output SQNR [0-9.]+ dB; .*floor [0-9.]+ % held")
        self.assertRegex(out, r"ok +compress/wide .*1 layer in int16")
        r = self.report()
        self.assertEqual({c["id"] for c in r["candidates"]} >= {"float32/native", "int8/native", "wide/native"}, True, [c["id"] for c in r["candidates"]])
        self.assertEqual(r["compress"]["wide"]["samples"], 40)
        self.assertIn("SQNR of each layer", (self.folder / "report" / "index.html").read_text())
        code, out, err = self.run_saha()
        self.assertRegex(out, r"cached +compress/int8")
        # Other ranges make their own candidate anew, and nothing else of it.
        plan = json.loads(self.run_saha("--dry-run", "--json", "-s", "compress.wide.0.quantize.samples=20")[1])["stages"]
        states = {s["name"]: s["state"] for s in plan}
        self.assertEqual((states["compress/wide"], states["compress/int8"], states["validate/int8/native"], states["validate/wide/native"]), ("make", "cached", "cached", "wait"))

    def test_a_floor_that_nothing_holds_fails_its_own_candidate_only(self):
        self.compress("compress: {tiny: [{quantize: {floor: 190 dB}}]}\n")
        code, out, err = self.run_saha()
        self.assertEqual(code, 1, out + err)
        self.assertRegex(out, r"FAIL +compress/tiny .*no mixture of widths holds the floor of compress.tiny, 190.0 dB")
        self.assertRegex(out, r"skip +validate/tiny/native .*needs compress/tiny")
        self.assertEqual([d.endswith("/native") and not d.startswith("tiny") for d in self.decision()], [True])

    def test_faults_of_the_section_are_told_with_their_place(self):
        for text, says in (("compress: {a: [{quantize: {floor: much}}]}", "a floor is 'much'"), ("compress: {float32: [{quantize: {}}]}", "'float32' cannot be the name of a candidate"),
                           ("compress: {a: []}", "compress.a has 0 steps"), ("compress: {a: [{quantize: {to: int3}}]}", "int3")):
            self.compress(text + "\n")
            code, out, err = self.run_saha()
            self.assertEqual(code, 2, out + err)
            self.assertIn(says, err)


if __name__ == "__main__":
    life_cycle.main()
