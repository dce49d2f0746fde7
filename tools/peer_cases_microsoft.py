"""com.microsoft: each operator in the forms that onnxruntime's quantiser and optimiser write."""
import numpy as np
from onnx import TensorProto as T, helper

rng = np.random.default_rng(0)
F = T.FLOAT


def one(op, inputs, types, domain="com.microsoft", outputs=None, constant=(), standard=17, **attrs):
    """A node on inputs (None: omitted); those whose position is in `constant` are initialisers."""
    names = ["" if x is None else f"x{i}" for i, x in enumerate(inputs)]
    outs = [f"y{i}" for i in range(len(types))] if outputs is None else outputs
    node = helper.make_node(op, names, outs, domain=domain, **attrs)
    given = [(n, x) for i, (n, x) in enumerate(zip(names, inputs)) if x is not None and i not in constant]
    held = [helper.make_tensor(n, helper.np_dtype_to_tensor_dtype(x.dtype), x.shape, x.tobytes(), raw=True) for i, (n, x) in enumerate(zip(names, inputs)) if x is not None and i in constant]
    g = helper.make_graph([node], op, [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(x.dtype), x.shape) for n, x in given],
                          [helper.make_tensor_value_info(o, t, None) for o, t in zip([o for o in outs if o], types)], held)
    return helper.make_model(g, opset_imports=[helper.make_opsetid("com.microsoft", 1), helper.make_opsetid("", standard)], ir_version=8), [x for _, x in given]


def f32(*shape):
    return rng.normal(size=shape).astype(np.float32)


def s(v):
    return np.array(v, np.float32)


