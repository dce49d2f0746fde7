"""Seeds of the fuzzers, made anew each time: fuzz_seeds.py FOLDER writes FOLDER/<target>/*. Needs numpy and onnx."""
import gzip
import hashlib
import io
import json
import os
import pathlib
import struct
import subprocess
import sys
import wave
import zlib

import numpy as np
from onnx import TensorProto, helper, numpy_helper

out = pathlib.Path(sys.argv[1])
root = pathlib.Path(__file__).resolve().parent.parent


def put(target, name, content):
    folder = out / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def value(name, shape, dtype=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, dtype, shape)


def model(nodes, inputs, outputs, constants=(), opset=17):
    graph = helper.make_graph(nodes, "g", inputs, outputs, [numpy_helper.from_array(a, n) for n, a in constants])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8).SerializeToString()


rng = np.random.default_rng(0)
weights = rng.standard_normal((2, 1, 3, 3)).astype(np.float32)
put("onnx", "conv", model([helper.make_node("Conv", ["x", "w"], ["c"], "conv", pads=[1] * 4), helper.make_node("Relu", ["c"], ["y"])],
                          [value("x", ["N", 1, 5, 5])], [value("y", None)], [("w", weights)]))
put("onnx", "shape", model([helper.make_node("Shape", ["x"], ["s"]), helper.make_node("Gather", ["s", "i"], ["n"]), helper.make_node("Concat", ["n", "m"], ["t"], axis=0),
                            helper.make_node("Reshape", ["x", "t"], ["y"])], [value("x", ["N", 2, 3])], [value("y", None)],
                           [("i", np.array([0])), ("m", np.array([-1]))]))
branches = {b: helper.make_graph([helper.make_node(o, ["x"], [b])], b, [], [value(b, None)]) for b, o in (("then_branch", "Neg"), ("else_branch", "Abs"))}
put("onnx", "if", model([helper.make_node("If", ["c"], ["y"], **branches)], [value("c", [], TensorProto.BOOL), value("x", [3])], [value("y", None)]))
body = helper.make_graph([helper.make_node("Identity", ["c"], ["d"]), helper.make_node("Add", ["a", "x"], ["b"])], "body",
                         [value("i", [], TensorProto.INT64), value("c", [], TensorProto.BOOL), value("a", [3])], [value("d", [], TensorProto.BOOL), value("b", [3])])
put("onnx", "loop", model([helper.make_node("Loop", ["n", "", "x"], ["y"], body=body)], [value("n", [], TensorProto.INT64), value("x", [3])], [value("y", [3])]))
put("onnx", "old", model([helper.make_node("Dropout", ["x"], ["d"], ratio=0.5), helper.make_node("Upsample", ["d", "s"], ["y"], mode="nearest")],
                         [value("x", [1, 1, 2, 2])], [value("y", None)], [("s", np.array([1, 1, 2, 2], np.float32))], opset=9))

put("graph_text", "matmul", "graph (x: float32[N, 3]) {\n  w: float32[3, 2] = float32[3, 2] {1, 2, 3, 4, 5, 6}\n  y: float32[N, 2] = MatMul(x, w) @ \"layer\"\n  return y\n}\n")
put("graph_text", "top", "graph (x: float32[4*H + 1], \"odd name\": seq(int64[*])) {\n  v, %7 = TopK(x, int64[1] {1}, _) {axis = 0, largest = 0}\n  return v\n}\n")
put("graph_text", "if", "graph (c: bool[], x: float32[N]) {\n  z = If(c, x) {then_branch = graph (y: float32[N]) { return y }, else_branch = graph (y: float32[N]) { n = Neg(y)\n return n }}\n  return z\n}\n")

for path in sorted(root.glob("examples/**/*.yaml")):
    put("yaml", f"{path.parent.name}.{path.name}", path.read_bytes())
    if path.name.endswith(".req.yaml"):
        put("requirements", f"{path.parent.name}.{path.name}", path.read_bytes())
    else:
        put("config", f"{path.parent.name}.{path.name}", path.read_bytes())
