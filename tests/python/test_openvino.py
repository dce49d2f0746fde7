"""OpenVINO IR: layers of all operator sets read from files of OpenVINO's own serialiser give what its CPU plugin gives, and models written for it run there."""
import numpy as np
import pytest
import saha

openvino = pytest.importorskip("openvino", reason="the package openvino is not here")
from openvino import opset1, opset3, opset4, opset5, opset6, opset7, opset8, opset9, opset10, opset11, opset12, opset13, opset14, opset15, opset16

ops = opset16
rng = np.random.default_rng(7)
CONFIG = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}


def floats(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def ints(low, high, *shape):
    return rng.integers(low, high, shape).astype(np.int64)


def const(v, dtype=np.float32):
    return ops.constant(np.asarray(v, dtype))


def whole(v):
    return const(v, np.int64)


def window(f, *x, pads=((1, 0), (0, 1)), strides=(2, 1), **more):
    return f(*x, strides=list(strides), pads_begin=list(pads[0]), pads_end=list(pads[1]), **more)


def turns(x):
    """A Loop that doubles x three times and stacks what it was."""
    inner, y = ops.parameter(list(x.get_output_shape(0)), np.float32), None
    y = ops.add(inner, inner)
    before = ops.unsqueeze(inner, whole([0]))
    going = const(True, bool)
    body = openvino.Model([going, y, before], [inner])
    node = opset5.loop(whole(3), const(True, bool))
    node.set_function(body)
    node.set_special_body_ports([-1, 0])
    node.set_merged_input(inner, x.output(0), y.output(0))
    return [node.get_iter_value(y.output(0), -1), node.get_concatenated_slices(before.output(0), 0, 1, 1, -1, 0)]


def branches(x):
    """An If on the sign of the first number."""
    first = ops.reshape(ops.gather(ops.reshape(x, whole([-1]), False), whole([0]), whole(0)), whole([]), False)
    node, bodies, results = opset8.if_op(ops.less(first, const(0.0)).output(0)), [], []
    inner = []
    for f in (ops.negative, ops.abs):
        p = ops.parameter(list(x.get_output_shape(0)), np.float32)
        result = opset1.result(f(p))
        bodies.append(openvino.Model([result], [p]))
        inner.append(p)
        results.append(result)
    node.set_then_body(bodies[0])
    node.set_else_body(bodies[1])
    node.set_input(x.output(0), *inner)
    node.set_output(*results)
    return node


def resized(x, mode, coordinates):
    return opset11.interpolate(x, whole([10, 9]), mode, "sizes", [0], [0], coordinates, "floor" if mode == "nearest" else "round_prefer_floor", False, -0.75, whole([2, 3]))


X, V, S = floats(2, 4, 7, 6), floats(2, 3, 5), np.abs(floats(2, 3, 5)) + 0.1
# name: operands, and the layer on parameters of their types
CASES = {name: (list(operands), make) for name, operands, make in [
    *[(f, [S], lambda x, f=f: getattr(ops, f)(x)) for f in ("abs", "acos", "asin", "asinh", "atan", "ceiling", "cos", "cosh", "erf", "exp", "floor", "log", "negative", "relu", "sigmoid", "sign", "sin", "sinh",
                                                            "sqrt", "tan", "tanh", "hsigmoid", "hswish", "mish", "softplus", "softsign", "is_nan", "is_finite", "is_inf")],
    ("round", [V * 3], lambda x: ops.round(x, "half_away_from_zero")), ("elu", [V], lambda x: ops.elu(x, 0.5)), ("gelu", [V], lambda x: opset7.gelu(x, "tanh")), ("clamp", [V], lambda x: ops.clamp(x, -0.5, 0.25)),
    ("prelu", [X], lambda x: ops.prelu(x, const([0.1, 0.2, 0.3, 0.4]))), ("selu", [V], lambda x: ops.selu(x, const(1.5), const(1.1))), ("swish", [V], lambda x: ops.swish(x, const(1.5))),
    ("hard_sigmoid", [V], lambda x: ops.hard_sigmoid(x, const(0.3), const(0.4))), ("softmax", [V], lambda x: ops.softmax(x, -2)), ("log_softmax", [V], lambda x: ops.log_softmax(x, 1)),
    *[(f, [S, S[::-1].copy()], lambda x, y, f=f: getattr(ops, f)(x, y)) for f in ("add", "subtract", "multiply", "divide", "power", "maximum", "minimum", "squared_difference", "floor_mod", "mod",
                                                                               "equal", "not_equal", "greater", "greater_equal", "less", "less_equal")],
    ("select", [V, V + 1], lambda x, y: ops.select(ops.greater(x, const(0.0)), x, y)),
    ("logical", [V], lambda x: ops.logical_or(ops.logical_not(ops.greater(x, const(0.5))), ops.logical_xor(ops.less(x, const(0.0)), ops.greater(x, const(-1.0))))),
    ("bitwise", [ints(0, 99, 6).astype(np.int32)], lambda x: opset13.bitwise_xor(opset13.bitwise_not(x), opset15.bitwise_left_shift(x, const([2], np.int32)))),
    *[(f, [V], lambda x, f=f: getattr(ops, f)(x, whole([0, -1]), True)) for f in ("reduce_max", "reduce_min", "reduce_mean", "reduce_sum", "reduce_prod", "reduce_l1", "reduce_l2")],
    ("reduce_logical", [V], lambda x: ops.reduce_logical_or(ops.greater(x, const(1.0)), whole([1]))),
    ("convolution", [X, floats(5, 4, 3, 2)], lambda x, w: window(ops.convolution, x, w, dilations=[1, 2])), ("convolution, same", [X, floats(5, 4, 3, 2)], lambda x, w: window(ops.convolution, x, w, dilations=[1, 1], auto_pad="same_lower")),
    ("group_convolution", [X, floats(2, 3, 2, 3, 3)], lambda x, w: window(ops.group_convolution, x, w, dilations=[1, 1])),
    ("convolution_backprop_data", [X, floats(4, 3, 3, 3)], lambda x, w: ops.convolution_backprop_data(x, w, [2, 2], None, [1, 0], [0, 1], [1, 1], output_padding=[1, 0])),
    ("convolution_backprop_data of a stated shape", [X], lambda x: ops.convolution_backprop_data(x, const(floats(4, 3, 3, 3)), [2, 2], whole([14, 12]), auto_pad="same_upper")),
    ("group_convolution_backprop_data", [X, floats(2, 2, 3, 3, 3)], lambda x, w: ops.group_convolution_backprop_data(x, w, [2, 1], None, [1, 0], [0, 1], [1, 1])),
    ("deformable_convolution", [X, floats(2, 18, 5, 4) * 0.3, floats(3, 4, 3, 3)], lambda x, o, w: opset8.deformable_convolution(x, o, w, [1, 1], [0, 0], [0, 0], [1, 1], bilinear_interpolation_pad=True)),
    ("max_pool", [X], lambda x: window(opset14.max_pool, x, dilations=[1, 1], kernel_shape=[3, 2], rounding_type="ceil")), ("max_pool, old", [X], lambda x: window(opset1.max_pool, x, kernel_shape=[3, 3], rounding_type="ceil")),
    ("avg_pool", [X], lambda x: opset14.avg_pool(x, [2, 2], [1, 0], [0, 1], [3, 2], True, "ceil_torch")), ("adaptive_avg_pool", [X], lambda x: opset8.adaptive_avg_pool(x, whole([3, 4]))),
    ("adaptive_avg_pool, even", [floats(1, 2, 6, 8)], lambda x: opset8.adaptive_avg_pool(x, whole([3, 2]))), ("adaptive_max_pool", [floats(1, 2, 6, 8)], lambda x: opset8.adaptive_max_pool(x, whole([3, 2]), "i32")),
    ("matmul", [V, floats(2, 4, 5)], lambda a, b: ops.matmul(a, b, False, True)), ("einsum", [V, V], lambda a, b: ops.einsum([a, b], "bij,bkj->bik")),
    ("batch_norm", [X], lambda x: opset5.batch_norm_inference(x, const([1, 2, 3, 4]), const([0, 1, 0, 1]), const([0.1] * 4), const([1, 2, 1, 2]), 1e-3)),
    ("mvn", [X], lambda x: opset6.mvn(x, whole([2, 3]), True, 1e-4, "inside_sqrt")), ("mvn, outside", [V], lambda x: opset6.mvn(x, whole([-1]), True, 1e-4, "outside_sqrt")),
    ("group_normalization", [X], lambda x: opset12.group_normalization(x, const([1, 2, 3, 4]), const([0, 1, 0, 1]), 2, 1e-4)), ("lrn", [X], lambda x: ops.lrn(x, whole([1]), 0.1, 0.7, 2.0, 3)),
    ("normalize_l2", [X], lambda x: ops.normalize_l2(x, whole([1]), 1e-3, "max")), ("grn", [X], lambda x: ops.grn(x, 0.1)),
    ("attention", [floats(1, 2, 3, 4), floats(1, 2, 5, 4), floats(1, 2, 5, 6)], lambda q, k, v: opset13.scaled_dot_product_attention(q, k, v, None, None, True)),
    ("attention with a mask", [floats(1, 2, 3, 4), floats(1, 2, 5, 4), floats(1, 2, 5, 6), floats(3, 5)], lambda q, k, v, m: opset13.scaled_dot_product_attention(q, k, v, m, const(0.3))),
    *[(f"interpolate, {mode}, {c}", [X], lambda x, mode=mode, c=c: resized(x, mode, c)) for mode, c in (("nearest", "asymmetric"), ("linear_onnx", "half_pixel"), ("linear_onnx", "align_corners"), ("cubic", "half_pixel"))],
    ("interpolate, old", [X], lambda x: opset1.interpolate(x, whole([14, 12]), {"axes": [2, 3], "mode": "nearest", "align_corners": False, "antialias": False, "pads_begin": [0], "pads_end": [0]})),
    ("grid_sample", [X, rng.uniform(-1.2, 1.2, (2, 3, 4, 2)).astype(np.float32)], lambda x, g: opset9.grid_sample(x, g, {"align_corners": True, "mode": "bilinear", "padding_mode": "border"})),
    ("fake_quantize", [V], lambda x: ops.fake_quantize(x, const(-1.28), const(1.27), const(-1.28), const(1.27), 256)), ("fake_quantize, few levels", [V], lambda x: ops.fake_quantize(x, const(-1.0), const(1.0), const(-2.0), const(2.0), 15)),
    ("fake_quantize, a channel each", [X], lambda x: ops.fake_quantize(x, const(np.array([-1, -2, -.5, -1.5]).reshape(1, 4, 1, 1)), const(np.array([1, 2, .5, 1.5]).reshape(1, 4, 1, 1)), const(0.0), const(3.0), 255)),
    ("decompressed weights", [V], lambda x: ops.matmul(x, ops.multiply(ops.subtract(ops.convert(const(rng.integers(0, 255, (5, 4)), np.uint8), "f32"), ops.convert(const([[128, 127, 0, 9]], np.uint8), "f32")), const([[.1, .2, .3, .4]])), False, False)),
    ("reshape", [V], lambda x: ops.reshape(x, whole([0, -1]), True)), ("squeeze", [floats(1, 3, 1)], lambda x: ops.squeeze(x, whole([0, 2]))), ("transpose", [V], lambda x: ops.transpose(x, whole([2, 0, 1]))),
    ("concat", [V, V], lambda a, b: ops.concat([a, b], 1)), ("split", [X], lambda x: ops.split(x, whole(1), 2)), ("variadic_split", [X], lambda x: ops.variadic_split(x, whole(3), whole([1, -1, 2]))),
    ("strided_slice", [X], lambda x: ops.strided_slice(x, whole([0, -1, 0, 1]), whole([2, -5, 3, 0]), whole([1, -2, 1, 1]), [0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0])),
    ("strided_slice, new axes and an ellipsis", [X], lambda x: ops.strided_slice(x, whole([0, 0, 1]), whole([0, 0, 3]), whole([1, 1, 1]), [0] * 3, [0] * 3, [1, 0, 0], [0] * 3, [0, 1, 0])),
    ("slice", [X], lambda x: opset8.slice(x, whole([5, 1]), whole([-8, 3]), whole([-2, 1]), whole([3, 1]))), ("tile", [V], lambda x: ops.tile(x, whole([2, 1, 1, 3]))),
    *[(f"pad, {mode}", [V], lambda x, mode=mode: ops.pad(x, whole([0, 1, 2]), whole([1, 0, 1]), mode, const(7.0) if mode == "constant" else None)) for mode in ("constant", "edge", "reflect", "symmetric")],
    ("broadcast", [floats(3, 1)], lambda x: opset3.broadcast(x, whole([2, 3, 5]))), ("broadcast, explicit", [floats(3)], lambda x: opset3.broadcast(x, whole([2, 3, 5]), whole([1]), "explicit")),
    ("range", [np.array(5, np.int64)], lambda n: opset4.range(whole(0), n, whole(2), "i64")), ("shuffle_channels", [X], lambda x: ops.shuffle_channels(x, 1, 2)), ("roll", [V], lambda x: opset7.roll(x, whole([2, -1]), whole([2, 1]))),
    ("reverse_sequence", [V], lambda x: ops.reverse_sequence(x, whole([2, 1]), 0, 1)), ("depth_to_space", [X], lambda x: ops.depth_to_space(x, "depth_first", 2)), ("space_to_depth", [floats(1, 2, 4, 6)], lambda x: ops.space_to_depth(x, "blocks_first", 2)),
    ("space_to_batch", [floats(1, 2, 4, 6)], lambda x: ops.space_to_batch(x, whole([1, 1, 2, 2]), whole([0, 0, 1, 0]), whole([0, 0, 1, 2]))), ("batch_to_space", [floats(4, 2, 3, 4)], lambda x: ops.batch_to_space(x, whole([1, 1, 2, 2]), whole([0, 0, 1, 0]), whole([0, 0, 0, 1]))),
    ("gather", [V, ints(-3, 3, 2, 2)], lambda x, i: opset8.gather(x, i, whole(1), 0)), ("gather of a batch", [X, ints(0, 7, 2, 3)], lambda x, i: opset8.gather(x, i, whole(2), 1)),
    ("gather_elements", [V, ints(0, 5, 2, 3, 2)], lambda x, i: opset6.gather_elements(x, i, 2)), ("gather_nd", [V, ints(0, 2, 2, 2, 2)], lambda x, i: opset8.gather_nd(x, i, 1)),
    ("scatter_update", [V, floats(2, 2, 5)], lambda x, u: opset3.scatter_update(x, whole([2, 0]), u, whole(1))), ("scatter_elements_update", [V, floats(2, 3, 1)], lambda x, u: opset12.scatter_elements_update(x, whole(np.ones((2, 3, 1))), u, whole(2), "sum", True)),
    ("scatter_nd_update", [V, floats(2, 5)], lambda x, u: opset15.scatter_nd_update(x, whole([[0, 2], [1, 0]]), u, "prod")), ("slice_scatter", [V, floats(2, 2, 5)], lambda x, u: opset15.slice_scatter(x, u, whole([0]), whole([3]), whole([2]), whole([1]))),
    ("one_hot", [ints(0, 4, 2, 3)], lambda x: ops.one_hot(x, whole(4), const(2.0), const(-1.0), 1)), ("topk", [V], lambda x: opset3.topk(x, whole(3), 2, "min", "value", "i64")), ("topk by place", [V], lambda x: opset3.topk(x, whole(3), 2, "max", "index", "i32")),
    ("non_zero", [np.array([[1, 0], [2, 3]], np.float32)], lambda x: ops.non_zero(x)), ("cum_sum", [V], lambda x: ops.cum_sum(x, whole(1), True, True)), ("unique", [np.array([3, 1, 3, 2], np.float32)], lambda x: opset10.unique(x, whole(0))),
    ("bucketize", [V], lambda x: ops.bucketize(x, const([-1, 0, 0.5]), "i64", False)), ("search_sorted", [V], lambda x: opset15.search_sorted(const([-1, 0, 0.5]), x, True)), ("eye", [np.array(3, np.int32)], lambda n: opset9.eye(const(3, np.int32), const(4, np.int32), const(1, np.int32), "f32", const([2], np.int32))),
    ("embedding_bag_packed_sum", [floats(5, 3), floats(2, 2)], lambda t, w: ops.embedding_bag_packed_sum(t, whole([[0, 4], [2, 2]]), w)), ("embedding_bag_offsets_sum", [floats(5, 3)], lambda t: ops.embedding_bag_offsets_sum(t, whole([0, 2, 3, 4]), whole([0, 2, 2]))),
    ("embedding_segments_sum", [floats(5, 3)], lambda t: ops.embedding_segments_sum(t, whole([0, 2, 3, 4]), whole([0, 0, 2, 2]), whole(3))),
    ("roi_align", [X], lambda x: opset9.roi_align(x, const([[0, 0, 4, 3], [1, 1, 5, 5]]), whole([0, 1]), 3, 2, 2, 0.5, "avg", "half_pixel_for_nn")), ("roi_align, asymmetric", [X], lambda x: opset3.roi_align(x, const([[0, 0, 4, 3], [1, 1, 5, 5]]), whole([0, 1]), 3, 2, 1, 1.0, "avg")),
    ("roi_pooling", [X], lambda x: ops.roi_pooling(x, const([[0, 0, 0, 4, 3], [1, 1, 1, 5, 5]]), [2, 2], 1.0, "max")),
    ("non_max_suppression", [np.array([[[0, 0, 1, 1], [0, 0.1, 1, 1.1], [0, 5, 1, 6]]], np.float32), np.array([[[0.9, 0.8, 0.7]]], np.float32)], lambda b, s: opset9.non_max_suppression(b, s, whole(3), const(0.5), const(0.1))),
    ("dft", [floats(2, 4, 8, 2)], lambda x: opset7.dft(x, whole([1, 2]))), ("idft", [floats(2, 4, 8, 2)], lambda x: opset7.idft(x, whole([2]))), ("rdft", [floats(2, 4, 8)], lambda x: opset9.rdft(x, whole([1, 2]))),
    ("irdft", [floats(2, 4, 5, 2)], lambda x: opset9.irdft(x, whole([1, 2]))), ("stft", [floats(2, 48)], lambda x: opset15.stft(x, const(np.hanning(9)), whole(16), whole(8), True)),
    ("col2im", [floats(1, 12, 9)], lambda x: opset15.col2im(x, whole([4, 4]), whole([2, 2]))), ("extract_image_patches", [X], lambda x: ops.extract_image_patches(x, [3, 2], [2, 2], [1, 1], "same_upper")),
    ("lstm_sequence", [floats(2, 3, 4), floats(2, 2, 5), floats(2, 2, 5)], lambda x, h, c: opset5.lstm_sequence(x, h, c, whole([3, 3]), const(floats(2, 20, 4)), const(floats(2, 20, 5)), const(floats(2, 20)), 5, "bidirectional")),
    ("gru_sequence", [floats(2, 3, 4), floats(2, 1, 5)], lambda x, h: opset5.gru_sequence(x, h, whole([3, 3]), const(floats(1, 15, 4)), const(floats(1, 15, 5)), const(floats(1, 20)), 5, "reverse", linear_before_reset=True)),
    ("rnn_sequence", [floats(2, 3, 4), floats(2, 1, 5)], lambda x, h: opset5.rnn_sequence(x, h, whole([3, 3]), const(floats(1, 5, 4)), const(floats(1, 5, 5)), const(floats(1, 5)), 5, "forward")),
    ("lstm_cell", [floats(2, 4), floats(2, 5), floats(2, 5)], lambda x, h, c: opset4.lstm_cell(x, h, c, const(floats(20, 4)), const(floats(20, 5)), const(floats(20)), 5)),
    ("gru_cell", [floats(2, 4), floats(2, 5)], lambda x, h: opset3.gru_cell(x, h, const(floats(15, 4)), const(floats(15, 5)), const(floats(15)), 5)),
    ("rnn_cell", [floats(2, 4), floats(2, 5)], lambda x, h: opset3.rnn_cell(x, h, const(floats(5, 4)), const(floats(5, 5)), const(floats(5)), 5, ["relu"], [], [])),
    ("loop", [V], turns), ("if", [V], branches), ("identity", [V], lambda x: opset16.identity(x)), ("convert", [V * 5], lambda x: ops.convert(x, "i32")), ("shape_of", [V], lambda x: opset3.shape_of(x, "i64")),
]}


@pytest.mark.parametrize("name", CASES)
def test_a_layer_reads_as_it_runs_in_openvino(name, tmp_path):
    operands, make = CASES[name]
    parameters = [ops.parameter(list(v.shape), v.dtype) for v in operands]
    for i, p in enumerate(parameters):
        p.output(0).set_names({f"x{i}"})
    made = make(*parameters)
    outputs = [o for node in (made if isinstance(made, (list, tuple)) else [made]) for o in (node.outputs() if hasattr(node, "outputs") else [node])]
    model = openvino.Model(outputs, parameters)
    path = str(tmp_path / "m.xml")
    openvino.serialize(model, path)
    core = openvino.Core()
    request = core.compile_model(core.read_model(path), "CPU", CONFIG).create_infer_request()
    request.infer(operands, share_inputs=False)
    model = saha.load(path)
    inputs = {f"x{i}": v for i, v in enumerate(operands)}
    got = list(model.run(inputs).values())
    written = str(tmp_path / "written.xml")
    model.save(written)
    again = core.compile_model(core.read_model(written), "CPU", CONFIG).create_infer_request()
    again.infer(inputs, share_inputs=False)
    assert len(got) == len(outputs)
    for k, g in enumerate(got):
        want = request.get_output_tensor(k).data
        if name == "non_max_suppression":   # OpenVINO fills up with -1
            want = want[:len(g)] if k < 2 else want
        for made in (g, again.get_output_tensor(k).data):
            assert made.shape == want.shape
            np.testing.assert_allclose(made.astype(np.float64), want.astype(np.float64), rtol=1e-4, atol=2e-5)


def test_what_is_written_runs_in_openvino(tmp_path):
    """A model with weights, a residual and a free batch."""
    from onnx import TensorProto, helper, numpy_helper
    weights = {"w": floats(6, 3, 3, 3), "v": floats(6, 6, 1, 1), "b": floats(6)}
    nodes = [helper.make_node("Conv", ["x", "w", "b"], ["c"], pads=[1] * 4), helper.make_node("Relu", ["c"], ["r"]), helper.make_node("Conv", ["r", "v"], ["d"]), helper.make_node("Add", ["d", "r"], ["e"]),
             helper.make_node("GlobalAveragePool", ["e"], ["g"]), helper.make_node("Flatten", ["g"], ["f"]), helper.make_node("Softmax", ["f"], ["y"])]
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 8, 8])], [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
                              [numpy_helper.from_array(v, k) for k, v in weights.items()])
    model = saha.load(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8))
    out = str(tmp_path / "m.xml")
    model.save(out)
    x = floats(2, 3, 8, 8)
    want = model.run({"x": x})["y"]
    np.testing.assert_allclose(openvino.compile_model(out, "CPU", CONFIG)({"x": x})["y"], want, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(saha.load(out).run({"x": x})["y"], want, rtol=1e-5, atol=1e-6)
