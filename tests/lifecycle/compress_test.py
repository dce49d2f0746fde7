"""Candidates in fewer bits: made, judged and measured beside float32, kept; a floor that nothing holds keeps only its own candidate out.

    compress_test.py SAHA        the binary; needs numpy and onnx
"""
import json
import os
import subprocess
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper

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

    def test_forms_that_need_no_calibration_and_what_other_engines_refuse(self):
        self.compress("compress:\n  bf16: [{quantize: {to: bf16}}]\n  small: [{quantize: {scheme: weights, to: int4}}]\n  dynamic: [{quantize: {scheme: dynamic}}]\npackage: {server: [onnx, tflite, openvino, saha]}\n")
        code, out, err = self.run_saha()
        self.assertEqual(code, 0, out + err)
        for name, layers in (("bf16", "bf16"), ("small", "weights int4"), ("dynamic", "dynamic int8")):
            self.assertRegex(out, rf"ok +compress/{name} .*1 layer in {layers}; output SQNR [0-9.]+ dB")
        r = self.report()
        self.assertEqual({c["id"] for c in r["candidates"]} >= {"float32/native", "bf16/native", "small/native", "dynamic/native"}, True)
        self.assertTrue(all(c["quality"]["name"] == "accuracy" and 0.5 < c["quality"]["lower"] <= c["quality"]["value"] for c in r["candidates"]))
        self.assertEqual(r["compress"]["bf16"]["layers"], [])
        delivered = self.folder / "report" / "package" / "server"
        self.assertEqual(sorted(p.name for p in delivered.iterdir()), ["manifest.json", "model.bin", "model.onnx", "model.saha", "model.tflite", "model.xml"])
        x = self.folder / "x.npy"
        np.save(x, life_cycle.points(3, 1)[0])
        said = [json.loads(subprocess.run([life_cycle.SAHA, "infer", str(delivered / f), "--input", str(x), "--json"], capture_output=True, text=True, check=True).stdout)["outputs"][0]["values"] for f in ("model.onnx", "model.tflite", "model.xml", "model.saha")]
        self.assertTrue(all(s == said[0] for s in said), said)

    def test_named_engines_that_do_not_run_a_candidate_are_left_out_of_its_measurement(self):
        self.compress("compress: {half: [{quantize: {to: bf16}}]}\n")
        code, out, err = self.run_saha("-s", 'targets.server.backends=["onnxruntime", "native"]')
        if "'onnxruntime' was" in err + out or "onnxruntime" in err and code == 2:
            self.skipTest("the engine onnxruntime is not here")
        self.assertEqual(code, 0, out + err)
        self.assertRegex(out, r"skip +validate/half/onnxruntime")
        self.assertEqual({c["id"] for c in self.report()["candidates"]} >= {"float32/onnxruntime", "half/native"}, True)
        self.assertNotIn("half/onnxruntime", {c["id"] for c in self.report()["candidates"]})
        code, out, err = self.run_saha("-s", 'targets.server.backends=["onnxruntime"]')
        self.assertEqual(code, 0, out + err)   # no layers are shown then
        code, out, err = self.run_saha("-s", 'targets.server.backends=["tensorrt"]')
        self.assertEqual(code, 2, out + err)
        self.assertIn("there is no backend 'tensorrt'", err)

    def test_masks_are_judged_by_intersection_over_union(self):
        rng = np.random.default_rng(0)
        x = rng.standard_normal((40, 6, 5, 1)).astype(np.float32)
        y = (x[..., 0] > 0).astype(np.uint8)
        y[0, 0] = 1 - y[0, 0]   # five places are wrong
        np.savez(self.folder / "masks.npz", x=x, y=y)
        graph = helper.make_graph([helper.make_node("Sigmoid", ["x"], ["m"], "s")], "masks", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 6, 5, 1])], [helper.make_tensor_value_info("m", TensorProto.FLOAT, ["N", 6, 5, 1])])
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), self.folder / "ready.onnx")
        (self.folder / "metric.py").write_text("import numpy\ndef wrong(outputs, labels):\n    return ((outputs['m'][..., 0] >= 0.5) != labels).sum(axis=(1, 2)).astype(float)\n")
        (self.folder / "saha.yaml").write_text("saha: 1\nname: masks\nmodel: {file: ready.onnx, output: {m: {meaning: mask}}}\ndata: {test: {npz: masks.npz}}\nevaluate: {wrong: {python: \"metric:wrong\", better: lower}}\n"
                                               "require: [\"iou(test) >= 95 %\", \"wrong(test) <= 2\"]\ntargets: {server: {target: host, threads: 1, backends: [native]}}\n")
        code, out, err = self.run_saha(env=dict(os.environ, PATH=os.path.dirname(sys.executable) + ":" + os.environ["PATH"]))
        self.assertEqual(code, 0, out + err)
        both = np.logical_and(x[0, :, :, 0] > 0, y[0] > 0).sum() / np.logical_or(x[0, :, :, 0] > 0, y[0] > 0).sum()
        want = (39 + both) / 40
        self.assertIn(f"iou {100 * want:.1f} %", out)
        r = self.report()
        self.assertAlmostEqual(r["candidates"][0]["quality"]["value"], want, 12)
        self.assertEqual(r["candidates"][0]["quality"]["name"], "iou")
        self.assertEqual([q["verdict"] for q in r["candidates"][0]["requirements"]], ["passed", "passed"])

    def test_a_floor_that_nothing_holds_fails_its_own_candidate_only(self):
        self.compress("compress: {tiny: [{quantize: {floor: 190 dB}}]}\n")
        code, out, err = self.run_saha()
        self.assertEqual(code, 1, out + err)
        self.assertRegex(out, r"FAIL +compress/tiny .*no mixture of widths holds the floor of compress.tiny, 190.0 dB")
        self.assertRegex(out, r"skip +validate/tiny/native .*needs compress/tiny")
        self.assertEqual([d.endswith("/native") and not d.startswith("tiny") for d in self.decision()], [True])

    def test_faults_of_the_section_are_told_with_their_place(self):
        for text, says in (("compress: {a: [{quantize: {floor: much}}]}", "a floor is 'much'"), ("compress: {float32: [{quantize: {}}]}", "'float32' cannot be the name of a candidate"),
                           ("compress: {a: []}", "compress.a has 0 steps"), ("compress: {a: [{quantize: {to: int3}}]}", "int3"), ("compress: {a: [{quantize: {to: int4}}]}", "to is 'int4'; scheme static has"),
                           ("compress: {a: [{quantize: {to: bf16, floor: 1 pp}}]}", "a floor belongs to what is calibrated")):
            self.compress(text + "\n")
            code, out, err = self.run_saha()
            self.assertEqual(code, 2, out + err)
            self.assertIn(says, err)


if __name__ == "__main__":
    life_cycle.main()