def cases():
    for t, np_t, zero in ((T.UINT8, np.uint8, 120), (T.INT8, np.int8, -7)):
        lo, hi = np.iinfo(np_t).min, np.iinfo(np_t).max
        q = lambda *shape: rng.integers(lo, hi + 1, size=shape).astype(np_t)
        z = lambda v: np.array(v, np_t)
        n = np_t.__name__
        step = {"steps": 1}
        for op in ("QLinearAdd", "QLinearMul"):
            for name, b in (("same", q(2, 3, 4)), ("row", q(4)), ("scalar", q(1))):
                yield f"{op}_{n}_{name}", *one(op, [q(2, 3, 4), s(0.02), z(zero), b, s(0.03), z(zero + 1), s(0.05), z(zero + 2)], [t]), step
        yield f"QLinearSigmoid_{n}", *one("QLinearSigmoid", [q(3, 50), s(0.05), z(zero), s(1 / 256), z(lo)], [t], constant=(1, 2, 3, 4)), {}
        yield f"QLinearLeakyRelu_{n}", *one("QLinearLeakyRelu", [q(3, 50), s(0.05), z(zero), s(0.04), z(zero)], [t], constant=(1, 2, 3, 4), alpha=0.1), {}
        yield f"QLinearConcat_{n}", *one("QLinearConcat", [s(0.05), z(zero), q(2, 3), s(0.04), z(zero - 1), q(2, 2), s(0.05), z(zero)], [t], axis=1), {}
        for axis, opset in ((-1, 13), (1, 13), (1, 12)):
            yield f"QLinearSoftmax_{n}_{axis}_{opset}", *one("QLinearSoftmax", [q(2, 3, 5), s(0.05), z(zero), s(1 / 256), z(lo)], [t], constant=(1, 2, 3, 4), axis=axis, opset=opset), step
        if np_t is np.uint8:  # onnxruntime pools uint8 and int8 alike; one is enough
            yield "QLinearAveragePool", *one("QLinearAveragePool", [q(1, 2, 5, 5), s(0.05), z(zero), s(0.04), z(zero)], [t], kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2]), step
            yield "QLinearAveragePool_count", *one("QLinearAveragePool", [q(1, 2, 5, 5), s(0.05), z(zero), s(0.04), z(zero)], [t], kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1), step
            yield "QLinearAveragePool_last", *one("QLinearAveragePool", [q(1, 5, 5, 2), s(0.05), z(zero), s(0.04), z(zero)], [t], kernel_shape=[2, 2], channels_last=1), step
            yield "QLinearGlobalAveragePool", *one("QLinearGlobalAveragePool", [q(2, 3, 5, 5), s(0.05), z(zero), s(0.02), z(zero)], [t]), step
            yield "QLinearGlobalAveragePool_last", *one("QLinearGlobalAveragePool", [q(2, 5, 5, 3), s(0.05), z(zero), s(0.02), z(zero)], [t], channels_last=1), step
        w = rng.integers(-60, 60, size=(6, 4)).astype(np.int8)  # 7 bits: onnxruntime's products of uint8 and int8 saturate at 16 bits where the CPU lacks VNNI
        bias = rng.integers(-500, 500, size=(4,)).astype(np.int32)
        for per, ws in (("tensor", s(0.02)), ("column", s([0.01, 0.02, 0.03, 0.04]))):
            wz = np.zeros(np.shape(ws), np.int8)
            yield f"QGemm_{n}_{per}", *one("QGemm", [q(3, 6), s(0.05), z(zero), w, ws, wz, bias, s(0.3), z(zero)], [t], constant=(1, 2, 3, 4, 5, 6, 7, 8)), step
            yield f"QGemm_float_{n}_{per}", *one("QGemm", [q(3, 6), s(0.05), z(zero), w, ws, wz, bias], [F], constant=(1, 2, 3, 4, 5, 6), alpha=0.5), {}
            yield f"MatMulIntegerToFloat_{n}_{per}", *one("MatMulIntegerToFloat", [q(2, 3, 6), w, s(0.05), ws, z(zero), wz, f32(4)], [F]), {}
        yield f"QGemm_trans_{n}", *one("QGemm", [q(6, 3), s(0.05), z(zero), np.ascontiguousarray(w.T), s(0.02), np.array(0, np.int8), None, s(0.3), z(zero)], [t], transA=1, transB=1), step
        yield f"NhwcMaxPool_{n}", *one("NhwcMaxPool", [q(1, 5, 5, 3)], [t], kernel_shape=[2, 2], strides=[2, 2]), {}
    w = rng.integers(-60, 60, size=(6, 4)).astype(np.int8)
    yield "DynamicQuantizeMatMul", *one("DynamicQuantizeMatMul", [f32(3, 6), w, s(0.02), np.array(3, np.int8), f32(4)], [F]), {"atol": 1e-3}
    yield "DynamicQuantizeMatMul_column", *one("DynamicQuantizeMatMul", [f32(2, 3, 6), w, s([0.01, 0.02, 0.03, 0.04])], [F]), {"atol": 1e-3}
    for bits in (4, 8):
        for zp in (None, "packed", "float"):
            N, K, block = 5, 48, 32
            blocks = (K + block - 1) // block
            b = rng.integers(0, 256, size=(N, blocks, block * bits // 8)).astype(np.uint8)
            scales = (0.01 + 0.01 * rng.random(N * blocks)).astype(np.float32)
            zeros = None if zp is None else rng.integers(0, 256, size=(N * ((blocks * bits + 7) // 8),)).astype(np.uint8) if zp == "packed" else (rng.random(N * blocks) * 8).astype(np.float32)
            if bits == 8 and zp == "float":
                continue
            yield f"MatMulNBits_{bits}_{zp}", *one("MatMulNBits", [f32(2, 3, K), b, scales, zeros, None, f32(N)], [F], constant=(1, 2, 3, 4, 5), K=K, N=N, bits=bits, block_size=block), {"rtol": 1e-3, "atol": 1e-3}
    yield "Gelu", *one("Gelu", [f32(3, 4)], [F]), {}
    yield "FastGelu", *one("FastGelu", [f32(3, 4), f32(4)], [F]), {}
    yield "FastGelu_no_bias", *one("FastGelu", [f32(3, 4)], [F]), {}
    yield "BiasGelu", *one("BiasGelu", [f32(3, 4), f32(4)], [F]), {}
    yield "QuickGelu", *one("QuickGelu", [f32(3, 4)], [F]), {}
    yield "QuickGelu_alpha", *one("QuickGelu", [f32(3, 4)], [F], alpha=1.0), {}
    for act, p in (("Relu", []), ("Tanh", []), ("Sigmoid", []), ("LeakyRelu", [0.2]), ("Clip", [-0.5, 0.5]), ("HardSigmoid", [0.3, 0.4])):
        yield f"FusedConv_{act}", *one("FusedConv", [f32(1, 2, 5, 5), f32(3, 2, 3, 3), f32(3)], [F], activation=act, pads=[1, 1, 1, 1], **({"activation_params": p} if p else {})), {}
    yield "FusedConv_sum", *one("FusedConv", [f32(1, 2, 5, 5), f32(3, 2, 3, 3), f32(3), f32(1, 3, 3, 3)], [F], activation="Relu"), {}
    for a in ({}, {"transA": 1}, {"transB": 1}, {"alpha": 0.5}, {"transBatchA": 1}, {"transBatchB": 1, "transB": 1}):
        shape = lambda t, b, m, k: ((m, 2, k) if not t else (k, 2, m)) if b else ((2, k, m) if t else (2, m, k))
        x, y = shape(a.get("transA"), a.get("transBatchA"), 3, 4), shape(a.get("transB"), a.get("transBatchB"), 4, 5)
        yield "FusedMatMul_" + "_".join(a), *one("FusedMatMul", [f32(*x), f32(*y)], [F], **a), {}
    yield "FusedGemm", *one("FusedGemm", [f32(3, 4), f32(4, 5), f32(5)], [F], activation="Relu"), {}
    yield "FusedGemm_leaky", *one("FusedGemm", [f32(3, 4), f32(4, 5), f32(5)], [F], activation="LeakyRelu", activation_alpha=0.3), {}
    x, skip, g, beta, bias = f32(2, 3, 8), f32(2, 3, 8), f32(8), f32(8), f32(8)
    yield "SkipLayerNormalization", *one("SkipLayerNormalization", [x, skip, g, beta, bias], [F], epsilon=1e-5), {}
    yield "SkipLayerNormalization_sum", *one("SkipLayerNormalization", [x, skip, g, beta], [F, F], outputs=["y0", "", "", "y1"]), {}
    yield "SkipSimplifiedLayerNormalization", *one("SkipSimplifiedLayerNormalization", [x, skip, g, bias], [F, F], outputs=["y0", "", "", "y1"]), {}
    yield "SimplifiedLayerNormalization", *one("SimplifiedLayerNormalization", [x, g], [F], domain="", axis=-1, epsilon=1e-5), {}
    ids, seg, mask = rng.integers(0, 20, size=(2, 5)).astype(np.int32), rng.integers(0, 2, size=(2, 5)).astype(np.int32), np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], np.int32)
    table = [f32(20, 8), f32(10, 8), f32(2, 8), f32(8), f32(8)]
    yield "EmbedLayerNormalization", *one("EmbedLayerNormalization", [ids, seg, *table, mask], [F, T.INT32]), {}
    yield "EmbedLayerNormalization_plain", *one("EmbedLayerNormalization", [ids, None, table[0], table[1], None, table[3], table[4]], [F, T.INT32]), {}
    yield "EmbedLayerNormalization_sum", *one("EmbedLayerNormalization", [ids, seg, *table, mask, np.array([[3, 4, 5, 6, 7]], np.int32)], [F, T.INT32, F]), {}
    B, S, D, N = 2, 4, 8, 2
    x, w, bias = f32(B, S, D), f32(D, 3 * D), f32(3 * D)
    lengths, raw = np.array([3, 4], np.int32), np.array([[1, 1, 1, 0], [1, 1, 0, 0]], np.int32)
    for name, m in (("none", None), ("lengths", lengths), ("raw", raw), ("three", np.tril(np.ones((B, S, S), np.int32))), ("ends", np.array([3, 4, 1, 0], np.int32))):
        for uni in (0, 1):
            yield f"Attention_{name}_{uni}", *one("Attention", [x, w, bias, m], [F], num_heads=N, unidirectional=uni), {}
    yield "Attention_bias", *one("Attention", [x, w, bias, None, None, f32(B, N, S, S)], [F], num_heads=N, scale=0.3), {}
    past = f32(2, B, N, 3, D // N)
    yield "Attention_past", *one("Attention", [x, w, bias, None, past], [F, F], num_heads=N, unidirectional=1), {}
    yield "Attention_sizes", *one("Attention", [x, f32(D, 24 + 4 - 8), f32(20), None], [F], num_heads=N, qkv_hidden_sizes=[8, 8, 4]), {}
    q, k, v = f32(B, S, D), f32(B, 6, D), f32(B, 6, D)
    yield "MultiHeadAttention", *one("MultiHeadAttention", [q, k, v], [F], num_heads=N), {}
    yield "MultiHeadAttention_bias", *one("MultiHeadAttention", [q, k, v, bias], [F], num_heads=N), {}
    yield "MultiHeadAttention_lengths", *one("MultiHeadAttention", [q, k, v, None, np.array([3, 6], np.int32)], [F], num_heads=N), {}
    yield "MultiHeadAttention_raw", *one("MultiHeadAttention", [q, k, v, bias, rng.integers(0, 2, size=(B, 6)).astype(np.int32)], [F], num_heads=N), {}
    yield "MultiHeadAttention_scores", *one("MultiHeadAttention", [q, k, v, None, None, f32(1, N, S, 6)], [F], num_heads=N, scale=0.7), {}
    yield "MultiHeadAttention_4d", *one("MultiHeadAttention", [q, f32(B, N, 6, 4), f32(B, N, 6, 4)], [F], num_heads=N), {}
    pk, pv = f32(B, N, 2, 4), f32(B, N, 2, 4)
    yield "MultiHeadAttention_past", *one("MultiHeadAttention", [q, q, q, None, None, None, pk, pv], [F, F, F], num_heads=N, unidirectional=1), {}
    cos, sin = f32(10, 4), f32(10, 4)
    for i in (0, 1):
        yield f"RotaryEmbedding_4d_{i}", *one("RotaryEmbedding", [f32(B, N, S, 8), rng.integers(0, 10, size=(B, S)).astype(np.int64), cos, sin], [F], interleaved=i), {}
        yield f"RotaryEmbedding_3d_{i}", *one("RotaryEmbedding", [f32(B, S, 16), np.array([3], np.int64), cos, sin], [F], interleaved=i), {}
    yield "RotaryEmbedding_part", *one("RotaryEmbedding", [f32(B, S, 32), rng.integers(0, 10, size=(B, S)).astype(np.int64), cos, sin], [F], num_heads=2, rotary_embedding_dim=8), {}
    yield "Inverse", *one("Inverse", [f32(3, 4, 4)], [F]), {"rtol": 1e-3, "atol": 1e-3}
    yield "Trilu", *one("Trilu", [f32(3, 4), np.array(1, np.int64)], [F], upper=0), {}
    q4 = (rng.normal(size=(3, 8)) * 100).astype(np.float32)
    yield "QuantizeLinear_16", *one("QuantizeLinear", [q4, s(0.01), np.array(5, np.uint16)], [T.UINT16]), {}
    yield "DequantizeLinear_16", *one("DequantizeLinear", [rng.integers(0, 65536, size=(3, 8)).astype(np.uint16), s(0.01), np.array(5, np.uint16)], [F]), {}
    yield "Range", *one("Range", [np.array(1, np.int64), np.array(9, np.int64), np.array(2, np.int64)], [T.INT64]), {}
