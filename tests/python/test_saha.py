"""The Python package: load, run, simplify, save, bench, errors. Models are made here with onnx.helper."""
import os
import threading

import numpy as np
import pytest

import saha

onnx = pytest.importorskip("onnx")
from onnx import TensorProto as T  # noqa: E402
from onnx import helper as h  # noqa: E402


def model(nodes, inputs, outputs, constants=()):
    graph = h.make_graph(nodes, "g", inputs, outputs, [onnx.numpy_helper.from_array(v, k) for k, v in constants])
    m = h.make_model(graph, opset_imports=[h.make_opsetid("", 21), h.make_opsetid("ai.onnx.ml", 3)], ir_version=10)
    return m


def classifier():
    w = (np.arange(12, dtype=np.float32).reshape(4, 3) - 5) / 7
    return model(
        [h.make_node("Identity", ["image"], ["same"]), h.make_node("MatMul", ["same", "w"], ["product"]), h.make_node("Softmax", ["product"], ["score"], axis=1)],
        [h.make_tensor_value_info("image", T.FLOAT, ["N", 4])], [h.make_tensor_value_info("score", T.FLOAT, ["N", 3])], [("w", w)]), w


def identity(elem, shape=(3,)):
    return saha.load(model([h.make_node("Identity", ["x"], ["y"])], [h.make_tensor_value_info("x", elem, shape)], [h.make_tensor_value_info("y", elem, shape)]))


def softmax(x):
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def test_version_is_the_file_s():
    with open(os.path.join(os.path.dirname(__file__), "..", "..", "VERSION")) as f:
        assert saha.__version__ == f.read().strip()


def test_runs_a_file(tmp_path):
    proto, w = classifier()
    onnx.save(proto, tmp_path / "m.onnx")
    m = saha.load(tmp_path / "m.onnx")
    assert m.inputs == [("image", "float32", ("N", 4), "float32[N, 4]")]
    assert [str(v) for v in m.outputs] == ["score float32[N, 3]"]
    for n in (1, 3):
        x = np.random.default_rng(n).normal(size=(n, 4)).astype(np.float32)
        np.testing.assert_allclose(m.run({"image": x})["score"], softmax(x @ w), rtol=1e-5)
        np.testing.assert_allclose(m.run([x.tolist()])["score"], softmax(x @ w), rtol=1e-5)  # what has no type gets the model's


def test_simplifies_into_a_new_model_and_saves(tmp_path):
    proto, w = classifier()
    m = saha.load(proto)
    s = m.simplify()
    assert (m.num_nodes, s.num_nodes) == (3, 2)
    assert "remove_identities" in [c["pass"] for c in s.changes]
    assert "remove_identities" in str(s.changes)
    assert m.changes == []
    assert m.simplify(without=["remove_identities"]).num_nodes == 3
    s.save(tmp_path / "s.onnx")
    onnx.checker.check_model(onnx.load(tmp_path / "s.onnx"))
    x = np.ones((2, 4), np.float32)
    np.testing.assert_allclose(saha.load(tmp_path / "s.onnx").run({"image": x})["score"], softmax(x @ w), rtol=1e-5)
    assert saha.load(s.to_bytes()).num_nodes == 2


def test_a_bundle_runs_as_the_model_that_was_saved(tmp_path):
    m = saha.load(classifier()[0])
    m.save(tmp_path / "m.saha")
    b = saha.load(tmp_path / "m.saha")
    x = np.random.default_rng(2).standard_normal([d if isinstance(d, int) else 1 for d in m.inputs[0].shape]).astype(np.float32)
    np.testing.assert_array_equal(b.run([x])[m.outputs[0].name], m.run([x])[m.outputs[0].name])
    damaged = bytearray((tmp_path / "m.saha").read_bytes())
    damaged[-1] ^= 1
    (tmp_path / "damaged.saha").write_bytes(damaged)
    with pytest.raises(saha.Error, match="section 'model' at byte"):
        saha.load(tmp_path / "damaged.saha")


