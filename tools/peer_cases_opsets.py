"""Operators as older files write them: one case for each change of meaning between opsets 1 and 28, at the opsets on both sides of it."""
import numpy as np
from onnx import TensorProto as T, helper

rng = np.random.default_rng(0)
F = T.FLOAT


def f32(*shape):
    return rng.normal(size=shape).astype(np.float32)


def i64(*v):
    return np.array(v, np.int64)


def s(v):
    return np.array(v, np.float32)


def one(op, opset, inputs, types=(F,), constant=(), domain="", graph=None, **attrs):
    names = ["" if x is None else f"x{i}" for i, x in enumerate(inputs)]
    outs = [f"y{i}" for i in range(len(types))]
    node = helper.make_node(op, names, outs, domain=domain, **attrs)
    given = [(n, x) for i, (n, x) in enumerate(zip(names, inputs)) if x is not None and i not in constant]
    held = [helper.make_tensor(n, helper.np_dtype_to_tensor_dtype(x.dtype), x.shape, x.tobytes(), raw=True) for i, (n, x) in enumerate(zip(names, inputs)) if x is not None and i in constant]
    info = [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(x.dtype), x.shape) for n, x in given]
    if opset < 9:  # initialisers were inputs, too
        info += [helper.make_tensor_value_info(t.name, t.data_type, list(t.dims)) for t in held]
    g = helper.make_graph([node], op, info, [helper.make_tensor_value_info(o, t, None) for o, t in zip(outs, types)], held)
    m = helper.make_model(g, opset_imports=[helper.make_opsetid("", opset)], ir_version=3 if opset < 9 else 8)
    return m, [x for _, x in given]