put("proofs", "small", 'saha-proofs\n{"schema":"saha.proofs/1","saha":"0","model":{"input":{"x":{"domain":[-1,1]}}},"labels":["a"],"data":{"test":["age"]},"texts":[["R1","max(y(x)) <= 1"]],"requirements":[{"id":"R1","verdict":"passed"}],'
    '"inputs":[{"name":"x","steps":"[{\\"scale\\": \\"x/255\\"}]","dims":[-1,2],"dtype":"float32"}],"raw":[{"dims":[2],"dtype":"uint8"}],"sets":{"test":{"labels":[0,4],"correct":[4,1],"columns":{"age":["1"]}}},'
    '"points":{"test":{"0":[8,16]}},"answers":{"R1#0":{"certificate":[0,3]},"R1#1":{"counterexample":[0,8]},"R1#2":{"open":"time"}},"models":{"original":[0,2]}}\n0123456789abcdef01234567')
put("yaml", "scalars", "a: [1, 'x''y', \"\\u00e4\\n\", ~, {b: >-\n   folded\n   text\n }]\nc: |\n  block\n")
for i, text in enumerate(("accuracy(test) >= 85 % and p90(latency) <= 5 ms", "for each s in slices(camera, light) where n(s) >= 200: accuracy(s) >= 80 %",
                          "for all d in Linf(x, 2 gray): argmax(score(d)) == label", "rpm >= 2000 1/min => COC <= 1500")):
    put("requirements", f"assertion{i}", text)

flat = "".join(f"(declare-const {v} Real)\n" for v in ("X_0", "X_1", "Y_0", "Y_1")) + "(assert (and (<= X_0 1) (>= X_0 (- 1.5e-3)) (<= X_1 (/ 1 3)) (>= X_1 -2)))\n"
tensors = "(vnnlib-version <2.0>)\n(declare-network N\n (declare-input X float32 [1,2])\n (declare-hidden H real [3] \"relu\")\n (declare-output Y real [2]))\n"
for i, text in enumerate((flat + "; outputs\n(assert (or (and (<= Y_0 Y_1) (< X_0 0.5)) (not (> (+ (* 2 Y_0) (- X_1) 1) 3))))\n(assert (or (!= Y_1 0) (= Y_0 1)))", flat + "(assert (>= Y_0 1))",
                          tensors + "(assert (and (>= X[0,0] 0) (<= X[0,0] 1) (== X[0,1] 2)))\n(assert (or (<= Y[0] Y[1]) (>= (- Y[1] Y[0] 1.5) X[0,0])))",
                          tensors + "(declare-network M (equal-to N) (declare-input A float32 [1,2] \"x\") (declare-output B real [2]))\n"
                          "(assert (and (>= X[0,0] 0) (<= X[0,0] 1) (<= X[0,1] 3) (>= X[0,1] 2) (== X[0,1] A[0,1]) (<= A[0,0] (* 2 X[0,0])) (>= A[0,0] -1) (< (- B[1] Y[0]) 0.5)))",
                          flat.replace("(<= X_1 (/ 1 3))", "(= X_0 X_1)") + "(assert (or (= X_1 Y_0) (<= X_0 (- X_1 1))))")):
    put("vnnlib", f"property{i}", text)

# Certificates of the fuzzer's network and cases: src/check_proof/certificate.hpp. Trees of one box of both cases, of two rows each.
def reals(*v):
    return struct.pack(f"<{len(v)}f", *v)


both, refuted, places = b"\x01\x02\x00\x01", b"\x00\x00", b"\x04\x05" + bytes((0, 0, 0, 1, 0, 2, 1, 0, 1, 1))
mixed = b"\x00\x02\x00" + reals(1, 0.5) + b"\x01" + reals(0, 1)
leaf = b"\x08" + bytes((0, 255, 128, 7, 200))
split = b"\x07\x01" + leaf + reals(0.25) + b"\x07\x03" + leaf + reals(-1, 2) + leaf + reals(0, 1e3)
claims = b"\x06\x03\x00\x08\x01\x08\x07\x07\x00\x08" + bytes(3) + reals(1) + b"\x08" + bytes(3) + reals(0)
goals = b"\x05\x02\x00" + reals(1, 1) + split + b"\x01" + reals(0, 1) + claims + leaf
for i, payload in enumerate((both + refuted, both + b"\x02" + mixed, both + b"\x01\x00" + reals(0.5) + refuted + b"\x01\x01" + reals(-0.25) + b"\x02" + refuted + mixed,
                             b"\x02\x01\x00" + refuted + b"\x01\x01" + mixed, both + b"\x03" + places + claims + goals, both + b"\x01\x01" + reals(0) + refuted + b"\x03" + places + goals)):
    put("check_proof", f"tree{i}", payload)