def test_threads_run_side_by_side_with_the_same_bits():
    m = saha.load(classifier()[0])
    xs = [np.random.default_rng(i).normal(size=(i % 3 + 1, 4)).astype(np.float32) for i in range(8)]
    want = [m.run([x])["score"] for x in xs]
    wrong = []

    def work(t):
        for r in range(50):
            i = (r + t) % 8
            if not np.array_equal(m.run([xs[i]])["score"], want[i]):
                wrong.append((t, i))

    threads = [threading.Thread(target=work, args=(t,)) for t in range(4)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert wrong == []


def test_errors_have_a_code_and_name_the_thing(tmp_path):
    m = saha.load(classifier()[0])
    for inputs, message in [
        ({"picture": 1}, "the model has no input 'picture'; it has 'image'"),
        ({}, "input 'image' was not given"),
        ([], "the model has 1 inputs, 0 were given"),
        ([np.zeros((1, 4))], "input 'image' takes float32[N, 4], float64[1, 4] was given"),
        ([np.zeros((1, 5), np.float32)], "input 'image' takes float32[N, 4], float32[1, 5] was given"),
        (["a"], "input 'image' takes float32, str cannot become that"),
    ]:
        with pytest.raises(saha.Error) as e:
            m.run(inputs)
        assert e.value.code == "invalid-argument"
        assert e.value.message.startswith(message)
    with pytest.raises(saha.Error) as e:
        saha.load(tmp_path / "none.onnx")
    assert e.value.code == "io" and "none.onnx" in e.value.message
    (tmp_path / "broken.onnx").write_bytes(b"\x08\x07garbage")
    with pytest.raises(saha.Error) as e:
        saha.load(tmp_path / "broken.onnx")
    assert e.value.code in ("invalid-model", "invalid-data")
    with pytest.raises(saha.Error) as e:
        m.simplify(without="no_such_pass")
    assert "no_such_pass" in e.value.message and e.value.help
    with pytest.raises(saha.Error):
        m.save(tmp_path / "no" / "such" / "folder.onnx")


@pytest.mark.parametrize("elem", [e for e in sorted(T.DataType.values()) if e not in (T.UNDEFINED, T.STRING)])
def test_every_element_type_crosses_unchanged(elem):
    dtype = onnx.helper.tensor_dtype_to_np_dtype(elem)
    for count in (0, 1, 3, 8):
        x = np.array([0, 1, -2, 1, 1, 0, -1, 1][:count]).astype(np.int8).astype(dtype) if not dtype.name.startswith(("uint", "bool", "float8_e8m0")) else np.array([1, 1, 2, 3, 1, 2, 3, 1][:count]).astype(np.float32).astype(dtype)
        y = identity(elem, (count,)).run([x])["y"]
        assert y.dtype == dtype and y.shape == x.shape
        assert x.tobytes() == y.tobytes()


def test_strings_sequences_optionals_and_maps():
    x = np.array([["a", "ü"], ["", "b\0c"]], object)
    y = identity(T.STRING, (2, 2)).run([x])["y"]
    assert y.tolist() == x.tolist()
    m = saha.load(model([h.make_node("SequenceConstruct", ["a", "b"], ["s"])], [h.make_tensor_value_info(n, T.FLOAT, (2,)) for n in "ab"],
                        [h.make_tensor_sequence_value_info("s", T.FLOAT, (2,))]))
    a, b = np.float32([1, 2]), np.float32([3, 4])
    assert [v.tolist() for v in m.run([a, b])["s"]] == [[1, 2], [3, 4]]
    m = saha.load(model([h.make_node("SequenceAt", ["s", "i"], ["y"])], [h.make_tensor_sequence_value_info("s", T.FLOAT, (2,)), h.make_tensor_value_info("i", T.INT64, ())],
                        [h.make_tensor_value_info("y", T.FLOAT, (2,))]))
    assert m.run([[a, b], 1])["y"].tolist() == [3, 4]
    out = h.make_value_info("m", h.make_sequence_type_proto(h.make_map_type_proto(T.STRING, h.make_tensor_type_proto(T.FLOAT, ()))))
    m = saha.load(model([h.make_node("ZipMap", ["x"], ["m"], domain="ai.onnx.ml", classlabels_strings=["no", "yes"])], [h.make_tensor_value_info("x", T.FLOAT, (1, 2))], [out]))
    assert m.run([np.float32([[0.25, 0.75]])])["m"] == [{"no": 0.25, "yes": 0.75}]


def test_a_result_is_the_caller_s_own():
    x = np.float32([1, 2, 3])
    m = identity(T.FLOAT)
    y = m.run([x])["y"]
    y[0] = 9
    assert x[0] == 1 and m.run([x])["y"][0] == 1
    c = saha.load(model([h.make_node("Identity", ["c"], ["y"])], [], [h.make_tensor_value_info("y", T.FLOAT, (2,))], [("c", np.float32([1, 2]))]))
    c.run([])["y"][0] = 9
    assert c.run([])["y"].tolist() == [1, 2]
    assert m.run([x[::-1]])["y"].tolist() == [3, 2, 1]


def test_a_session_runs_as_the_model():
    proto, w = classifier()
    m = saha.load(proto)
    s = m.session(threads=1, precision="auto")
    assert s.inputs == m.inputs and s.outputs == m.outputs and (s.inputs[0].name, s.inputs[0].dtype, s.inputs[0].shape) == ("image", "float32", ("N", 4))
    rng = np.random.default_rng(0)
    kept = []
    for n in (1, 1, 3, 3, 1, 2000):   # another shape is another plan
        x = rng.standard_normal((n, 4)).astype(np.float32)
        for given in (x, np.asfortranarray(x), np.repeat(x, 2, axis=1)[:, ::2], x.tolist() if n < 4 else x, x.astype(">f4")):
            y = s.run({"image": given})["score"]
            assert y.dtype == np.float32 and np.array_equal(y, m.run({"image": x})["score"])
        frozen = x.copy()
        frozen.flags.writeable = False
        kept.append((s.run({"image": frozen})["score"], x))
    for y, x in kept:   # results are the caller's own
        assert np.allclose(y, softmax(x @ w), atol=1e-6) and y.flags.writeable


def processor_has(*features):
    with open("/proc/cpuinfo") as f:
        words = f.read().split()
    return any(f in words for f in features)


def test_a_session_says_what_it_does_not_take():
    m = saha.load(classifier()[0])
    s = m.session()
    x = np.zeros((2, 4), np.float32)
    for inputs, message in (({"picture": x}, "the model has no input 'picture'; it has 'image'"), ({}, "input 'image' was not given"),
                            ({"image": x, "mask": x}, "the model has no input 'mask'; it has 'image'"),
                            ({"image": x.astype(np.float64)}, "input 'image' takes float32[N, 4], float64[2, 4] was given"),
                            ({"image": x[:, :3]}, "input 'image' takes float32[N, 4], float32[2, 3] was given")):
        for _ in range(2):
            with pytest.raises(saha.Error, match=message.replace("[", r"\[").replace("]", r"\]")):
                s.run(inputs)
        assert s.run({"image": x})["score"].shape == (2, 3)   # an error leaves it as it was
    with pytest.raises(saha.Error, match="precision is 'f32', 'bf16', 'f16' or 'auto', not 'fp8'"):
        m.session(precision="fp8")
    for precision, named, features in (("bf16", "bfloat16", ("avx512_bf16", "bf16")), ("f16", "float16", ("asimdhp",))):
        if processor_has(*features):
            assert m.session(precision=precision).run({"image": x})["score"].shape == (2, 3)
        else:
            with pytest.raises(saha.Error, match=f"products in {named} need a processor with instructions for them"):
                m.session(precision=precision)
    with pytest.raises(saha.Error, match="threads is 1 to 1024, not 0"):
        m.session(threads=0)


@pytest.mark.parametrize("elem", [T.FLOAT, T.DOUBLE, T.BOOL, T.INT8, T.UINT8, T.INT16, T.UINT16, T.INT32, T.UINT32, T.INT64, T.UINT64, T.FLOAT16, T.BFLOAT16, T.INT4])
def test_every_element_type_crosses_a_session(elem):
    m = identity(elem)
    x = np.array([0, 1, 1], h.tensor_dtype_to_np_dtype(elem))
    s = m.session()
    for _ in range(3):
        y = s.run({"x": x})["y"]
        assert y.dtype == x.dtype and np.array_equal(y, x) and not np.shares_memory(x, y)


def test_a_session_serves_several_threads():
    m = saha.load(classifier()[0])
    s, wrong = m.session(threads=2), []

    def work(seed):
        x = np.random.default_rng(seed).standard_normal((seed + 1, 4)).astype(np.float32)
        expected = m.run({"image": x})["score"]
        for _ in range(200):
            if not np.array_equal(s.run({"image": x})["score"], expected):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_bench_measures_and_compares():
    b = saha.bench(saha.load(classifier()[0]).simplify(), backends="native", threads=1, runs=20)
    row = b["native"]
    assert 0 < row["min_ms"] <= row["p50_ms"] <= row["p90_ms"]
    assert b.to_dict()["schema"] == "saha.bench/1" and b.to_dict()["reference"] == "operator reference"
    assert not row["wrong"] and row["max_rel_diff"] < 1e-4
    assert "native" in str(b)
    with pytest.raises(saha.Error) as e:
        saha.bench(saha.load(classifier()[0]), backends=["warp"])
    assert "warp" in e.value.message


def test_backend_of_onnx():
    import saha.backend

    proto, w = classifier()
    x = np.ones((2, 4), np.float32)
    assert saha.backend.supports_device("CPU") and not saha.backend.supports_device("CUDA")
    np.testing.assert_allclose(saha.backend.run_model(proto, [x])[0], softmax(x @ w), rtol=1e-5)
    np.testing.assert_allclose(saha.backend.prepare(proto).run([x])[0], softmax(x @ w), rtol=1e-5)