def cases():
    x, m = f32(2, 3, 4, 5), f32(3, 4)
    I, B = T.INT64, T.BOOL
    for op in ("Add", "Sub", "Mul", "Div"):
        for opset in (1, 6):
            e = {"consumed_inputs": [0, 0]} if opset < 6 else {}
            yield f"{op}_{opset}_same", *one(op, opset, [m, f32(3, 4)], **e)
            yield f"{op}_{opset}_suffix", *one(op, opset, [x, f32(4, 5)], broadcast=1, **e)
            c = f32(3)
            yield f"{op}_{opset}_axis", *one(op, opset, [x, c], broadcast=1, axis=1, **e), {"expect": [getattr(np, {"Sub": "subtract", "Mul": "multiply", "Div": "divide"}.get(op, "add"))(x, c.reshape(3, 1, 1))]}
            yield f"{op}_{opset}_scalar", *one(op, opset, [x, f32(1)], broadcast=1, **e)
        yield f"{op}_7", *one(op, 7, [x, f32(3, 1, 1)])
    for op in ("And", "Or", "Xor"):
        c = f32(3) > 0
        yield f"{op}_1", *one(op, 1, [x > 0, c], [B], broadcast=1, axis=1), {"expect": [getattr(np, "logical_" + op.lower())(x > 0, c.reshape(3, 1, 1))]}
    for op in ("Greater", "Less", "Equal"):
        a = (x * 2).astype(np.int32) if op == "Equal" else x
        c = a[0, :, 0, 0].copy()
        yield f"{op}_1", *one(op, 1, [a, c], [B], broadcast=1, axis=1), {"expect": [getattr(np, op.lower())(a, c.reshape(3, 1, 1))]}
    c = f32(5)
    yield "Pow_1", *one("Pow", 1, [np.abs(x), c], broadcast=1), {"expect": [np.abs(x) ** c]}
    for op in ("Abs", "Neg", "Exp", "Sigmoid", "Tanh", "Relu", "Elu", "LeakyRelu", "Selu", "Sqrt", "Floor", "HardSigmoid"):
        yield f"{op}_1", *one(op, 1, [np.abs(x)], consumed_inputs=[0]), {"expect": [np.float32(1.0507) * np.abs(x)]} if op == "Selu" else {}
        yield f"{op}_6", *one(op, 6, [np.abs(x)])
    for opset in (6, 7, 9, 16):
        yield f"PRelu_{opset}", *one("PRelu", opset, [x, f32(3) if opset < 7 else f32(3, 1, 1)])
    for opset in (1, 6, 11, 12):
        b = {"min": -0.5, "max": 0.7} if opset < 11 else {}
        yield f"Clip_{opset}", *one("Clip", opset, [x] + ([s(-0.5), s(0.7)] if opset >= 11 else []), **b), {"expect": [np.clip(x, np.float32(-0.5), np.float32(0.7))]}
    yield "Clip_6_max", *one("Clip", 6, [np.array([1, np.inf, -np.inf], np.float32)], max=2.0)
    yield "Cast_1", *one("Cast", 1, [x * 3], [T.INT32], to="INT32"), {"expect": [(x * 3).astype(np.int32)]}
    yield "Cast_6", *one("Cast", 6, [x * 3], [T.INT32], to=T.INT32)
    for opset in (6, 7, 9, 11):
        yield f"Gemm_{opset}", *one("Gemm", opset, [m, f32(4, 2), f32(2)], alpha=0.5, **({"broadcast": 1} if opset < 7 else {}))
    yield "Gemm_13_no_C", *one("Gemm", 13, [m, f32(4, 2)])
    column = lambda v: v.reshape(3, 1, 1)
    bn = [x, f32(3), f32(3), f32(3), np.abs(f32(3)) + 0.1]
    for opset in (1, 6, 7, 9, 14, 15):
        e = {"is_test": 1} if opset < 7 else {}
        if opset < 6:
            e["consumed_inputs"] = [0, 0, 0, 1, 1]
        yield f"BatchNormalization_{opset}", *one("BatchNormalization", opset, bn, **e), {"expect": [column(bn[1]) * (x - column(bn[3])) / np.sqrt(column(bn[4]) + np.float32(1e-5)) + column(bn[2])]}
    by = [x] + [f32(3, 4, 5) for _ in range(3)] + [np.abs(f32(3, 4, 5)) + 0.1]
    yield "BatchNormalization_7_per_element", *one("BatchNormalization", 7, by, spatial=0), {"expect": [(by[1] * (x - by[3]) / np.sqrt(by[4] + 1e-5) + by[2]).astype(np.float32)]}
    for op in ("Softmax", "LogSoftmax", "Hardmax"):
        for opset in (1, 11, 13):
            for axis in (None, 0, 1, 2, 3):
                yield f"{op}_{opset}_{axis}", *one(op, opset, [x], **({} if axis is None else {"axis": axis}))
        yield f"{op}_11_minus", *one(op, 11, [x], axis=-2)
    for opset in (1, 6, 7, 10, 12, 13):
        yield f"Dropout_{opset}", *one("Dropout", opset, [m], **({"is_test": 1} if opset < 7 else {})), {"expect": [m]}
    yield "Dropout_7_mask", *one("Dropout", 7, [m], [F, F])[:2], {"expect": [m, np.ones_like(m)]}
    for opset in (18, 21):
        g = f32(1, 6, 4)
        yield f"GroupNormalization_{opset}", *one("GroupNormalization", opset, [g, f32(2) if opset < 21 else f32(6), f32(2) if opset < 21 else f32(6)], num_groups=2)
    c, d = f32(3), f32(3)
    mean, var = x.mean((2, 3), keepdims=True), x.var((2, 3), keepdims=True)
    yield "InstanceNormalization_1", *one("InstanceNormalization", 1, [x, c, d], consumed_inputs=[0]), {"expect": [column(c) * (x - mean) / np.sqrt(var + 1e-5) + column(d)]}
    im = f32(1, 2, 6, 6)
    for opset in (7, 10, 11, 19):
        yield f"AveragePool_{opset}", *one("AveragePool", opset, [im], kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2])
    for opset in (1, 8, 10, 12):
        yield f"MaxPool_{opset}", *one("MaxPool", opset, [im], kernel_shape=[3, 3], strides=[2, 2])
    for opset in (1, 2, 11, 18):
        yield f"LpPool_{opset}", *one("LpPool", opset, [im], kernel_shape=[2, 2], p=2.0 if opset < 2 else 2)
        yield f"GlobalLpPool_{opset}", *one("GlobalLpPool", opset, [im], p=2.0 if opset < 2 else 2), {"expect": [np.sqrt((im ** 2).sum((2, 3), keepdims=True))]}
    reduces = "ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare".split()
    for op in reduces:
        for opset in (1, 11, 12, 13, 18):
            operand = opset >= (13 if op == "ReduceSum" else 18)
            a = {} if operand else {"axes": [1, 3]}
            yield f"{op}_{opset}", *one(op, opset, [np.abs(x)] + ([i64(1, 3)] if operand else []), keepdims=0, **a)
            yield f"{op}_{opset}_all", *one(op, opset, [np.abs(x)])
    for op in ("ArgMax", "ArgMin"):
        for opset in (1, 11, 12, 13):
            yield f"{op}_{opset}", *one(op, opset, [x], [I], axis=2)
    yield "TopK_1", *one("TopK", 1, [m], [F, I], k=2)
    yield "TopK_10", *one("TopK", 10, [m, i64(2)], [F, I])
    yield "TopK_11", *one("TopK", 11, [m, i64(2)], [F, I], largest=0)
    yield "Reshape_1", *one("Reshape", 1, [m], shape=[2, -1])
    yield "Reshape_5", *one("Reshape", 5, [m, i64(2, -1)])
    yield "Reshape_13_zero", *one("Reshape", 13, [m, i64(0, 2, -1)])
    yield "Concat_1", *one("Concat", 1, [m, m]), {"expect": [np.concatenate([m, m], 1)]}
    yield "Concat_4", *one("Concat", 4, [m, m], axis=0)
    for opset in (1, 2, 11, 13, 18):
        operand = opset >= 13
        yield f"Split_{opset}", *one("Split", opset, [x] + ([i64(1, 3)] if operand else []), [F, F], axis=2, **({} if operand else {"split": [1, 3]})), {"expect": [x[:, :, :1], x[:, :, 1:]]}
        yield f"Split_{opset}_equal", *one("Split", opset, [x], [F, F], axis=2, **({"num_outputs": 2} if opset >= 18 else {})), {"expect": [x[:, :, :2], x[:, :, 2:]]}
    for opset in (1, 11, 13):
        operand = opset >= 13
        yield f"Squeeze_{opset}", *one("Squeeze", opset, [f32(1, 3, 1)] + ([i64(0)] if operand else []), **({} if operand else {"axes": [0]}))
        yield f"Squeeze_{opset}_all", *one("Squeeze", opset, [f32(1, 3, 1)])
        yield f"Unsqueeze_{opset}", *one("Unsqueeze", opset, [m] + ([i64(0, 2)] if operand else []), **({} if operand else {"axes": [0, 2]}))
    yield "Slice_1", *one("Slice", 1, [x], starts=[0, 1], ends=[2, -1], axes=[1, 3])
    yield "Slice_1_no_axes", *one("Slice", 1, [x], starts=[0, 1], ends=[1, 2147483647])
    yield "Slice_10", *one("Slice", 10, [x, i64(0, 1), i64(2, -1), i64(1, 3), i64(1, 2)])
    yield "Tile_1", *one("Tile", 1, [m, s([2]), s([1])], constant=(1, 2)), {"expect": [np.tile(m, (1, 2))]}
    yield "Tile_6", *one("Tile", 6, [m, i64(2, 1)])
    yield "Pad_1", *one("Pad", 1, [m], paddings=[0, 1, 2, 0], value=1.5), {"expect": [np.pad(m, ((0, 2), (1, 0)), constant_values=1.5)]}
    for mode in ("constant", "reflect", "edge"):
        yield f"Pad_2_{mode}", *one("Pad", 2, [m], pads=[0, 1, 2, 0], mode=mode)
        for opset in (11, 13, 18):
            yield f"Pad_{opset}_{mode}", *one("Pad", opset, [m, i64(0, 1, 2, 0)], mode=mode)
    for opset in (1, 11, 13):
        yield f"DepthToSpace_{opset}", *one("DepthToSpace", opset, [f32(1, 8, 2, 3)], blocksize=2)
    yield "SpaceToDepth_1", *one("SpaceToDepth", 1, [f32(1, 2, 4, 6)], blocksize=2)
    at, up = np.array([[1, 0, 2]], np.int64), f32(1, 3)
    yield "Scatter_9", *one("Scatter", 9, [f32(3, 3), at, up])
    yield "ScatterElements_11", *one("ScatterElements", 11, [f32(3, 3), at, up])
    yield "ScatterND_11", *one("ScatterND", 11, [f32(4), i64(1, 3).reshape(2, 1), f32(2)])
    yield "GatherND_11", *one("GatherND", 11, [m, np.array([[0, 1], [2, 3]], np.int64)])
    for mode in ("nearest", "linear"):
        yield f"Upsample_7_{mode}", *one("Upsample", 7, [im], scales=[1.0, 1.0, 2.0, 3.0], mode=mode)
        yield f"Upsample_9_{mode}", *one("Upsample", 9, [im, s([1, 1, 2, 2.5])], constant=(1,), mode=mode)
        yield f"Resize_10_up_{mode}", *one("Resize", 10, [im, s([1, 1, 2, 1.5])], constant=(1,), mode=mode)
        yield f"Resize_10_down_{mode}", *one("Resize", 10, [im, s([1, 1, 0.6, 0.5])], constant=(1,), mode=mode)
        yield f"Resize_10_both_{mode}", *one("Resize", 10, [im, s([1, 1, 2, 0.5])], constant=(1,), mode=mode)
        for opset in (11, 13, 18, 19):
            yield f"Resize_{opset}_{mode}", *one("Resize", opset, [im, s([]), s([1, 1, 2, 0.75])], constant=(1, 2), mode=mode)
            yield f"Resize_{opset}_{mode}_sizes", *one("Resize", opset, [im, s([]), s([]), i64(1, 2, 9, 4)], constant=(1, 2, 3), mode=mode)
    grid = rng.uniform(-1, 1, size=(1, 3, 4, 2)).astype(np.float32)
    for mode in ("bilinear", "nearest", "bicubic"):
        yield f"GridSample_16_{mode}", *one("GridSample", 16, [im, grid], mode=mode)
        yield f"GridSample_20_{mode}", *one("GridSample", 20, [im, grid], mode={"bilinear": "linear", "bicubic": "cubic"}.get(mode, mode))
    rois, batch = s([[0, 0, 4, 4], [1, 1, 5, 3]]), i64(0, 0)
    for opset in (10, 16):
        yield f"RoiAlign_{opset}", *one("RoiAlign", opset, [im, rois, batch], output_height=2, output_width=2, sampling_ratio=2)
    yield "DFT_17", *one("DFT", 17, [f32(1, 4, 5, 1)], axis=2)
    yield "DFT_17_default", *one("DFT", 17, [f32(1, 4, 5, 1)])
    yield "DFT_20", *one("DFT", 20, [f32(1, 4, 5, 1), None, np.array(1, np.int64)], constant=(2,))
    for opset in (11, 27):
        yield f"Range_{opset}", *one("Range", opset, [s(1), s(4), s(0.5)])
    for opset in (10, 13, 19, 21, 23):
        yield f"QuantizeLinear_{opset}", *one("QuantizeLinear", opset, [m, s(0.1), np.array(3, np.uint8)], [T.UINT8])
        yield f"DequantizeLinear_{opset}", *one("DequantizeLinear", opset, [np.arange(12, dtype=np.uint8).reshape(3, 4), s(0.1), np.array(3, np.uint8)])
    seq, w, r = f32(5, 2, 3), f32(1, 4, 3), f32(1, 4, 4)
    for opset in (1, 7, 14):
        e = {"output_sequence": 1} if opset < 7 else {}
        yield f"RNN_{opset}", *one("RNN", opset, [seq, w, r], [F, F], hidden_size=4, **e), {"peer_lacks": 1}
        yield f"LSTM_{opset}", *one("LSTM", opset, [seq, f32(1, 16, 3), f32(1, 16, 4)], [F, F, F], hidden_size=4, **e), {"peer_lacks": 1}
        yield f"GRU_{opset}", *one("GRU", opset, [seq, f32(1, 12, 3), f32(1, 12, 4)], [F, F], hidden_size=4, **e), {"peer_lacks": 1}
    body = helper.make_graph([helper.make_node("Add", ["st", "el"], ["sum"]), helper.make_node("Identity", ["sum"], ["out"])], "body",
                             [helper.make_tensor_value_info("st", F, [2]), helper.make_tensor_value_info("el", F, [2])], [helper.make_tensor_value_info("sum", F, [2]), helper.make_tensor_value_info("out", F, [2])])
    yield "Scan_8", *one("Scan", 8, [None, f32(3, 2), f32(3, 4, 2)], [F, F], body=body, num_scan_inputs=1)
    yield "Scan_8_backward", *one("Scan", 8, [None, f32(3, 2), f32(3, 4, 2)], [F, F], body=body, num_scan_inputs=1, directions=[1])
    yield "Scan_9", *one("Scan", 9, [f32(2), f32(4, 2)], [F, F], body=body, num_scan_inputs=1)
    img = f32(1, 3, 4, 4)
    yield "ImageScaler", *one("ImageScaler", 6, [img], scale=0.5, bias=[0.1, 0.2, 0.3]), {"expect": [img * np.float32(0.5) + s([0.1, 0.2, 0.3]).reshape(3, 1, 1)]}
    yield "Affine", *one("Affine", 6, [img], alpha=0.5, beta=0.25), {"expect": [img * np.float32(0.5) + np.float32(0.25)]}
    yield "ScaledTanh", *one("ScaledTanh", 6, [img], alpha=0.5, beta=0.25), {"expect": [np.float32(0.5) * np.tanh(img * np.float32(0.25))]}
    yield "Crop", *one("Crop", 6, [img], border=[1, 0, 0, 2]), {"expect": [img[:, :, 0:2, 1:4]]}