header = json.dumps({"schema": "saha.proof/2", "saha": "0", "arithmetic": "float32", "model_sha256": "", "property_sha256": "", "payload_sha256": hashlib.sha256(both + refuted).hexdigest()}).encode()
put("check_proof", "file", b"saha-proof\n" + struct.pack("<I", len(header)) + header + both + refuted)

npy, npz = io.BytesIO(), io.BytesIO()
np.save(npy, rng.standard_normal((3, 4)).astype(np.float32))
np.savez_compressed(npz, x=np.arange(12, dtype=np.uint8).reshape(3, 4), y=np.arange(3))
sound = io.BytesIO()
with wave.open(sound, "wb") as w:
    w.setnchannels(1), w.setsampwidth(2), w.setframerate(8000), w.writeframes(bytes(200))


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 8, 2, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(bytes(4 * 13))) + chunk(b"IEND", b"")
bmp = b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54 + 48, 0, 0, 54, 40, 4, 4, 1, 24, 0, 48, 2835, 2835, 0, 0) + bytes(48)
idx = struct.pack(">HBBII", 0, 8, 2, 3, 4) + bytes(12)
for number, name, content in ((0, "npy", npy.getvalue()), (1, "npz", npz.getvalue()), (2, "csv", b'a,b\n1,"x, ""y"""\n2,z\n'), (3, "wav", sound.getvalue()),
                              (4, "png", png), (4, "bmp", bmp), (5, "idx", idx), (6, "gzip", gzip.compress(b"text" * 20, mtime=0))):
    put("data", name, bytes([number]) + content)

# TensorFlow Lite models, by flatc from the project's own schema: a convolution and an addition of stored integers; a loop.
schema = root / "src/formats/tflite/schema.fbs"


def tensor(name, shape, kind="INT8", buffer=0, scale=0.5):
    quantization = {"scale": [scale], "zero_point": [1 if kind == "INT8" else 0]} if kind in ("INT8", "INT32") and scale else None
    return {"name": name, "shape": shape, "type": kind, "buffer": buffer, **({"quantization": quantization} if quantization else {})}


def operator(code, inputs, outputs, kind=None, options=None):
    return {"opcode_index": code, "inputs": inputs, "outputs": outputs, **({"builtin_options_type": kind, "builtin_options": options or {}} if kind else {})}


def tflite(codes, graphs, buffers):
    return {"version": 3, "operator_codes": [{"builtin_code": c, "version": 1} for c in codes], "subgraphs": graphs, "buffers": [{}] + [{"data": list(b)} for b in buffers]}


layers = {"tensors": [tensor("x", [1, 4, 4, 2]), tensor("w", [2, 3, 3, 2], buffer=1), tensor("b", [2], "INT32", 2), tensor("c", [1, 4, 4, 2]), tensor("y", [1, 4, 4, 2])],
          "inputs": [0], "outputs": [4],
          "operators": [operator(0, [0, 1, 2], [3], "Conv2DOptions", {"stride_w": 1, "stride_h": 1}), operator(1, [3, 0], [4], "AddOptions", {"fused_activation_function": "RELU"})]}
count = [{"tensors": [tensor("n", [], "INT32", scale=0), tensor("y", [], "INT32", scale=0)], "inputs": [0], "outputs": [1],
          "operators": [operator(0, [0], [1], "WhileOptions", {"cond_subgraph_index": 1, "body_subgraph_index": 2})]}]
for code, result in ((1, "BOOL"), (2, "INT32")):
    count.append({"tensors": [tensor("n", [], "INT32", scale=0), tensor("k", [], "INT32", 1, scale=0), tensor("r", [], result, scale=0)], "inputs": [0], "outputs": [2], "operators": [operator(code, [0, 1], [2])]})
for name, content in (("layers", tflite(["CONV_2D", "ADD"], [layers], [bytes(36), bytes(8)])), ("loop", tflite(["WHILE", "LESS", "ADD"], count, [struct.pack("<i", 7)]))):
    folder = out / "tflite"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(content))
    subprocess.run(["flatc", "-b", "-o", str(folder), str(schema), str(folder / f"{name}.json")], check=True)
    (folder / f"{name}.json").unlink()


# Plans (docs/bundle.md) of one instruction each on float32; params as in src/kernels.
def listed(form, values):
    return struct.pack(f"<I{len(values)}{form}", len(values), *values)


