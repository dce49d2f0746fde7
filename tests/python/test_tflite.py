"""TensorFlow Lite models: random single operators on stored integers equal LiteRT's reference kernels bit for bit."""
import os
import pathlib

import numpy as np
import pytest
import saha

pytest.importorskip("ai_edge_litert", reason="the package ai-edge-litert is not here")
import flatbuffers
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

TYPES = {np.dtype(np.float32): schema.TensorType.FLOAT32, np.dtype(np.int8): schema.TensorType.INT8, np.dtype(np.uint8): schema.TensorType.UINT8,
         np.dtype(np.int32): schema.TensorType.INT32, np.dtype(np.int64): schema.TensorType.INT64, np.dtype(np.int16): schema.TensorType.INT16}


class Graph:
    """A model of one operator, written with LiteRT's own schema."""

    def __init__(self):
        self.model = schema.ModelT()
        self.model.version = 3
        self.model.buffers = [schema.BufferT()]
        self.sub = schema.SubGraphT()
        self.sub.tensors, self.sub.inputs, self.sub.outputs, self.sub.operators = [], [], [], []
        self.model.subgraphs = [self.sub]
        self.model.operatorCodes = []

    def tensor(self, name, shape, dtype, scale=None, zero=0, data=None, axis=0):
        t = schema.TensorT()
        t.name, t.shape, t.type, t.buffer = name, list(shape), TYPES[np.dtype(dtype)], 0
        t.hasRank = True
        if scale is not None:
            q = t.quantization = schema.QuantizationParametersT()
            q.scale = np.atleast_1d(np.asarray(scale, np.float32)).tolist()
            q.zeroPoint = np.broadcast_to(np.asarray(zero, np.int64), (len(q.scale),)).tolist()
            q.quantizedDimension = axis
        if data is not None:
            b = schema.BufferT()
            b.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
            self.model.buffers.append(b)
            t.buffer = len(self.model.buffers) - 1
        self.sub.tensors.append(t)
        return len(self.sub.tensors) - 1

    def operator(self, code, inputs, outputs, options_type=0, options=None, version=2, intermediates=None, given=None):
        c = schema.OperatorCodeT()
        c.builtinCode, c.deprecatedBuiltinCode, c.version = code, min(code, 127), version
        o = schema.OperatorT()
        o.opcodeIndex, o.inputs, o.outputs, o.builtinOptionsType, o.builtinOptions = 0, inputs, outputs, options_type, options
        self.model.operatorCodes.append(c)
        self.sub.operators.append(o)
        o.intermediates = intermediates
        self.sub.inputs = given or [i for i in inputs if i >= 0 and self.sub.tensors[i].buffer == 0]
        self.sub.outputs = outputs
        b = flatbuffers.Builder(1024)
        b.Finish(self.model.Pack(b), b"TFL3")
        return bytes(b.Output())


def values(rng, shape, dtype):
    """Random, with the extremes of the type among them."""
    info = np.iinfo(dtype)
    x = rng.integers(info.min, info.max, shape, endpoint=True).astype(dtype)
    flat = x.reshape(-1)
    if flat.size > 2:
        flat[0], flat[-1] = info.min, info.max
    return x


def compare(model, inputs):
    reference = Interpreter(model_content=model, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    reference.allocate_tensors()
    for d, x in zip(reference.get_input_details(), inputs):
        reference.set_tensor(d["index"], x)
    reference.invoke()
    expected = [reference.get_tensor(d["index"]) for d in reference.get_output_details()]
    names = [d["name"] for d in reference.get_input_details()]
    got = saha.load(model).run(dict(zip(names, inputs)))
    for (name, g), e in zip(got.items(), expected):
        assert g.dtype == e.dtype and g.shape == e.shape
        np.testing.assert_array_equal(g, e, err_msg=name)


def options(kind, **fields):
    o = getattr(schema, kind + "T")()
    for k, v in fields.items():
        setattr(o, k, v)
    return getattr(schema.BuiltinOptions, kind), o


def scale_of(rng):
    return float(np.float32(10.0 ** rng.uniform(-2.5, -0.5)))


SEEDS = range(12)
EIGHT_BITS = [np.int8, np.uint8]


def zero_of(rng, dtype):
    return int(rng.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, endpoint=True))


