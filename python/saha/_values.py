"""Arrays, sequences, optionals and maps of Python <-> the (dtype, shape, bytes) that cross into the extension.

numpy lacks bfloat16, the 8-bit floats and what is smaller than a byte: those are ml_dtypes' types, an element a byte; saha packs them.
"""
import numpy as np

from saha._error import Error

_ML = {
    "bfloat16": "bfloat16", "float8e4m3fn": "float8_e4m3fn", "float8e4m3fnuz": "float8_e4m3fnuz", "float8e5m2": "float8_e5m2",
    "float8e5m2fnuz": "float8_e5m2fnuz", "float8e8m0": "float8_e8m0fnu", "float4e2m1": "float4_e2m1fn",
    "float6e2m3": "float6_e2m3fn", "float6e3m2": "float6_e3m2fn", "uint4": "uint4", "int4": "int4", "uint2": "uint2", "int2": "int2",
}
_BITS = {"uint4": 4, "int4": 4, "float4e2m1": 4, "float6e2m3": 6, "float6e3m2": 6, "uint2": 2, "int2": 2}
_NAMES = {v: k for k, v in _ML.items()}
_PLAIN = {"bool", "float16", "float32", "float64", "complex64", "complex128"} | {f"{u}int{b}" for u in ("", "u") for b in (8, 16, 32, 64)}


def numpy_dtype(name):
    """The numpy type of one of saha's names; strings are objects."""
    if name == "string":
        return np.dtype(object)
    if name in _ML:
        import ml_dtypes

        return np.dtype(getattr(ml_dtypes, _ML[name]))
    return np.dtype(name)


def _pack(a, bits):
    codes = a.astype(np.int8).view(np.uint8) if a.dtype.name.startswith("int") else a.view(np.uint8)
    return np.packbits(codes.reshape(-1, 1) >> np.arange(bits, dtype=np.uint8) & 1, bitorder="little")


def _unpack(data, dtype, count):
    bits = _BITS[dtype]
    ones = np.unpackbits(data, bitorder="little", count=count * bits).reshape(count, bits)
    codes = np.bitwise_or.reduce(ones << np.arange(bits, dtype=np.uint8), axis=1) if count else np.zeros(0, np.uint8)
    if dtype.startswith("int"):
        codes = codes.astype(np.int8)
        return np.where(codes >= 1 << (bits - 1), codes - (1 << bits), codes).astype(np.int8).astype(numpy_dtype(dtype))
    return codes.view(numpy_dtype(dtype)) if dtype.startswith("float") else codes.astype(numpy_dtype(dtype))


def _text(s):
    return s.encode("utf-8", "surrogateescape") if isinstance(s, str) else bytes(s)


def lower(value, dtype="", name=""):
    """A value for the extension. `dtype` is what the model takes: it gives a type to what has none of its own (lists, numbers)."""
    if value is None:
        return None
    if isinstance(value, dict):
        keys = np.array(list(value.keys()), object if any(isinstance(k, str) for k in value) else np.int64)
        return ("map", lower(keys), lower(np.array(list(value.values()))))
    if isinstance(value, (list, tuple)) and not dtype:
        return [lower(v) for v in value]
    if not isinstance(value, (np.ndarray, np.generic)):
        try:
            value = np.asarray(value, numpy_dtype(dtype) if dtype else None)
        except (TypeError, ValueError, OverflowError) as e:
            raise Error("invalid-argument", f"input '{name}' takes {dtype}, {type(value).__name__} cannot become that: {e}") from None
    a = np.asarray(value)
    if a.dtype.kind in "OUST":
        return ("string", a.shape, [_text(s) for s in a.reshape(-1).tolist()])
    kind = _NAMES.get(a.dtype.name, a.dtype.name)
    if kind not in _ML and kind not in _PLAIN:
        raise Error("unsupported", f"input '{name}' is an array of {a.dtype}, which is no element type of ONNX")
    if a.dtype.byteorder == ">":
        a = a.astype(a.dtype.newbyteorder("="))
    flat = np.ascontiguousarray(a).reshape(-1)
    data = _pack(flat, _BITS[kind]) if kind in _BITS else flat.view(np.uint8)
    if not data.flags.writeable:  # the extension reads only, but takes no read-only arrays
        data = data.copy()
    return (kind, a.shape, data)


def lift(value):
    """A result of the extension as Python has it: an array, a list, a dict or None."""
    if value is None:
        return None
    if isinstance(value, list):
        return [lift(v) for v in value]
    if value[0] == "map":
        return dict(zip(lift(value[1]).tolist(), lift(value[2]).tolist()))
    dtype, shape, data = value
    if dtype == "string":
        a = np.empty(len(data), object)
        a[:] = [s.decode("utf-8", "surrogateescape") for s in data]
    elif dtype in _BITS:
        a = _unpack(data, dtype, int(np.prod(shape, dtype=np.int64)))
    else:
        a = data.view(numpy_dtype(dtype))
    return a.reshape(shape)