def stored_plan(kernel, params, inputs, outputs, constants=(), grid=1, dtype=1):
    slots, offset = [], 0
    for i, dims in enumerate(inputs):
        slots.append(struct.pack("<BBIQ", 3, dtype, i, 0) + listed("q", dims))
    for i, (kind, dims) in enumerate(constants):
        slots.append(struct.pack("<BBIQ", 2, kind, i, 0) + listed("q", dims))
    for dims in outputs:
        slots.append(struct.pack("<BBIQ", 1, dtype, 0, offset) + listed("q", dims))
        offset += (int(np.prod(dims)) * 4 + 63) // 64 * 64
    reads, writes = len(inputs) + len(constants), len(outputs)
    text = listed("c", [bytes([c]) for c in kernel.encode()])
    plan = struct.pack("<IQQQ", 1, offset, 0, offset)
    plan += struct.pack("<I", len(constants)) + b"".join(bytes([kind]) + listed("q", dims) + struct.pack("<IQ", 0, 0) for kind, dims in constants)
    plan += struct.pack("<I", len(slots)) + b"".join(slots) + struct.pack("<I", 1) + text + struct.pack("<I", 1) + text + text + listed("c", [])
    plan += struct.pack("<I", 1) + struct.pack("<IIHHQIIQIdd", 0, 0, reads, writes, 0, 0, grid, 0, 0, 0, 0)
    plan += listed("I", range(reads + writes)) + listed("q", []) + listed("B", params)
    return plan + listed("I", range(len(inputs))) + listed("I", range(reads, reads + writes))


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def bundle(manifest, sections):
    text, at = "", 4096
    manifest["sections"] = []
    for name, data in sections.items():
        manifest["sections"].append({"name": name, "offset": at, "bytes": len(data), "crc32c": f"{crc32c(data):08x}"})
        at += (len(data) + 63) // 64 * 64
    text = json.dumps(manifest).encode()
    body = b"".join(data + bytes(-len(data) % 64) for data in sections.values())
    body = body[:len(body) - (-len(data) % 64)] if sections else body
    whole = text + bytes(4096 - 64 - len(text)) + body
    head = b"\x89SAHA\r\n\x1a" + struct.pack("<IIQQI", 1, 1, 64 + len(whole), len(text), crc32c(text))
    return head + struct.pack("<I", crc32c(head)) + bytes(24) + whole


unary = stored_plan("unary_f32", struct.pack("<iiffq", 0, 1, 0, 0, 12), [[3, 4]], [[3, 4]])
put("bundle", "unary", unary)
put("bundle", "softmax", stored_plan("softmax_f32", struct.pack("<4q", 3, 4, 1, 0), [[3, 4]], [[3, 4]]))
put("bundle", "binary", stored_plan("binary_f32", struct.pack("<iiffq8q8q8qqII", 0, 0, 0, 0, 2, *[3, 4] + [0] * 6, *[4, 1] + [0] * 6, *[0, 1] + [0] * 6, 4096, 1, 0), [[3, 4], [4]], [[3, 4]]))
put("bundle", "gather", stored_plan("gather", struct.pack("<5q", 1, 3, 2, 16, 1), [[3, 4]], [[2, 4]], [(7, [2])]))
put("bundle", "concat", stored_plan("concat", struct.pack("<qq64q", 3, 2, *[16, 8] + [0] * 62), [[3, 4], [3, 2]], [[3, 6]], grid=3))
put("bundle", "copy", stored_plan("copy", struct.pack("<4iq8q8qqq", 1, 4, 0, -1, 0, *[12] + [0] * 7, *[1] + [0] * 7, 1, 1365), [[12]], [[12]]))
port = {"name": "x", "type": "float32[3, 4]", "dtype": "float32", "dims": [3, 4]}
put("bundle", "whole", bundle({"schema": "saha.bundle/1", "inputs": [port], "outputs": [port], "plans": [{"section": "plan/0", "levels": ["generic"], "inputs": [[3, 4]], "weights": [], "kernels": ""}]}, {"plan/0": unary}))

# OpenVINO IR: the .xml, a zero byte, the .bin. Layers with weights and windows; a loop over slices; a quantised product.


