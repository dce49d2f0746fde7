"""The command line as a user meets it: every example of the table runs, help is short, a wrong word names the right one, reports are whole.

    command_line_test.py SAHA SOURCE_FOLDER        needs numpy and onnx
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SAHA, SOURCE = "", pathlib.Path()
REQUIREMENTS = """saha: 1
requirements:
  - {id: R1-right, assert: "accuracy(test) >= 70 %", why: "half is chance"}
  - {id: R2-small, assert: "size <= 1 MiB"}
"""


def picture_model():
    """The mean of each colour of a picture: what is printed as the examples' model.onnx."""
    graph = helper.make_graph(
        [helper.make_node("GlobalAveragePool", ["x"], ["pooled"], "pool"), helper.make_node("Conv", ["pooled", "w"], ["mixed"], "mix"), helper.make_node("Flatten", ["mixed"], ["p"], "flat")],
        "colours", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])], [helper.make_tensor_value_info("p", TensorProto.FLOAT, [1, 3])],
        [numpy_helper.from_array(np.eye(3, dtype=np.float32).reshape(3, 3, 1, 1), "w")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


def saha(*words, cwd, status=0):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SAHA_")}
    done = subprocess.run([SAHA, *words], cwd=cwd, capture_output=True, text=True, timeout=120, env=environment)
    assert status is None or done.returncode == status, f"saha {' '.join(words)}: exit {done.returncode}, not {status}\n{done.stdout}{done.stderr}"
    return done


def examples(page):
    return re.findall(r"^    saha (.*)$", page, re.M)


class CommandLine(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="saha_cli_"))
        onnx.save(picture_model(), cls.folder / "model.onnx")
        rng = np.random.default_rng(3)
        x = rng.random((60, 3, 8, 8), np.float32)
        np.savez(cls.folder / "test.npz", x=x, y=x.mean((2, 3)).argmax(1).astype(np.int64))
        np.save(cls.folder / "x.npy", x[:1])
        (cls.folder / "labels.txt").write_text("red\ngreen\nblue\n")
        names = [f"X_{i}" for i in range(192)] + [f"Y_{i}" for i in range(3)]   # a grey picture's mean is below 1.5
        (cls.folder / "property.vnnlib").write_text("".join(f"(declare-const {n} Real)" for n in names) + "".join(f"(assert (and (>= {n} 0) (<= {n} 1)))" for n in names[:192]) + "(assert (>= Y_0 1.5))")
        (cls.folder / "saha.yaml").write_text("saha: 1\nname: colours\nmodel: {file: model.onnx, input: {x: {domain: [0, 1]}}, output: {p: {meaning: logits}}}\ndata: {test: test.npz}\nrequire: [model.req.yaml]\ntargets: {server: {target: host, threads: 1, backends: [native]}}\n")
        (cls.folder / "model.req.yaml").write_text(REQUIREMENTS)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def go(self, *words, status=0):
        return saha(*words, cwd=self.folder, status=status)

    def test_a_model_goes_through_openvino_ir(self):
        self.go("convert", "model.onnx", "-o", "ir.xml")
        self.assertTrue((self.folder / "ir.bin").exists())
        self.assertEqual(self.go("infer", "ir.xml", "--input", "x.npy").stdout, self.go("infer", "model.onnx", "--input", "x.npy").stdout)
        self.assertIn("OpenVINO", self.go("inspect", "ir.xml").stdout)
        self.go("simplify", "ir.xml", "-o", "small.xml")
        self.go("convert", "small.xml", "-o", "ten.xml", "--ir", "10")
        self.assertIn('element_type="f16"', (self.folder / "ten.xml").read_text())
        self.go("convert", "ten.xml", "-o", "back.onnx")
        self.assertIn("'back.onnx' is none", self.go("convert", "ten.xml", "-o", "back.onnx", "--ir", "10", status=1).stderr)
        (self.folder / "ir.bin").unlink()
        self.assertIn("its elements in a .bin file, which is not there", self.go("inspect", "ir.xml", status=1).stderr)

    def test_every_example_of_the_table_runs(self):
        lines = examples(self.go("help", "--markdown").stdout)
        verbs = self.go("completion", "--words", "verbs").stdout.split()
        self.assertEqual([line.split()[0] for line in lines], verbs)
        for line in lines:
            words = line.split()
            if words[0] == "infer":   # no encoder of pictures is here: the same call with the values themselves
                words = ["x.npy" if w == "picture.jpg" else w for w in words]
            if words[0] == "validate":
                words += ["--data", "saha.yaml"]   # the example's requirements name their data themselves
            if words[0] == "bench":
                words += ["--runs", "3", "--warmup", "1"]
            if words[0] == "run":
                words += ["--quick"]
            if words[0] == "check-proof":
                words = ["relu.onnx" if w == "model.onnx" else "relu.vnnlib" if w == "property.vnnlib" else w for w in words]  # operators that the checker knows
                x, y = (onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, [1, 2]) for n in "xy")
                relu = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "relu", [x], [y])
                onnx.save(onnx.helper.make_model(relu, opset_imports=[onnx.helper.make_opsetid("", 17)]), self.folder / "relu.onnx")
                names = ["X_0", "X_1", "Y_0", "Y_1"]
                (self.folder / "relu.vnnlib").write_text("".join(f"(declare-const {n} Real)" for n in names) + "".join(f"(assert (and (>= {n} -1) (<= {n} 1)))" for n in names[:2]) + "(assert (>= Y_0 1.5))")
                self.go("verify", "relu.onnx", "relu.vnnlib", "--proof", "proof.saha-proof")
            with self.subTest(line):
                self.assertTrue(self.go(*words).stdout or words[0] in ("simplify", "convert"))

    def test_help_of_a_verb_is_short_and_begins_with_an_example(self):
        for verb in self.go("completion", "--words", "verbs").stdout.split():
            text = self.go(verb, "-h").stdout
            self.assertTrue(text.startswith(f"example: saha {verb}"), text)
            self.assertLessEqual(text.count("\n"), 25, verb)
            self.assertGreaterEqual(len(self.go(verb, "--help").stdout), len(text))

    def test_a_wrong_word_names_the_nearest_right_one(self):
        for words, status, near in ((["inspct", "m"], 2, "'saha inspect'"), (["bench", "model.onnx", "--profil"], 2, "--profile"), (["ops", "Cnv"], 1, "'Conv'")):
            self.assertIn(f"did you mean {near}", self.go(*words, status=status).stderr)
        (self.folder / "wrong.yaml").write_text("saha: 1\nmodle: {file: model.onnx}\n")
        self.assertIn("did you mean 'model'", self.go("run", "wrong.yaml", status=2).stderr)

    def test_a_folder_is_no_model(self):
        said = self.go("inspect", ".", status=1).stderr
        self.assertIn("'.' is a folder, a file is wanted", said)

    def test_requirements_take_their_data_from_a_life_cycle(self):
        lonely = self.go("validate", "model.onnx", "--requirements", "model.req.yaml", status=2)
        self.assertIn("unknown data set 'test'", lonely.stderr)
        self.assertTrue(lonely.stderr.endswith("add --data saha.yaml\n"), lonely.stderr)
        judged = self.go("validate", "model.onnx", "--requirements", "model.req.yaml", "--data", "saha.yaml")
        self.assertIn("60 of 60 = 100 %", judged.stdout)
        below = self.folder / "below"
        below.mkdir()
        elsewhere = saha("validate", "../model.onnx", "--requirements", "../model.req.yaml", "--data", "../saha.yaml", cwd=below)
        self.assertIn("60 of 60 = 100 %", elsewhere.stdout)

    def test_reports_of_a_judgement_lead_from_requirement_to_evidence_to_hash(self):
        names = [f"report.{ending}" for ending in ("html", "json", "xml", "sarif")]
        self.go("validate", "model.onnx", "--requirements", "model.req.yaml", "--data", "saha.yaml", *(w for n in names for w in ("--report", n)))
        page, whole = (self.folder / names[0]).read_text(), json.loads((self.folder / names[1]).read_text())
        self.assertEqual(sorted(whole["sha256"]), ["data test", "model.onnx", "model.req.yaml", "saha.yaml"])
        for word in ["R1-right", "R2-small", "half is chance", "60 of 60", *whole["sha256"].values()]:
            self.assertIn(word, page)
        self.assertNotRegex(page, r"(src|href)=.?(http|//)")
        suite = xml.etree.ElementTree.parse(self.folder / names[2]).getroot()
        self.assertEqual((suite.tag, suite.get("tests"), suite.get("failures")), ("testsuites", "2", "0"))
        sarif = json.loads((self.folder / names[3]).read_text())
        self.assertEqual(sarif["version"], "2.1.0")
        self.assertEqual([r["kind"] for r in sarif["runs"][0]["results"]], ["pass", "pass"])
        self.assertIn(".html, .json, .xml or .sarif", self.go("validate", "model.onnx", "--requirements", "model.req.yaml", "--data", "saha.yaml", "--report", "r.pdf", status=2).stderr)

    def test_bench_and_inspect_write_the_page_of_their_object(self):
        self.go("inspect", "model.onnx", "--report", "i.html", "--report", "i.json")
        self.assertEqual(json.loads((self.folder / "i.json").read_text())["schema"], "saha.inspect/1")
        self.assertIn("GlobalAveragePool", (self.folder / "i.html").read_text())
        self.go("bench", "model.onnx", "--backend", "native", "--runs", "3", "--report", "b.html")
        self.assertRegex((self.folder / "b.html").read_text(), r">p50<.*\d (us|ms)<")

    def test_bench_profiles_each_layer_in_words(self):
        self.go("bench", "model.onnx", "--backend", "native", "--runs", "3", "--reference", "none", "--profile", "--report", "p.html", "--report", "p.json")
        report = json.loads((self.folder / "p.json").read_text())
        self.assertIsNone(report["reference"])
        for layer in report["layers"]:
            self.assertTrue(layer["ms"] > 0 and layer["cpu_ms"] >= 0 and layer["bytes"] > 0 and layer["percent"] > 0 and layer["algorithm"], layer)
            self.assertIn(layer["algorithm"], (self.folder / "p.html").read_text())

    def test_bench_compares_the_layers_of_two_engines(self):
        self.assertIn("not with its own", self.go("bench", "model.onnx", "--compare", "native", status=1).stderr)
        engines = json.loads(self.go("backends", "--json").stdout)["backends"]
        if not next(e for e in engines if e["backend"] == "onnxruntime")["here"]:
            self.skipTest("onnxruntime is not here")
        self.go("bench", "model.onnx", "--backend", "native", "--runs", "3", "--compare", "onnxruntime", "--report", "c.html", "--report", "c.json")
        report = json.loads((self.folder / "c.json").read_text())
        segments = report["segments"]
        self.assertEqual({v for s in segments if s["aligned"] for v in s["values"]} & {"p"}, {"p"})
        for side in ("native", "other"):
            self.assertAlmostEqual(sum(s[side + "_ms"] or 0 for s in segments), report["comparison"][side + "_ms"])
            for s in segments:
                self.assertAlmostEqual(sum(layer["ms"] for layer in s[side]), s[side + "_ms"] or 0)
        self.assertIn("<table", (self.folder / "c.html").read_text().split('id="segments"')[1])
        shown = self.go("bench", "model.onnx", "--backend", "native", "--runs", "3", "--compare", "onnxruntime").stdout
        self.assertRegex(shown, r"segment, to the value +native +onnxruntime +ratio +native loses")
        self.assertRegex(shown, r"\nall layers ")

    def test_a_bundle_runs_as_its_model_with_its_labels_and_is_refused_when_damaged(self):
        self.go("convert", "model.onnx", "-o", "b.saha", "--labels", "labels.txt", "--preprocess", '[{"scale": "x*2"}]')
        plain = json.loads(self.go("infer", "model.onnx", "x.npy", "--preprocess", '[{"scale": "x*2"}]', "--json").stdout)["outputs"]
        bundled = json.loads(self.go("infer", "b.saha", "x.npy", "--json").stdout)["outputs"]
        self.assertEqual(bundled[0]["values"], plain[0]["values"])
        self.assertIn(bundled[0]["top"][0]["label"], ("red", "green", "blue"))
        shown = self.go("inspect", "b.saha").stdout
        self.assertIn("this machine starts from it", shown)
        self.assertIn("labels  3: red .. blue", shown)
        manifest = json.loads(self.go("inspect", "b.saha", "--json").stdout)["bundle"]
        self.assertEqual(manifest["model"]["bytes"], (self.folder / "model.onnx").stat().st_size)
        self.go("convert", "b.saha", "-o", "again.saha")
        self.assertEqual((self.folder / "b.saha").read_bytes(), (self.folder / "again.saha").read_bytes())
        self.go("convert", "b.saha", "-o", "out.onnx")
        section = next(s for s in manifest["sections"] if s["name"].startswith("weights"))
        damaged = bytearray((self.folder / "b.saha").read_bytes())
        damaged[section["offset"]] ^= 1
        (self.folder / "damaged.saha").write_bytes(damaged)
        said = self.go("infer", "damaged.saha", "x.npy", status=1).stderr
        self.assertRegex(said, r"error: damaged\.saha: section 'weights' at byte [\d,]+ has checksum [0-9a-f]{8}, the manifest says " + section["crc32c"] + "; damaged, not loaded")
        self.assertRegex(self.go("convert", "model.onnx", "-o", "b.onnx", "--levels", "avx2", status=2).stderr, "--levels is of .saha files")

    def test_labels_are_as_many_as_the_classes(self):
        for n, said in ((2, "2 labels are given, the model has 3 classes\nhelp: a labels file has a line for each class: class 0 may be a background"), (4, "4 labels are given, the model has 3 classes\nhelp: a labels file has a line for each class\n")):
            (self.folder / "some.txt").write_text("name\n" * n)
            self.assertIn(said, self.go("infer", "model.onnx", "x.npy", "--labels", "some.txt", status=2).stderr)
            self.assertIn(said, self.go("convert", "model.onnx", "-o", "l.saha", "--labels", "some.txt", status=2).stderr)
        both = picture_model()   # a model with another output may be a detector: labels name what its classes may be
        both.graph.output.append(helper.make_tensor_value_info("pooled", TensorProto.FLOAT, [1, 3, 1, 1]))
        both.graph.node.append(helper.make_node("Identity", ["x"], ["boxes"], "copy"))
        both.graph.output.append(helper.make_tensor_value_info("boxes", TensorProto.FLOAT, [1, 3, 8, 8]))
        onnx.save(both, self.folder / "both.onnx")
        self.go("convert", "both.onnx", "-o", "both.saha", "--labels", "some.txt")
        self.assertNotIn("name", self.go("infer", "both.saha", "x.npy").stdout)
        self.assertRegex(self.go("infer", "model.onnx", "x.npy", "--labels", "labels.txt").stdout, "(red|green|blue)")

    def test_a_wrong_command_line_is_2_whatever_the_verb(self):
        for words, said in ((["infer", "nofile", "x.npy"], "there is no model 'nofile'"), (["inspect", "nofile"], "there is no model"), (["validate", "nofile", "--requirements", "none"], "there is no model 'nofile'\n"),
                            (["infer", "model.onnx", "x.npy", "--backend", "NONE"], "no backend 'NONE'"), (["validate", "model.onnx", "--requirements", "model.req.yaml", "--data", "saha.yaml", "--backend", "NONE"], "no backend 'NONE'"),
                            (["convert", "model.onnx", "-o", "l.tflite", "--layout", "nwhc"], "--layout is 'nwhc'")):
            with self.subTest(" ".join(words)):
                self.assertIn(said, self.go(*words, status=2).stderr)

    def test_an_input_that_does_not_fit_says_what_the_model_takes(self):
        np.save(self.folder / "many.npy", np.zeros((4, 3, 8, 8), np.float32))
        for words in ([], ["--preprocess", '[{"scale": "x*2"}]']):
            said = self.go("infer", "model.onnx", "many.npy", *words, status=1).stderr
            self.assertIn("help: a run takes float32[1, 3, 8, 8]", said)
            self.assertNotIn("--preprocess", said)

    def test_what_is_no_model_is_said_in_a_sentence(self):
        (self.folder / "void.onnx").write_text("")
        self.assertIn("error: void.onnx: the file is empty\n", self.go("inspect", "void.onnx", status=1).stderr)
        self.go("convert", "model.onnx", "-o", "short.xml")
        (self.folder / "short.bin").write_bytes(b"1234")
        self.assertIn("'short.bin', which has 4 bytes", self.go("inspect", "short.xml", status=1).stderr)
        (self.folder / "short.bin").unlink()
        self.assertIn("'short.bin', which is not there", self.go("inspect", "short.xml", status=1).stderr)
        self.assertIn("saha quantize --help shows", self.go("quantize", "-h").stdout)

    def test_what_cannot_be_unrolled_names_the_node_and_the_shape_that_is_missing(self):
        w, r = (numpy_helper.from_array(np.zeros((1, 12, 4), np.float32), n) for n in "wr")
        graph = helper.make_graph([helper.make_node("GRU", ["x", "w", "r"], ["y"], "memory", hidden_size=4)], "steps", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["steps", 1, 4])],
                                  [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["steps", 1, 1, 4])], [w, r])
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), self.folder / "steps.onnx")
        said = self.go("convert", "steps.onnx", "-o", "steps.tflite", status=1).stderr
        self.assertIn("error: node 'memory' (GRU): a recurrent operator is unrolled", said)
        self.assertIn("--shape x=1x1x4", said)

    def test_infer_says_what_a_row_of_a_csv_must_be(self):
        (self.folder / "row.csv").write_text("a,b,site\n1,2,north\n")
        said = self.go("infer", "model.onnx", "--input", "row.csv", status=1).stderr
        self.assertIn("column 'site' of the first row is 'north', no number\nhelp: only the columns that the model takes", said)
        (self.folder / "row.csv").write_text("a,b\n1,2\n")
        self.assertIn("help: each column is one number of the input", self.go("infer", "model.onnx", "--input", "row.csv", status=1).stderr)

    def test_requirements_that_are_not_there_are_not_taken_for_those_of_a_life_cycle(self):
        said = self.go("validate", "model.onnx", "--requirements", "none.req.yaml", status=2).stderr
        self.assertIn("'none.req.yaml' cannot be opened", said)
        self.assertNotIn("--data", said)

    def test_steps_of_the_page_on_preprocessing_are_those_that_are_read(self):
        page = (SOURCE / "docs" / "preprocess.md").read_text()
        said = self.go("infer", "model.onnx", "--input", "x.npy", "--preprocess", '[{"none": 1}]', status=2).stderr
        for step in re.search("there are (.*)", said)[1].split(", "):
            self.assertRegex(page, rf"\| `{step}\b", step)
        said = self.go("infer", "model.onnx", "--input", "x.npy", "--preprocess", '[{"resize": {"to": [8, 8]}}]', status=2).stderr
        for rule in re.search("one of (.*) is needed", said)[1].split(", "):
            self.assertIn(f"`{rule}`", page)

    def test_manual_pages_are_made_from_the_table(self):
        whole = self.go("help", "--man").stdout
        for verb in self.go("completion", "--words", "verbs").stdout.split():
            self.assertIn(f"saha\\-{verb}", whole)
            page = self.go("help", "--man", verb).stdout
            self.assertTrue(page.startswith(f".TH SAHA-{verb.upper()} 1"))
            self.assertRegex(page, r"\.SH EXAMPLE\n\.nf\nsaha " + re.escape(verb.replace("-", "\\-")))
            if shutil.which("groff"):
                said = subprocess.run(["groff", "-man", "-Tascii", "-ww", "-z"], input=page, capture_output=True, text=True)
                self.assertEqual(said.stderr, "", verb)

    def test_completion_names_engines_operators_stages_and_targets(self):
        lists = {kind: self.go("completion", "--words", kind).stdout.split() for kind in ("backends", "operators", "stages", "targets")}
        self.assertEqual(lists["backends"][:3], ["native", "onnxruntime", "openvino"])
        self.assertIn("Conv", lists["operators"])
        self.assertIn("measure/server", lists["stages"])
        self.assertIn("measure", lists["stages"])
        self.assertEqual(lists["targets"], ["targets.server."])
        if not shutil.which("bash"):
            return
        script = """source <("$0" completion bash); saha() { "$SAHA" "$@"; }
            try() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _saha; echo "${COMPREPLY[*]}"; }
            try saha bench model.onnx --backend on; try saha ops ConvT; try saha run --only measure/; try saha run -s targets.; try saha insp; try saha bench --prof"""
        got = subprocess.run(["bash", "-c", script, SAHA], cwd=self.folder, capture_output=True, text=True, env={**os.environ, "SAHA": SAHA})
        self.assertEqual(got.stdout.split("\n")[:-1], ["onnxruntime", "ConvTranspose", "measure/server", "targets.server.", "inspect", "--profile"], got.stderr)


if __name__ == "__main__":
    SAHA, SOURCE = sys.argv[1], pathlib.Path(sys.argv[2])
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