@pytest.mark.parametrize("dtype", EIGHT_BITS)
@pytest.mark.parametrize("operator", ["ADD", "SUB", "MUL"])
@pytest.mark.parametrize("seed", SEEDS)
def test_arithmetic(dtype, operator, seed):
    rng = np.random.default_rng(seed)
    g = Graph()
    shape = (1, int(rng.integers(1, 6)), int(rng.integers(1, 9)), 3)
    other = shape if seed % 3 else (1, 1, 1, 3)
    a = g.tensor("a", shape, dtype, scale_of(rng), zero_of(rng, dtype))
    b = g.tensor("b", other, dtype, scale_of(rng), zero_of(rng, dtype))
    y = g.tensor("y", shape, dtype, scale_of(rng) * 2, zero_of(rng, dtype))
    kind = {"ADD": "AddOptions", "SUB": "SubOptions", "MUL": "MulOptions"}[operator]
    model = g.operator(getattr(schema.BuiltinOperator, operator), [a, b], [y], *options(kind, fusedActivationFunction=int(rng.choice([0, 1, 3]))))
    compare(model, [values(rng, shape, dtype), values(rng, other, dtype)])


@pytest.mark.parametrize("depthwise", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_convolution_of_int8_per_channel(depthwise, seed):
    rng = np.random.default_rng(seed)
    g = Graph()
    h, w, c, k = int(rng.integers(3, 9)), int(rng.integers(3, 9)), int(rng.integers(1, 6)), int(rng.integers(1, 4))
    out = c * int(rng.integers(1, 3)) if depthwise else int(rng.integers(1, 7))
    weights = (1, k, k, out) if depthwise else (out, k, k, c)
    scales = np.array([scale_of(rng) for _ in range(out)], np.float32)
    x_scale = scale_of(rng)
    stride, same = int(rng.integers(1, 3)), int(rng.integers(0, 2))
    x = g.tensor("x", (1, h, w, c), np.int8, x_scale, zero_of(rng, np.int8))
    wt = g.tensor("w", weights, np.int8, scales, 0, rng.integers(-127, 127, weights, endpoint=True).astype(np.int8), 3 if depthwise else 0)
    bias = g.tensor("b", (out,), np.int32, scales * np.float32(x_scale), 0, rng.integers(-3000, 3000, out).astype(np.int32))
    oh, ow = ((h - (0 if same else k - 1)) + stride - 1) // stride, ((w - (0 if same else k - 1)) + stride - 1) // stride
    y = g.tensor("y", (1, oh, ow, out), np.int8, x_scale * float(scales.max()) * 300, zero_of(rng, np.int8))
    common = dict(padding=0 if same else 1, strideW=stride, strideH=stride, fusedActivationFunction=int(rng.choice([0, 1, 3])))
    kind = options("DepthwiseConv2DOptions", depthMultiplier=out // c, **common) if depthwise else options("Conv2DOptions", **common)
    code = schema.BuiltinOperator.DEPTHWISE_CONV_2D if depthwise else schema.BuiltinOperator.CONV_2D
    compare(g.operator(code, [x, wt, bias], [y], *kind, version=3), [values(rng, (1, h, w, c), np.int8)])


@pytest.mark.parametrize("seed", SEEDS)
def test_convolution_of_uint8(seed):
    rng = np.random.default_rng(seed)
    g = Graph()
    h, c, out, k = int(rng.integers(3, 9)), int(rng.integers(1, 6)), int(rng.integers(1, 7)), int(rng.integers(1, 4))
    x_scale, w_scale = scale_of(rng), scale_of(rng)
    x = g.tensor("x", (1, h, h, c), np.uint8, x_scale, zero_of(rng, np.uint8))
    w = g.tensor("w", (out, k, k, c), np.uint8, w_scale, zero_of(rng, np.uint8), values(rng, (out, k, k, c), np.uint8))
    bias = g.tensor("b", (out,), np.int32, np.float32(x_scale) * np.float32(w_scale), 0, rng.integers(-3000, 3000, out).astype(np.int32))
    y = g.tensor("y", (1, h, h, out), np.uint8, x_scale * w_scale * 700, zero_of(rng, np.uint8))
    compare(g.operator(schema.BuiltinOperator.CONV_2D, [x, w, bias], [y], *options("Conv2DOptions", padding=0, strideW=1, strideH=1, fusedActivationFunction=0)), [values(rng, (1, h, h, c), np.uint8)])


@pytest.mark.parametrize("seed", SEEDS)
def test_fully_connected(seed):
    rng = np.random.default_rng(seed)
    g = Graph()
    n, k, out = int(rng.integers(1, 4)), int(rng.integers(1, 40)), int(rng.integers(1, 9))
    x_scale, w_scale = scale_of(rng), scale_of(rng)
    x = g.tensor("x", (n, k), np.int8, x_scale, zero_of(rng, np.int8))
    w = g.tensor("w", (out, k), np.int8, w_scale, 0, rng.integers(-127, 127, (out, k), endpoint=True).astype(np.int8))
    bias = g.tensor("b", (out,), np.int32, np.float32(x_scale) * np.float32(w_scale), 0, rng.integers(-3000, 3000, out).astype(np.int32))
    y = g.tensor("y", (n, out), np.int8, x_scale * w_scale * 500, zero_of(rng, np.int8))
    compare(g.operator(schema.BuiltinOperator.FULLY_CONNECTED, [x, w, bias], [y], *options("FullyConnectedOptions", fusedActivationFunction=int(rng.choice([0, 1, 3]))), version=4), [values(rng, (n, k), np.int8)])


def written_again(model):
    """What saha makes of the model, as a file."""
    import tempfile
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "again.tflite"
        saha.load(model).save(str(path))
        return path.read_bytes()


def by_reference(model, inputs):
    reference = Interpreter(model_content=model, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    reference.allocate_tensors()
    for d, x in zip(reference.get_input_details(), inputs):
        reference.set_tensor(d["index"], x)
    reference.invoke()
    return [reference.get_tensor(d["index"]) for d in reference.get_output_details()]


def compare_twice(model, inputs):
    """saha on the file and LiteRT on what saha writes of it both equal LiteRT on the file."""
    compare(model, inputs)
    for a, b in zip(by_reference(model, inputs), by_reference(written_again(model), inputs)):
        np.testing.assert_array_equal(b, a)


def reals(rng, shape):
    """Rows of very different ranges, one of them of zeros; halves that are ties among them."""
    x = (rng.standard_normal(shape) * np.exp(rng.uniform(-3, 3, (shape[0],) + (1,) * (len(shape) - 1)))).astype(np.float32)
    if rng.integers(2):
        x = np.round(x * 4) / np.float32(4)
    if shape[0] > 1:
        x[0] = 0
    return x


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("asymmetric", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_fully_connected_of_float_data_and_int8_weights(per_channel, asymmetric, seed):
    """The data of each row are rounded to 8 bits in the run."""
    rng = np.random.default_rng(seed)
    g = Graph()
    n, k, out = int(rng.integers(1, 5)), int(rng.integers(1, 40)), int(rng.integers(1, 9))
    w = rng.integers(-127, 127, (out, k), endpoint=True).astype(np.int8)
    lead = (n,) if seed % 2 else (n, 2)
    inputs = [g.tensor("x", lead + (k,), np.float32), g.tensor("w", (out, k), np.int8, [scale_of(rng) for _ in range(out if per_channel else 1)], 0, w)]
    inputs.append(g.tensor("b", (out,), np.float32, data=rng.standard_normal(out).astype(np.float32)) if seed % 3 else -1)
    y = g.tensor("y", lead + (out,), np.float32)
    kind = options("FullyConnectedOptions", asymmetricQuantizeInputs=asymmetric, fusedActivationFunction=int(rng.choice([0, 1, 3])), keepNumDims=len(lead) > 1)
    compare_twice(g.operator(schema.BuiltinOperator.FULLY_CONNECTED, inputs, [y], *kind, version=9), [reals(rng, lead + (k,))])


@pytest.mark.parametrize("form", ["one scale", "a scale a channel", "depthwise"])
@pytest.mark.parametrize("seed", SEEDS)
def test_convolution_of_float_data_and_int8_weights(form, seed):
    """The data of each picture are rounded to 8 bits in the run."""
    rng = np.random.default_rng(seed)
    g = Graph()
    n, h, w, c, k = int(rng.integers(1, 4)), int(rng.integers(3, 9)), int(rng.integers(3, 9)), int(rng.integers(2, 6)), int(rng.integers(1, 4))
    depthwise = form == "depthwise"
    out = c * int(rng.integers(1, 3)) if depthwise else int(rng.integers(1, 7))
    weights = (1, k, k, out) if depthwise else (out, k, k, c)
    stride, same = int(rng.integers(1, 3)), int(rng.integers(0, 2))
    x = g.tensor("x", (n, h, w, c), np.float32)
    wt = g.tensor("w", weights, np.int8, [scale_of(rng) for _ in range(1 if form == "one scale" else out)], 0, rng.integers(-127, 127, weights, endpoint=True).astype(np.int8), 3 if depthwise else 0)
    bias = g.tensor("b", (out,), np.float32, data=rng.standard_normal(out).astype(np.float32))
    oh, ow = ((h - (0 if same else k - 1)) + stride - 1) // stride, ((w - (0 if same else k - 1)) + stride - 1) // stride
    y = g.tensor("y", (n, oh, ow, out), np.float32)
    common = dict(padding=0 if same else 1, strideW=stride, strideH=stride, fusedActivationFunction=int(rng.choice([0, 1, 3])))
    kind = options("DepthwiseConv2DOptions", depthMultiplier=out // c, **common) if depthwise else options("Conv2DOptions", **common)
    code = schema.BuiltinOperator.DEPTHWISE_CONV_2D if depthwise else schema.BuiltinOperator.CONV_2D
    compare_twice(g.operator(code, [x, wt, bias], [y], *kind, version=6 if depthwise else 5), [reals(rng, (n, h, w, c))])


@pytest.mark.parametrize("seed", SEEDS)
def test_lstm(seed):
    """Gates of 16 bits that often saturate, a cell with 0 to 4 integer bits; what saha writes of the model again is asked, too."""
    rng = np.random.default_rng(seed)
    g = Graph()
    steps, batch, inputs, hidden = (int(n) for n in rng.integers(1, 7, 4))
    cell_bits, time_major = int(rng.integers(0, 5)), bool(rng.integers(2))
    x_scale, h_scale = float(rng.uniform(0.01, 0.05)), float(rng.uniform(0.004, 0.009))
    h_zero = zero_of(rng, np.int8)
    shape = (steps, batch, inputs) if time_major else (batch, steps, inputs)
    x = g.tensor("x", shape, np.int8, x_scale, zero_of(rng, np.int8))
    weight_scales = [float(rng.uniform(0.005, 0.05)) for _ in range(8)]
    weights = [g.tensor(f"w{k}", (hidden, inputs if k < 4 else hidden), np.int8, weight_scales[k], 0,
                        rng.integers(-127, 127, (hidden, inputs if k < 4 else hidden), endpoint=True).astype(np.int8)) for k in range(8)]
    biases = [g.tensor(f"b{k}", (hidden,), np.int32, np.float32(x_scale) * np.float32(weight_scales[k]), 0, rng.integers(-2000, 2000, hidden).astype(np.int32)) for k in range(4)]
    states = [g.tensor("h", (batch, hidden), np.int8, h_scale, h_zero), g.tensor("c", (batch, hidden), np.int16, 2.0 ** (cell_bits - 15), 0)]
    for state in states:
        g.sub.tensors[state].isVariable = True
    between = [g.tensor(f"i{k}", (0,), np.float32) for k in range(4)] + [g.tensor("i4", (0,), np.int8, h_scale, h_zero)]
    y = g.tensor("y", shape[:2] + (hidden,), np.int8, h_scale, h_zero)
    clip = float(rng.choice([0, 100]))
    kind, o = options("UnidirectionalSequenceLSTMOptions", fusedActivationFunction=4, timeMajor=time_major, cellClip=clip)
    model = g.operator(schema.BuiltinOperator.UNIDIRECTIONAL_SEQUENCE_LSTM, [x, *weights, -1, -1, -1, *biases, -1, -1, *states, -1, -1, -1, -1], [y], kind, o, version=1,
                       intermediates=between, given=[x])
    compare(model, [values(rng, shape, np.int8)])


@pytest.mark.parametrize("dtype", EIGHT_BITS)
@pytest.mark.parametrize("operator", ["AVERAGE_POOL_2D", "MAX_POOL_2D"])
@pytest.mark.parametrize("seed", SEEDS)
def test_pooling(dtype, operator, seed):
    rng = np.random.default_rng(seed)
    g = Graph()
    h, c, k, stride, same = int(rng.integers(3, 9)), int(rng.integers(1, 5)), int(rng.integers(1, 4)), int(rng.integers(1, 3)), int(rng.integers(0, 2))
    scale, zero = scale_of(rng), zero_of(rng, dtype)
    x = g.tensor("x", (1, h, h, c), dtype, scale, zero)
    o = ((h - (0 if same else k - 1)) + stride - 1) // stride
    y = g.tensor("y", (1, o, o, c), dtype, scale, zero)
    kind = options("Pool2DOptions", padding=0 if same else 1, strideW=stride, strideH=stride, filterWidth=k, filterHeight=k, fusedActivationFunction=int(rng.choice([0, 1])))
    compare(g.operator(getattr(schema.BuiltinOperator, operator), [x], [y], *kind), [values(rng, (1, h, h, c), dtype)])


@pytest.mark.parametrize("dtype", EIGHT_BITS)
@pytest.mark.parametrize("seed", SEEDS)
def test_softmax(dtype, seed):
    rng = np.random.default_rng(seed)
    g = Graph()
    n, c = int(rng.integers(1, 5)), int(rng.integers(1, 40))
    x = g.tensor("x", (n, c), dtype, scale_of(rng), zero_of(rng, dtype))
    y = g.tensor("y", (n, c), dtype, 1 / 256, -128 if dtype == np.int8 else 0)
    compare(g.operator(schema.BuiltinOperator.SOFTMAX, [x], [y], *options("SoftmaxOptions", beta=1.0)), [values(rng, (n, c), dtype)])


@pytest.mark.parametrize("dtype", EIGHT_BITS)
@pytest.mark.parametrize("operator", ["LOGISTIC", "TANH", "HARD_SWISH", "RELU", "RELU6", "LEAKY_RELU"])
@pytest.mark.parametrize("seed", range(4))
def test_activation(dtype, operator, seed):
    rng = np.random.default_rng(seed)
    g = Graph()
    everything = np.arange(np.iinfo(dtype).min, np.iinfo(dtype).max + 1, dtype=np.int64).astype(dtype).reshape(1, 256)
    scale, zero = scale_of(rng), zero_of(rng, dtype)
    fixed = {"LOGISTIC": (1 / 256, -128 if dtype == np.int8 else 0), "TANH": (1 / 128, 0 if dtype == np.int8 else 128)}
    y_scale, y_zero = fixed.get(operator, (scale * float(rng.choice([0.7, 1.0, 1.6])), zero_of(rng, dtype)))
    x = g.tensor("x", (1, 256), dtype, scale, zero)
    y = g.tensor("y", (1, 256), dtype, y_scale, y_zero)
    kind = options("LeakyReluOptions", alpha=0.13) if operator == "LEAKY_RELU" else ()
    compare(g.operator(getattr(schema.BuiltinOperator, operator), [x], [y], *kind, version=1 if operator == "HARD_SWISH" else 2), [everything])


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_mean_of_int8(keep, seed):
    rng = np.random.default_rng(seed)
    g = Graph()
    h, w, c = int(rng.integers(1, 8)), int(rng.integers(1, 8)), int(rng.integers(1, 6))
    x = g.tensor("x", (1, h, w, c), np.int8, scale_of(rng), zero_of(rng, np.int8))
    axes = g.tensor("axes", (2,), np.int32, data=np.array([1, 2], np.int32))
    y = g.tensor("y", (1, 1, 1, c) if keep else (1, c), np.int8, scale_of(rng), zero_of(rng, np.int8))
    compare(g.operator(schema.BuiltinOperator.MEAN, [x, axes], [y], *options("ReducerOptions", keepDims=keep)), [values(rng, (1, h, w, c), np.int8)])


@pytest.mark.parametrize("dtype", EIGHT_BITS)
@pytest.mark.parametrize("seed", SEEDS)
def test_resize_bilinear(dtype, seed):
    rng = np.random.default_rng(seed)
    g = Graph()
    h, w, oh, ow, c = (int(rng.integers(1, 9)) for _ in range(5))
    scale, zero = scale_of(rng), zero_of(rng, dtype)
    corners, half = [(False, False), (True, False), (False, True)][seed % 3]
    x = g.tensor("x", (1, h, w, c), dtype, scale, zero)
    size = g.tensor("size", (2,), np.int32, data=np.array([oh, ow], np.int32))
    y = g.tensor("y", (1, oh, ow, c), dtype, scale, zero)
    compare(g.operator(schema.BuiltinOperator.RESIZE_BILINEAR, [x, size], [y], *options("ResizeBilinearOptions", alignCorners=corners, halfPixelCenters=half), version=3), [values(rng, (1, h, w, c), dtype)])


@pytest.mark.parametrize("pair", [(np.float32, np.int8), (np.float32, np.uint8), (np.int8, np.uint8), (np.uint8, np.int8), (np.int8, np.int8)])
@pytest.mark.parametrize("seed", SEEDS)
def test_quantize(pair, seed):
    rng = np.random.default_rng(seed)
    g = Graph()
    source, target = pair
    real = source == np.float32
    x = g.tensor("x", (1, 300), source, None if real else scale_of(rng), 0 if real else zero_of(rng, source))
    y = g.tensor("y", (1, 300), target, 0.5 if seed == 0 else scale_of(rng), zero_of(rng, target))
    data = (np.round(rng.uniform(-40, 40, (1, 300)) * 4) / 4).astype(np.float32) if real else values(rng, (1, 300), source)
    compare(g.operator(schema.BuiltinOperator.QUANTIZE, [x], [y], *options("QuantizeOptions")), [data])


# ---- real models beside the project ------------------------------------------------------------------------------------------------
SHARED = pathlib.Path(os.environ.get("SAHA_SHARED") or pathlib.Path(__file__).resolve().parents[3] / "shared") / "data" / "models"
REFUSED = {  # by name, with what the sentence must say
    "mobilenet_v1_0.25_128_quant_edgetpu.tflite": "compiled for an Edge TPU",
    "audio_preprocessor_int8.tflite": "custom operator 'SignalWindow'",
}
NOT_IN_LITERT = {"selfie_segmentation.tflite", "person_detect_int8_legacy_quantdim.tflite"}  # a custom operator; axes of 2019: LiteRT refuses them
REAL_TAIL = {"kws_dscnn_float.tflite"}  # integers within its layers, then a softmax of real numbers


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"acceptance: {SHARED} is not here")
@pytest.mark.parametrize("path", sorted(SHARED.rglob("*.tflite")) if SHARED.is_dir() else [], ids=lambda p: p.name)
def test_acceptance_of_real_models(path):
    if path.name in REFUSED:
        with pytest.raises(saha.Error, match=REFUSED[path.name]):
            saha.load(path)
        return
    model = saha.load(path)
    rng = np.random.default_rng(0)

    def drawn(shape, dtype):
        return values(rng, shape, dtype) if np.issubdtype(dtype, np.integer) else rng.standard_normal(shape).astype(dtype)

    if path.name in NOT_IN_LITERT:
        result = model.run([drawn([d if isinstance(d, int) else 1 for d in v.shape], np.dtype(v.dtype)) for v in model.inputs])
        assert all(np.isfinite(np.asarray(y, np.float64)).all() for y in result.values())
        return
    reference = Interpreter(str(path), experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    reference.allocate_tensors()
    inputs = {d["name"]: drawn(d["shape"], d["dtype"]) for d in reference.get_input_details()}
    for d in reference.get_input_details():
        reference.set_tensor(d["index"], inputs[d["name"]])
    reference.invoke()
    got = model.run(inputs)
    for d in reference.get_output_details():
        expected, ours = reference.get_tensor(d["index"]), got[d["name"]]
        assert ours.dtype == expected.dtype and ours.shape == expected.shape
        integer = any(np.issubdtype(t["dtype"], np.integer) and t["quantization"][0] for t in reference.get_tensor_details())
        if integer and path.name not in REAL_TAIL:
            np.testing.assert_array_equal(ours, expected)
        else:
            np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-4 * max(1, np.abs(expected).max()))
