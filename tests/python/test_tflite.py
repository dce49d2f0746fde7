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


def reference_run(model, inputs):
    """LiteRT's reference kernels after one run."""
    reference = Interpreter(model_content=model, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    reference.allocate_tensors()
    for d, x in zip(reference.get_input_details(), inputs):
        reference.set_tensor(d["index"], x)
    reference.invoke()
    return reference


def compare(model, inputs):
    reference = reference_run(model, inputs)
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
    reference = reference_run(model, inputs)
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


# ---- recurrent layers ---------------------------------------------------------------------------------------------------------------------


class Layer:
    """Operands of an LSTM of float data, with float or int8 weights."""

    def __init__(self, rng, hybrid, coupled=False, peephole=False, normalised=False, projection=0):
        self.rng, self.g, self.hybrid = rng, Graph(), hybrid
        self.steps, self.batch, self.inputs, self.hidden = (int(n) for n in rng.integers(1, 6, 4))
        self.outputs = projection or self.hidden
        self.coupled, self.peephole, self.normalised, self.projection = coupled, peephole, normalised, projection

    def weights(self, name, *shape):
        if self.hybrid:
            return self.g.tensor(name, shape, np.int8, scale_of(self.rng), 0, self.rng.integers(-127, 127, shape, endpoint=True).astype(np.int8))
        return self.vector(name, *shape)

    def vector(self, name, *shape):
        return self.g.tensor(name, shape, np.float32, data=(self.rng.standard_normal(shape) * 0.7).astype(np.float32))

    def state(self, name, *shape):
        t = self.g.tensor(name, shape, np.float32)
        self.g.sub.tensors[t].isVariable = True
        return t

    def direction(self, name):
        """Operands 1 to 17."""
        gates = range(4)
        without = lambda k, make: -1 if k == 0 and self.coupled else make()
        w = [without(k, lambda: self.weights(f"{name}w{k}", self.hidden, self.inputs)) for k in gates]
        r = [without(k, lambda: self.weights(f"{name}r{k}", self.hidden, self.outputs)) for k in gates]
        p = [without(k, lambda: self.weights(f"{name}p{k}", self.hidden)) if self.peephole else -1 for k in (0, 1, 3)]
        b = [without(k, lambda: self.vector(f"{name}b{k}", self.hidden)) for k in gates]
        projection = [self.weights(f"{name}proj", self.outputs, self.hidden), self.vector(f"{name}projb", self.outputs)] if self.projection else [-1, -1]
        return w + r + p + b + projection


def near(model, inputs, tolerance=2e-6):
    """Float functions differ in their last places; in hybrid layers that may turn a step of the data's rounding."""
    expected = by_reference(model, inputs)
    reference = Interpreter(model_content=model)
    names = [d["name"] for d in reference.get_input_details()]
    for got in (saha.load(model).run(dict(zip(names, inputs))), saha.load(written_again(model)).run(dict(zip(names, inputs)))):
        for g, e in zip(got.values(), expected):
            assert g.shape == e.shape
            np.testing.assert_allclose(g, e, rtol=0, atol=tolerance * max(1, np.abs(e).max()))


FORMS = {"plain": {}, "coupled": dict(coupled=True), "peepholes": dict(peephole=True), "normalised": dict(normalised=True), "projection": dict(projection=3),
         "all": dict(coupled=True, peephole=True, normalised=True, projection=3)}


@pytest.mark.parametrize("hybrid", [False, True])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("seed", range(6))
def test_lstm_of_float_data(hybrid, form, seed):
    rng = np.random.default_rng(seed)
    l = Layer(rng, hybrid, **FORMS[form])
    g, time_major, single = l.g, bool(rng.integers(2)), seed == 5
    shape = (l.batch, l.inputs) if single else (l.steps, l.batch, l.inputs) if time_major else (l.batch, l.steps, l.inputs)
    x = g.tensor("x", shape, np.float32)
    operands = [x, *l.direction(""), l.state("h", l.batch, l.outputs), l.state("c", l.batch, l.hidden)]
    if l.normalised:
        operands += [-1 if k == 0 and l.coupled else l.vector(f"n{k}", l.hidden) for k in range(4)]
    else:
        operands += [-1] * 4
    y = g.tensor("y", shape[:-1] + (l.outputs,), np.float32)
    bounds = dict(cellClip=float(rng.choice([0, 0.3])), projClip=float(rng.choice([0, 0.5])) if l.projection else 0.0, fusedActivationFunction=4)
    if single:
        kind, code = options("LSTMOptions", asymmetricQuantizeInputs=False, **bounds), schema.BuiltinOperator.LSTM
    else:
        kind = options("UnidirectionalSequenceLSTMOptions", timeMajor=time_major, asymmetricQuantizeInputs=bool(rng.integers(2)), **bounds)
        code = schema.BuiltinOperator.UNIDIRECTIONAL_SEQUENCE_LSTM
    model = g.operator(code, operands, [y], *kind, version=3 if hybrid else 2, given=[x])
    near(model, [rng.standard_normal(shape).astype(np.float32)], 2e-2 if hybrid else 5e-6)


@pytest.mark.parametrize("hybrid", [False, True])
@pytest.mark.parametrize("form", ["plain", "coupled", "peepholes", "projection"])
@pytest.mark.parametrize("seed", range(4))
def test_bidirectional_lstm(hybrid, form, seed):
    rng = np.random.default_rng(seed)
    l = Layer(rng, hybrid, **FORMS[form])
    g, time_major, merged = l.g, bool(rng.integers(2)), bool(rng.integers(2))
    time_major |= merged  # merged, batch by batch, LiteRT's kernel reads what nobody wrote
    shape = (l.steps, l.batch, l.inputs) if time_major else (l.batch, l.steps, l.inputs)
    x = g.tensor("x", shape, np.float32)
    operands = [x, *l.direction("f"), *l.direction("b")]
    operands += [l.state("fh", l.batch, l.outputs), l.state("fc", l.batch, l.hidden), l.state("bh", l.batch, l.outputs), l.state("bc", l.batch, l.hidden)] + [-1] * 9
    outputs = [g.tensor("y", shape[:2] + (l.outputs * (2 if merged else 1),), np.float32)] + ([] if merged else [g.tensor("z", shape[:2] + (l.outputs,), np.float32)])
    kind = options("BidirectionalSequenceLSTMOptions", timeMajor=time_major, mergeOutputs=merged, fusedActivationFunction=4, cellClip=0.0, projClip=0.0)
    model = g.operator(schema.BuiltinOperator.BIDIRECTIONAL_SEQUENCE_LSTM, operands, outputs, *kind, version=3 if hybrid else 1, given=[x])
    near(model, [rng.standard_normal(shape).astype(np.float32)], 2e-2 if hybrid else 5e-6)


@pytest.mark.parametrize("hybrid", [False, True])
@pytest.mark.parametrize("operator", ["RNN", "UNIDIRECTIONAL_SEQUENCE_RNN", "BIDIRECTIONAL_SEQUENCE_RNN"])
@pytest.mark.parametrize("seed", range(4))
def test_rnn(hybrid, operator, seed):
    rng = np.random.default_rng(seed)
    l = Layer(rng, hybrid)
    g, time_major, merged, activation = l.g, bool(rng.integers(2)), bool(rng.integers(2)), int(rng.choice([1, 3, 4]))
    shape = (l.batch, l.inputs) if operator == "RNN" else (l.steps, l.batch, l.inputs) if time_major else (l.batch, l.steps, l.inputs)
    x = g.tensor("x", shape, np.float32)
    cell = lambda n: [l.weights(n + "w", l.hidden, l.inputs), l.weights(n + "r", l.hidden, l.hidden), l.vector(n + "b", l.hidden), l.state(n + "h", l.batch, l.hidden)]
    operands, outputs = [x, *cell("f")], [g.tensor("y", shape[:-1] + (l.hidden * (2 if merged and operator[0] == "B" else 1),), np.float32)]
    if operator == "RNN":
        kind = options("RNNOptions", fusedActivationFunction=activation)
    elif operator[0] == "U":
        kind = options("SequenceRNNOptions", timeMajor=time_major, fusedActivationFunction=activation)
    else:
        kind = options("BidirectionalSequenceRNNOptions", timeMajor=time_major, mergeOutputs=merged, fusedActivationFunction=activation)
        operands += cell("b") + [-1, -1, -1]
        outputs += [] if merged else [g.tensor("z", shape[:2] + (l.hidden,), np.float32)]
    model = g.operator(getattr(schema.BuiltinOperator, operator), operands, outputs, *kind, version=2, given=[x])
    near(model, [rng.standard_normal(shape).astype(np.float32)], 2e-2 if hybrid else 5e-6)


@pytest.mark.parametrize("form", ["float", "hybrid", "int8"])
@pytest.mark.parametrize("seed", SEEDS)
def test_svdf(form, seed):
    rng = np.random.default_rng(seed)
    g = Graph()
    batch, inputs, units, rank, memory = (int(n) for n in rng.integers(1, 6, 5))
    filters = units * rank
    bias = g.tensor if seed % 3 else None
    if form == "int8":
        sx, sw, st, sm, sy = (scale_of(rng) for _ in range(5))
        x = g.tensor("x", (batch, inputs), np.int8, sx, zero_of(rng, np.int8))
        w = g.tensor("w", (filters, inputs), np.int8, sw, 0, values(rng, (filters, inputs), np.int8))
        t = g.tensor("t", (filters, memory), np.int16, st, 0, rng.integers(-200, 200, (filters, memory)).astype(np.int16))
        m = g.tensor("m", (batch, memory * filters), np.int16, sm, 0)
        b = g.tensor("b", (units,), np.int32, np.float32(sm) * np.float32(st), 0, rng.integers(-3000, 3000, units).astype(np.int32)) if bias else -1
        y = g.tensor("y", (batch, units), np.int8, sy, zero_of(rng, np.int8))
        data = values(rng, (batch, inputs), np.int8)
    else:
        l = Layer(rng, form == "hybrid")
        l.g = g
        x, w = g.tensor("x", (batch, inputs), np.float32), l.weights("w", filters, inputs)
        t, m, b = l.weights("t", filters, memory), l.state("m", batch, memory * filters), l.vector("b", units) if bias else -1
        y = g.tensor("y", (batch, units), np.float32)
        data = rng.standard_normal((batch, inputs)).astype(np.float32)
    g.sub.tensors[m].isVariable = True
    model = g.operator(schema.BuiltinOperator.SVDF, [x, w, t, b, m], [y], *options("SVDFOptions", rank=rank, fusedActivationFunction=1 if form == "int8" else int(rng.choice([0, 1]))), version=3, given=[x])
    if form == "int8":
        compare(model, [data])
    else:
        near(model, [data], 1e-5)


@pytest.mark.parametrize("form", ["plain", "coupled", "peepholes", "projection", "normalised", "coupled, peepholes, projection, normalised"])
@pytest.mark.parametrize("seed", SEEDS)
def test_lstm_of_stored_integers(form, seed):
    """What ONNX's LSTM cannot say is spelt out step by step, with the same bits."""
    rng = np.random.default_rng(seed)
    g = Graph()
    steps, batch, inputs, hidden = (int(n) for n in rng.integers(1, 6, 4))
    hidden = 1 << int(rng.integers(1, 4)) if "normalised" in form else hidden  # the kernel divides by powers of two
    coupled, peephole = "coupled" in form, "peepholes" in form
    outputs = int(rng.integers(1, 6)) if "projection" in form and not peephole else hidden  # LiteRT's kernel counts peepholes by outputs, there are as many as cells
    cell_bits, time_major = int(rng.integers(0, 5)), bool(rng.integers(2))
    x_scale, h_scale, h_zero, mid_scale = float(rng.uniform(0.01, 0.05)), float(rng.uniform(0.004, 0.009)), zero_of(rng, np.int8), float(rng.uniform(0.004, 0.009))
    shape = (steps, batch, inputs) if time_major else (batch, steps, inputs)
    x = g.tensor("x", shape, np.int8, x_scale, zero_of(rng, np.int8))
    scales = [float(rng.uniform(0.005, 0.05)) for _ in range(8)]
    without = lambda k, make: -1 if k == 0 and coupled else make()
    matrix = lambda k, n: g.tensor(f"w{k}", (hidden, n), np.int8, scales[k], 0, rng.integers(-127, 127, (hidden, n), endpoint=True).astype(np.int8))
    w = [without(k, lambda: matrix(k, inputs)) for k in range(4)]
    r = [without(k, lambda: matrix(4 + k, outputs)) for k in range(4)]
    p = [without(k, lambda: g.tensor(f"p{k}", (hidden,), np.int16, float(rng.uniform(1e-5, 1e-4)), 0, rng.integers(-32000, 32000, hidden).astype(np.int16))) if peephole else -1 for k in (0, 1, 3)]
    b = [without(k, lambda: g.tensor(f"b{k}", (hidden,), np.int32, np.float32(x_scale) * np.float32(scales[k]), 0, rng.integers(-2000, 2000, hidden).astype(np.int32))) for k in range(4)]
    projection = [-1, -1]
    if "projection" in form:
        scale = float(rng.uniform(0.005, 0.02))
        projection = [g.tensor("pw", (outputs, hidden), np.int8, scale, 0, rng.integers(-127, 127, (outputs, hidden), endpoint=True).astype(np.int8)),
                      g.tensor("pb", (outputs,), np.int32, np.float32(mid_scale) * np.float32(scale), 0, rng.integers(-500, 500, outputs).astype(np.int32))]
    else:
        mid_scale = h_scale
    states = [g.tensor("h", (batch, outputs), np.int8, h_scale, h_zero), g.tensor("c", (batch, hidden), np.int16, 2.0 ** (cell_bits - 15), 0)]
    for state in states:
        g.sub.tensors[state].isVariable = True
    norms = [-1] * 4
    between = [g.tensor(f"i{k}", (0,), np.float32) for k in range(4)]
    if "normalised" in form:
        norms = [without(k, lambda: g.tensor(f"n{k}", (hidden,), np.int16, float(rng.uniform(2e-5, 1e-4)), 0, rng.integers(5000, 32000, hidden).astype(np.int16))) for k in range(4)]
        between = [g.tensor(f"j{k}", (0,), np.int16, float(rng.uniform(1e-4, 1e-3)), 0) for k in range(4)]
    between += [g.tensor("i4", (0,), np.int8, mid_scale, 0 if "projection" in form else h_zero)]
    y = g.tensor("y", shape[:2] + (outputs,), np.int8, h_scale, h_zero)
    kind = options("UnidirectionalSequenceLSTMOptions", fusedActivationFunction=4, timeMajor=time_major, cellClip=float(rng.choice([0, 0.4, 100])), projClip=float(rng.choice([0, 0.4])) if "projection" in form else 0.0)
    model = g.operator(schema.BuiltinOperator.UNIDIRECTIONAL_SEQUENCE_LSTM, [x, *w, *r, *p, *b, *projection, *states, *norms], [y], *kind, version=3, intermediates=between, given=[x])
    compare(model, [values(rng, shape, np.int8)])


# ---- operators that choose, collect and remember ---------------------------------------------------------------------------------------------


def floats(rng, *shape):
    return rng.standard_normal(shape).astype(np.float32)


def ints(rng, lo, hi, shape, dtype=np.int32):
    return rng.integers(lo, hi, shape, endpoint=True).astype(dtype)


def single(code, given, result, constants=(), kind=(0, None), version=1):
    """A model of one operator: data that are given, then constants; results as (shape, type)."""
    g = Graph()
    g.model.buffers[0].data = None
    operands = [g.tensor(f"x{k}", x.shape, x.dtype) for k, x in enumerate(given)] + [g.tensor(f"c{k}", c.shape, c.dtype, data=c) for k, c in enumerate(constants)]
    results = result if isinstance(result, list) else [result]
    return g.operator(getattr(schema.BuiltinOperator, code), operands, [g.tensor(f"y{k}", shape, dtype) for k, (shape, dtype) in enumerate(results)], *kind, version=version)


def lengths(rng):
    return ints(rng, 0, 5, (3,))


SUPPRESSION = [np.array(6, np.int32), np.array(0.4, np.float32), np.array(-0.5, np.float32)]  # how many stay, overlap, least score
ONE_OPERATOR = {
    "BITWISE_XOR": lambda r: (single("BITWISE_XOR", [ints(r, -9, 9, (2, 3))] * 2, ((2, 3), np.int32)), [ints(r, -99, 99, (2, 3)), ints(r, -99, 99, (2, 3))]),
    "RIGHT_SHIFT": lambda r: (single("RIGHT_SHIFT", [ints(r, 0, 9, (2, 3))] * 2, ((2, 3), np.int32)), [ints(r, -9999, 9999, (2, 3)), ints(r, 0, 31, (2, 3))]),
    "BUCKETIZE": lambda r: (single("BUCKETIZE", [floats(r, 2, 9)], ((2, 9), np.int32), kind=options("BucketizeOptions", boundaries=[-1.0, 0.0, 0.5])), [np.round(floats(r, 2, 9) * 2) / 2]),
    "BITCAST": lambda r: (single("BITCAST", [floats(r, 2, 9)], ((2, 9), np.int32), kind=options("BitcastOptions")), [floats(r, 2, 9)]),
    "REVERSE_SEQUENCE": lambda r: (single("REVERSE_SEQUENCE", [floats(r, 3, 2, 5), lengths(r)], ((3, 2, 5), np.float32), kind=options("ReverseSequenceOptions", seqDim=2, batchDim=0)), [floats(r, 3, 2, 5), lengths(r)]),
    "MATRIX_DIAG": lambda r: (single("MATRIX_DIAG", [floats(r, 2, 4)], ((2, 4, 4), np.float32), kind=options("MatrixDiagOptions")), [floats(r, 2, 4)]),
    "MATRIX_SET_DIAG": lambda r: (single("MATRIX_SET_DIAG", [floats(r, 2, 5, 3), floats(r, 2, 3)], ((2, 5, 3), np.float32), kind=options("MatrixSetDiagOptions")), [floats(r, 2, 5, 3), floats(r, 2, 3)]),
    "UNSORTED_SEGMENT_SUM": lambda r: (single("UNSORTED_SEGMENT_SUM", [floats(r, 5, 2), ints(r, 0, 1, (5,))], ((4, 2), np.float32), [np.array([4], np.int32)], options("UnsortedSegmentSumOptions")), [floats(r, 5, 2), ints(r, -1, 3, (5,))]),
    "UNSORTED_SEGMENT_PROD": lambda r: (single("UNSORTED_SEGMENT_PROD", [ints(r, 0, 9, (5, 2)), ints(r, 0, 1, (5,))], ((4, 2), np.int32), [np.array([4], np.int32)], options("UnsortedSegmentProdOptions")), [ints(r, -9, 9, (5, 2)), ints(r, 0, 3, (5,))]),
    "UNSORTED_SEGMENT_MAX": lambda r: (single("UNSORTED_SEGMENT_MAX", [floats(r, 5, 2), ints(r, 0, 1, (5,))], ((4, 2), np.float32), [np.array([4], np.int32)], options("UnsortedSegmentMaxOptions")), [floats(r, 5, 2), ints(r, 0, 3, (5,))]),
    "UNSORTED_SEGMENT_MIN": lambda r: (single("UNSORTED_SEGMENT_MIN", [ints(r, 0, 9, (5, 2)), ints(r, 0, 1, (5,))], ((4, 2), np.int32), [np.array([4], np.int32)], options("UnsortedSegmentMinOptions")), [ints(r, -9, 9, (5, 2)), ints(r, 0, 3, (5,))]),
    "UNIQUE": lambda r: (single("UNIQUE", [ints(r, 0, 4, (9,))], [((9,), np.int32), ((9,), np.int32)], kind=options("UniqueOptions", idxOutType=schema.TensorType.INT32)), [ints(r, 0, 4, (9,))]),
    "NON_MAX_SUPPRESSION_V4": lambda r: (single("NON_MAX_SUPPRESSION_V4", [floats(r, 9, 4), floats(r, 9)], [((6,), np.int32), ((), np.int32)], SUPPRESSION, options("NonMaxSuppressionV4Options")), [boxes(r, 9), floats(r, 9)]),
    "NON_MAX_SUPPRESSION_V5": lambda r: (single("NON_MAX_SUPPRESSION_V5", [floats(r, 9, 4), floats(r, 9)], [((6,), np.int32), ((6,), np.float32), ((), np.int32)], [*SUPPRESSION, np.array(0, np.float32)], options("NonMaxSuppressionV5Options")), [boxes(r, 9), floats(r, 9)]),
}


def boxes(rng, n):
    corner = rng.uniform(0, 1, (n, 2))
    return np.concatenate([corner, corner + rng.uniform(0.2, 1, (n, 2))], 1).astype(np.float32)


@pytest.mark.parametrize("operator", ONE_OPERATOR)
@pytest.mark.parametrize("seed", range(4))
def test_one_operator(operator, seed):
    model, inputs = ONE_OPERATOR[operator](np.random.default_rng(seed))
    compare(model, inputs)


def test_segments_are_summed():
    """LiteRT's own list of kernels lacks it."""
    x = floats(np.random.default_rng(0), 5, 2)
    model = single("SEGMENT_SUM", [x, np.zeros(5, np.int32)], ((3, 2), np.float32), kind=options("SegmentSumOptions"))
    got = list(saha.load(model).run([x, np.array([0, 0, 1, 2, 2], np.int32)]).values())[0]
    np.testing.assert_allclose(got, np.stack([x[0] + x[1], x[2], x[3] + x[4]]), rtol=1e-6)


@pytest.mark.parametrize("background", [0, 1])
@pytest.mark.parametrize("seed", range(6))
def test_boxes_of_a_detector(background, seed):
    from flatbuffers import flexbuffers
    rng = np.random.default_rng(seed)
    anchors, classes, most = 40, 3, 10
    b = flexbuffers.Builder()
    with b.Map():
        for key, value in dict(max_detections=most, max_classes_per_detection=1, detections_per_class=100, num_classes=classes).items():
            b.Key(key)
            b.Int(value)
        b.Key("use_regular_nms")
        b.Bool(False)
        for key, value in dict(nms_score_threshold=0.3, nms_iou_threshold=0.5, y_scale=10.0, x_scale=10.0, h_scale=5.0, w_scale=5.0).items():
            b.Key(key)
            b.Float(value)
    g = Graph()
    centres = np.concatenate([rng.uniform(0, 1, (anchors, 2)), rng.uniform(0.1, 0.5, (anchors, 2))], 1).astype(np.float32)
    operands = [g.tensor("boxes", (1, anchors, 4), np.float32), g.tensor("scores", (1, anchors, classes + background), np.float32), g.tensor("anchors", (anchors, 4), np.float32, data=centres)]
    results = [g.tensor(n, s, np.float32) for n, s in (("at", (1, most, 4)), ("what", (1, most)), ("score", (1, most)), ("n", (1,)))]
    g.operator(schema.BuiltinOperator.CUSTOM, operands, results, version=1)
    g.model.operatorCodes[0].customCode = "TFLite_Detection_PostProcess"
    g.sub.operators[0].customOptions = list(b.Finish())
    model = packed(g)
    data = [floats(rng, 1, anchors, 4), rng.uniform(0, 1, (1, anchors, classes + background)).astype(np.float32)]
    at, what, score, count = by_reference(model, data)
    got = saha.load(model).run(data)
    n = int(count[0])
    assert got["n"] == count and n > 0
    for name, expected in (("at", at), ("what", what), ("score", score)):
        np.testing.assert_allclose(got[name][:, :n], expected[:, :n], rtol=0, atol=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_sparse_to_dense(seed):
    rng = np.random.default_rng(seed)
    places = np.array([[0, 1], [2, 4], [3, 0]], np.int32)
    g = Graph()
    operands = [g.tensor("i", (3, 2), np.int32, data=places), g.tensor("s", (2,), np.int32, data=np.array([4, 5], np.int32)), g.tensor("x", (3,), np.float32), g.tensor("d", (), np.float32, data=np.float32(7))]
    compare(g.operator(schema.BuiltinOperator.SPARSE_TO_DENSE, operands, [g.tensor("y", (4, 5), np.float32)], *options("SparseToDenseOptions"), version=1), [floats(rng, 3)])


@pytest.mark.parametrize("same", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_transposed_convolution_over_three_axes(same, seed):
    rng = np.random.default_rng(seed)
    g = Graph()
    n, k, stride = (int(v) for v in (rng.integers(2, 4), rng.integers(2, 4), rng.integers(1, 3)))
    out = n * stride if same else (n - 1) * stride + k
    shape = np.array([1, out, out, out, 3], np.int32)
    operands = [g.tensor("s", (5,), np.int32, data=shape), g.tensor("w", (k, k, k, 3, 2), np.float32, data=floats(rng, k, k, k, 3, 2)), g.tensor("x", (1, n, n, n, 2), np.float32)]
    kind = options("Conv3DOptions", padding=0 if same else 1, strideD=stride, strideH=stride, strideW=stride)
    model = g.operator(schema.BuiltinOperator.CONV_3D_TRANSPOSE, operands, [g.tensor("y", shape.tolist(), np.float32)], *kind, version=1)
    x = floats(rng, 1, n, n, n, 2)
    np.testing.assert_allclose(list(saha.load(model).run([x]).values())[0], by_reference(model, [x])[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("rows", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_rows_of_a_stored_table(rows, seed):
    rng = np.random.default_rng(seed)
    g = Graph()
    table = g.tensor("t", (7, 3), np.int8, [scale_of(rng) for _ in range(7)] if rows else scale_of(rng), 0, values(rng, (7, 3), np.int8))
    model = g.operator(schema.BuiltinOperator.EMBEDDING_LOOKUP, [g.tensor("i", (5,), np.int32), table], [g.tensor("y", (5, 3), np.float32)], version=3 if rows else 1)
    compare(model, [ints(rng, 0, 6, (5,))])


@pytest.mark.parametrize("asymmetric", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_product_of_float_data_and_int8_weights(asymmetric, seed):
    rng = np.random.default_rng(seed)
    g = Graph()
    operands = [g.tensor("x", (4, 9), np.float32), g.tensor("w", (5, 9), np.int8, scale_of(rng), 0, ints(rng, -127, 127, (5, 9), np.int8))]
    kind = options("BatchMatMulOptions", adjX=False, adjY=True, asymmetricQuantizeInputs=asymmetric)
    compare(g.operator(schema.BuiltinOperator.BATCH_MATMUL, operands, [g.tensor("y", (4, 5), np.float32)], *kind, version=4), [reals(rng, (4, 9))])


def sub_graph(g, name):
    """One more sub-graph of the file, and ways to fill it."""
    s = schema.SubGraphT()
    s.name, s.tensors, s.inputs, s.outputs, s.operators = name, [], [], [], []
    g.model.subgraphs.append(s)
    return s


def appended(g, sub, code, inputs, outputs, kind=(0, None), version=1):
    c = schema.OperatorCodeT()
    c.builtinCode, c.deprecatedBuiltinCode, c.version = code, min(code, 127), version
    g.model.operatorCodes.append(c)
    o = schema.OperatorT()
    o.opcodeIndex, o.inputs, o.outputs, o.builtinOptionsType, o.builtinOptions = len(g.model.operatorCodes) - 1, inputs, outputs, *kind
    sub.operators.append(o)


def packed(g):
    b = flatbuffers.Builder(1024)
    b.Finish(g.model.Pack(b), b"TFL3")
    return bytes(b.Output())


def test_variables_have_their_first_value_in_each_run():
    g = Graph()
    main, first = g.sub, sub_graph(g, "init")

    def handle(sub):
        g.sub = sub
        t = g.tensor("handle", (), np.float32)
        sub.tensors[t].type = schema.TensorType.RESOURCE
        appended(g, sub, schema.BuiltinOperator.VAR_HANDLE, [], [t], options("VarHandleOptions", container="", sharedName="v"))
        return t

    start = np.array([1, 2, 3], np.float32)
    h = handle(first)
    appended(g, first, schema.BuiltinOperator.ASSIGN_VARIABLE, [h, g.tensor("start", (3,), np.float32, data=start)], [], options("AssignVariableOptions"))
    g.sub = main
    x = g.tensor("x", (3,), np.float32)
    appended(g, main, schema.BuiltinOperator.CALL_ONCE, [], [], options("CallOnceOptions", initSubgraphIndex=1))
    h = handle(main)
    before, y, after = g.tensor("before", (3,), np.float32), g.tensor("y", (3,), np.float32), g.tensor("after", (3,), np.float32)
    appended(g, main, schema.BuiltinOperator.READ_VARIABLE, [h], [before], options("ReadVariableOptions"))
    appended(g, main, schema.BuiltinOperator.ADD, [before, x], [y], options("AddOptions"))
    appended(g, main, schema.BuiltinOperator.ASSIGN_VARIABLE, [h, y], [], options("AssignVariableOptions"))
    appended(g, main, schema.BuiltinOperator.READ_VARIABLE, [h], [after], options("ReadVariableOptions"))
    z = g.tensor("z", (3,), np.float32)
    appended(g, main, schema.BuiltinOperator.MUL, [after, after], [z], options("MulOptions"))
    main.inputs, main.outputs = [x], [z]
    model = packed(g)
    data = np.array([0.5, -1, 4], np.float32)
    np.testing.assert_array_equal(by_reference(model, [data])[0], (start + data) ** 2)
    loaded = saha.load(model)
    for _ in range(2):
        np.testing.assert_array_equal(loaded.run([data])["z"], (start + data) ** 2)


def branch(g, code, kind):
    """A sub-graph that applies an operator to its first operand and a constant."""
    main, sub = g.sub, sub_graph(g, "branch")
    g.sub = sub
    x, c, y = g.tensor("x", (3,), np.float32), g.tensor("c", (3,), np.float32, data=np.array([1, 2, 3], np.float32)), g.tensor("y", (3,), np.float32)
    appended(g, sub, code, [x, c], [y], options(kind))
    sub.inputs, sub.outputs, g.sub = [x], [y], main
    return len(g.model.subgraphs) - 1


@pytest.mark.parametrize("which", [False, True])
def test_a_branch_is_taken_by_its_condition(which):
    g = Graph()
    then, other = branch(g, schema.BuiltinOperator.ADD, "AddOptions"), branch(g, schema.BuiltinOperator.MUL, "MulOptions")
    x, zero, yes, y = g.tensor("x", (3,), np.float32), g.tensor("zero", (1,), np.float32, data=np.zeros(1, np.float32)), g.tensor("yes", (1,), np.float32), g.tensor("y", (3,), np.float32)
    at = g.tensor("at", (1,), np.int32, data=np.zeros(1, np.int32))
    first = g.tensor("first", (1,), np.float32)
    g.sub.tensors[yes].type = schema.TensorType.BOOL
    appended(g, g.sub, schema.BuiltinOperator.GATHER, [x, at], [first], options("GatherOptions", axis=0))
    appended(g, g.sub, schema.BuiltinOperator.GREATER, [first, zero], [yes], options("GreaterOptions"))
    appended(g, g.sub, schema.BuiltinOperator.IF, [yes, x], [y], options("IfOptions", thenSubgraphIndex=then, elseSubgraphIndex=other))
    g.sub.inputs, g.sub.outputs = [x], [y]
    model, data = packed(g), np.array([1 if which else -1, 5, 7], np.float32)
    np.testing.assert_array_equal(by_reference(model, [data])[0], data + [1, 2, 3] if which else data * [1, 2, 3])
    compare_twice(model, [data])


def test_a_loop_runs_while_its_condition_holds():
    g = Graph()
    main = g.sub
    condition, body = sub_graph(g, "condition"), sub_graph(g, "body")
    for sub in (condition, body):
        g.sub = sub
        i, x = g.tensor("i", (1,), np.int32), g.tensor("x", (2,), np.float32)
        sub.inputs = [i, x]
        if sub is condition:
            go, most = g.tensor("go", (1,), np.int32), g.tensor("most", (1,), np.int32, data=np.array([5], np.int32))
            sub.tensors[go].type = schema.TensorType.BOOL
            appended(g, sub, schema.BuiltinOperator.LESS, [i, most], [go], options("LessOptions"))
            sub.outputs = [go]
        else:
            one, next_i, next_x = g.tensor("one", (1,), np.int32, data=np.array([1], np.int32)), g.tensor("ni", (1,), np.int32), g.tensor("nx", (2,), np.float32)
            appended(g, sub, schema.BuiltinOperator.ADD, [i, one], [next_i], options("AddOptions"))
            appended(g, sub, schema.BuiltinOperator.ADD, [x, x], [next_x], options("AddOptions"))
            sub.outputs = [next_i, next_x]
    g.sub = main
    i, x, n, y = g.tensor("i", (1,), np.int32), g.tensor("x", (2,), np.float32), g.tensor("n", (1,), np.int32), g.tensor("y", (2,), np.float32)
    appended(g, main, schema.BuiltinOperator.WHILE, [i, x], [n, y], options("WhileOptions", condSubgraphIndex=1, bodySubgraphIndex=2))
    main.inputs, main.outputs = [i, x], [n, y]
    compare_twice(packed(g), [np.array([2], np.int32), np.array([1.5, -3], np.float32)])


def test_a_sparse_constant_is_read_as_the_dense_one():
    """Rows compressed: two elements a row at most."""
    g = Graph()
    dense = np.array([[0, 2, 0, 3], [0, 0, 0, 0], [5, 0, 0, 0]], np.float32)
    w = g.tensor("w", dense.shape, np.float32, data=dense[dense != 0])
    s = g.sub.tensors[w].sparsity = schema.SparsityParametersT()
    s.traversalOrder, s.dimMetadata = [0, 1], []
    for form in (0, 1):
        d = schema.DimensionMetadataT()
        d.format = form
        if form == 0:
            d.denseSize = 3
        else:
            d.arraySegments, d.arrayIndices = schema.Int32VectorT(), schema.Int32VectorT()
            d.arraySegments.values, d.arrayIndices.values = [0, 2, 2, 3], [1, 3, 0]
            d.arraySegmentsType = d.arrayIndicesType = schema.SparseIndexVector.Int32Vector
        s.dimMetadata.append(d)
    x, full, y = g.tensor("x", (3, 4), np.float32), g.tensor("full", (3, 4), np.float32), g.tensor("y", (3, 4), np.float32)
    appended(g, g.sub, schema.BuiltinOperator.DENSIFY, [w], [full], options("DensifyOptions"))
    appended(g, g.sub, schema.BuiltinOperator.ADD, [x, full], [y], options("AddOptions"))
    g.sub.inputs, g.sub.outputs = [x], [y]
    data = floats(np.random.default_rng(0), 3, 4)
    np.testing.assert_array_equal(by_reference(packed(g), [data])[0], data + dense)
    compare(packed(g), [data])


def test_a_constant_behind_the_tables_is_read():
    """As in files above 2 GiB."""
    g = Graph()
    c = np.arange(6, dtype=np.float32).reshape(2, 3)
    x, w, y = g.tensor("x", (2, 3), np.float32), g.tensor("w", (2, 3), np.float32, data=c), g.tensor("y", (2, 3), np.float32)
    appended(g, g.sub, schema.BuiltinOperator.ADD, [x, w], [y], options("AddOptions"))
    g.sub.inputs, g.sub.outputs = [x], [y]
    held = g.model.buffers[g.sub.tensors[w].buffer]
    held.data, held.offset, held.size = None, 1 << 20, c.nbytes
    held.offset = (len(packed(g)) + 15) // 16 * 16
    model = packed(g).ljust(held.offset, b"\0") + c.tobytes()
    compare(model, [floats(np.random.default_rng(0), 2, 3)])


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
        return  # LiteRT runs what is written of it: the next test
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


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"acceptance: {SHARED} is not here")
@pytest.mark.parametrize("path", [p for p in sorted(SHARED.rglob("*.tflite")) if p.name not in REFUSED] if SHARED.is_dir() else [], ids=lambda p: p.name)
def test_acceptance_of_real_models_written_again(path):
    """LiteRT runs what saha writes of the model, and gives what saha makes of the model itself."""
    model, again = saha.load(path), written_again(path)
    reference = Interpreter(model_content=again)
    rng, inputs = np.random.default_rng(0), []
    for d in reference.get_input_details():
        inputs.append(values(rng, d["shape"], d["dtype"]) if np.issubdtype(d["dtype"], np.integer) else rng.standard_normal(d["shape"]).astype(d["dtype"]))
    names = [d["name"] for d in reference.get_input_details()]
    for got, expected in zip(model.run(dict(zip(names, inputs))).values(), by_reference(again, inputs)):
        if np.issubdtype(expected.dtype, np.integer):
            np.testing.assert_array_equal(expected, got)
        else:
            np.testing.assert_allclose(expected, got, rtol=0, atol=3e-4 * max(1, np.abs(got).max()))