def ir(layers):
    """`layers`: (type, attributes, sources as (layer, port), dims of the results), in order; set 1 unless the type says another after a dot."""
    rows, edges = [], []
    for i, (kind, data, sources, results, *inner) in enumerate(layers):
        name, _, opset = kind.partition(".")
        ports = lambda ids, dims: "".join(f'<port id="{k}" precision="FP32">' + "".join(f"<dim>{d}</dim>" for d in ds) + "</port>" for k, ds in zip(ids, dims))
        rows.append(f'<layer id="{i}" name="{name}{i}" type="{name}" version="opset{opset or 1}"><data {data}/>{"".join(inner)}<input>{ports(range(len(sources)), [[]] * len(sources))}</input>'
                    f'<output>{ports(range(len(sources), len(sources) + len(results)), results)}</output></layer>')
        edges += [f'<edge from-layer="{a}" from-port="{p}" to-layer="{i}" to-port="{k}"/>' for k, (a, p) in enumerate(sources)]
    return f'<layers>{"".join(rows)}</layers><edges>{"".join(edges)}</edges>'


def net(layers, weights=b"", version=11):
    return f'<?xml version="1.0"?><net name="m" version="{version}">{ir(layers)}</net>'.encode() + b"\0" + weights


window = 'strides="1,1" dilations="1,1" pads_begin="1,1" pads_end="1,1" auto_pad="explicit"'
put("openvino", "layers", net([("Parameter", 'shape="?,2,5,5" element_type="f32"', [], [[-1, 2, 5, 5]]), ("Const", 'element_type="f32" shape="2,2,3,3" offset="0" size="144"', [], [[2, 2, 3, 3]]),
                               ("Convolution", window, [(0, 0), (1, 0)], [[-1, 2, 5, 5]]), ("ReLU", "", [(2, 2)], [[-1, 2, 5, 5]]),
                               ("MaxPool.8", window + ' kernel="3,3" index_element_type="i64" axis="0"', [(3, 1)], [[-1, 2, 5, 5], [-1, 2, 5, 5]]), ("ShapeOf.3", 'output_type="i64"', [(4, 1)], [[4]]),
                               ("Reshape", 'special_zero="true"', [(4, 1), (5, 1)], [[-1, 2, 5, 5]]), ("Result", "", [(6, 2)], [])], weights.tobytes() * 2))
body = ir([("Parameter", 'shape="1,1,3" element_type="f32"', [], [[1, 1, 3]]), ("Parameter", 'shape="1,3" element_type="f32"', [], [[1, 3]]), ("Const", 'element_type="i64" shape="1" offset="0" size="8"', [], [[1]]),
           ("Squeeze", "", [(0, 0), (2, 0)], [[1, 3]]), ("Add", 'auto_broadcast="numpy"', [(3, 2), (1, 0)], [[1, 3]]), ("Result", "", [(4, 2)], [])])
maps = ('<port_map><input axis="1" external_port_id="0" internal_layer_id="0" start="0" end="-1" stride="1" part_size="1"/><input external_port_id="1" internal_layer_id="1"/>'
        f'<output external_port_id="2" internal_layer_id="5"/></port_map><back_edges><edge from-layer="5" to-layer="1"/></back_edges><body>{body}</body>')
put("openvino", "turns", net([("Parameter", 'shape="1,4,3" element_type="f32"', [], [[1, 4, 3]]), ("Parameter", 'shape="1,3" element_type="f32"', [], [[1, 3]]),
                              ("TensorIterator", "", [(0, 0), (1, 0)], [[1, 3]], maps), ("Result", "", [(2, 2)], [])], struct.pack("<q", 1)))
number = lambda offset: ("Const", f'element_type="f32" shape="" offset="{offset}" size="4"', [], [[]])
put("openvino", "quantised", net([("Parameter", 'shape="2,3" element_type="f32"', [], [[2, 3]]), number(8), number(12), ("FakeQuantize", 'levels="256"', [(0, 0), (1, 0), (2, 0), (1, 0), (2, 0)], [[2, 3]]),
                                  ("Const", 'element_type="i8" shape="3,2" offset="0" size="6"', [], [[3, 2]]), ("Convert", 'destination_type="f32"', [(4, 0)], [[3, 2]]), number(12), ("Multiply", "", [(5, 1), (6, 0)], [[3, 2]]),
                                  ("MatMul", 'transpose_a="false" transpose_b="false"', [(3, 5), (7, 2)], [[2, 2]]), ("Result", "", [(8, 2)], [])], struct.pack("<8bff", 1, 2, 3, -4, 5, -6, 0, 0, -1.28, 1.27), version=10))
