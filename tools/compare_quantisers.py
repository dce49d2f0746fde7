#!/usr/bin/env python3
"""Quantises models by saha, onnxruntime (quantize_static), NNCF and the LiteRT quantiser on equal calibration data and compares them with the float model.

    tools/compare_quantisers.py --shared DIR [--saha PATH] [--only mnist,kws] [--quantisers saha,ort] [--json FILE]

DIR holds models/ and datasets/ of real, trained networks; `text` is the reader of text lines in the package rapidocr_onnxruntime (convolutions and a transformer), on lines drawn here.
Per model and quantiser: the output SQNR (10 log10 of the float outputs' power over that of the difference, in dB, mean over the outputs, and of the worst one), the decisions that
differ from the float model's, the task's own figure, and the CPU seconds that quantising took (saha's with its own comparison and timing). Saha's files run in saha's own
engine (`saha`), in onnxruntime and in LiteRT, onnxruntime's in onnxruntime, NNCF's in openvino, LiteRT's in LiteRT. A quantiser that is not installed, or
refuses the model, is said so. Needs numpy, onnx, onnxruntime, PIL, OpenCV; nncf, openvino, ai-edge-quantizer, ai-edge-litert for the others.
"""
import argparse, contextlib, csv, gzip, importlib.util, json, os, resource, shutil, subprocess, sys, tempfile, wave
import numpy as np


# ---- cases: arrays to calibrate on and to test on, and what a decision is ---------------------------------------------------------------
def idx(path):
    with gzip.open(path) as f:
        raw = f.read()
    dims = np.frombuffer(raw, ">i4", raw[3], 4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(dims)


def picture(path, size, bgr=False, scale=255.0, mean=0.0, nchw=True, area=False):
    import cv2
    x = cv2.resize(cv2.imread(str(path)), size, interpolation=cv2.INTER_AREA if area else cv2.INTER_LINEAR).astype("f4")
    x = (x if bgr else x[..., ::-1]) - mean
    x = x / np.float32(scale)
    return np.ascontiguousarray(x.transpose(2, 0, 1) if nchw else x)


def folder(*parts):
    d = os.path.join(*parts)
    return [os.path.join(d, f) for f in sorted(os.listdir(d)) if f.endswith((".jpg", ".png"))]


def speech(path, rate):
    with wave.open(path) as w:
        x = np.frombuffer(w.readframes(w.getnframes()), "<i2").astype("f4") / 32768
        x = x[::w.getnchannels()]
        if w.getframerate() != rate:
            t = np.arange(int(len(x) * rate / w.getframerate())) * w.getframerate() / rate
            x = np.interp(t, np.arange(len(x)), x).astype("f4")
    return x


def top1(outputs):
    return [int(y.reshape(-1).argmax()) for y in outputs[0]]


def accuracy(labels):
    return lambda outputs: {"accuracy %": round(100 * float(np.mean(np.array(top1(outputs)) == labels)), 2)}


def iou(a, b):
    x = max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))
    return x / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - x + 1e-9)


def suppressed(boxes, threshold):
    kept = []
    for b in sorted(boxes, key=lambda b: -b[4]):
        if all(k[5] != b[5] or iou(k, b) < threshold for k in kept):
            kept.append(b)
    return kept


def changed_boxes(a, b):
    """Boxes of one that have no partner of IoU 0.5 and the same class in the other."""
    rest, lost = list(b), 0
    for x in a:
        best = max(rest, key=lambda y: iou(x, y) * (x[5] == y[5]), default=None)
        if best is not None and best[5] == x[5] and iou(x, best) >= 0.5:
            rest.remove(best)
        else:
            lost += 1
    return lost + len(rest)


def mnist(d):
    train, test = (idx(f"{d}/datasets/mnist/{n}-images-idx3-ubyte.gz") for n in ("train", "t10k" if os.path.exists(f"{d}/datasets/mnist/t10k-images-idx3-ubyte.gz") else "test"))
    labels = idx(f"{d}/datasets/mnist/{'t10k' if os.path.exists(f'{d}/datasets/mnist/t10k-labels-idx1-ubyte.gz') else 'test'}-labels-idx1-ubyte.gz")
    as_input = lambda x: (x[:, None] / np.float32(255)).astype("f4")
    return dict(model=f"{d}/models/mnist/mnist_mlp_64_32.onnx", calibration=as_input(train[:300]), test=as_input(test), decide=top1, task=accuracy(labels))


def ai4i(d):
    from sklearn.metrics import roc_auc_score
    rows = list(csv.reader(open(f"{d}/datasets/tabular/ai4i2020_shared.csv")))[1:]
    x = np.array([[float(v) for v in r[3:8]] + [float(r[2] == k) for k in "LMH"] for r in rows], "f4")
    y = np.array([int(r[8]) for r in rows])
    chosen = np.random.default_rng(0).permutation(len(x))[:500]
    decide = lambda o: [int(v.reshape(-1)[0] > 0.5) for v in o[0]]
    task = lambda o: {"accuracy %": round(100 * float(np.mean(np.array(decide(o)) == y)), 2), "AUC": round(float(roc_auc_score(y, np.array([v.reshape(-1)[0] for v in o[0]]))), 4)}
    return dict(model=f"{d}/models/tabular/ai4i_failure_mlp_32_16.onnx", calibration=x[chosen], test=x, decide=decide, task=task)


def digits(d):
    rows = list(csv.reader(open(f"{d}/datasets/tabular/digits_8x8.csv")))[1:]
    x, y = np.array([[float(v) for v in r[:64]] for r in rows], "f4") / 16, np.array([int(float(r[64])) for r in rows])
    order = np.random.default_rng(2).permutation(1797)
    return dict(model=f"{d}/models/tabular/digits8x8_mlp_24.onnx", calibration=x[order[:300]], test=x[order[1400:]], decide=top1, task=accuracy(y[order[1400:]]))


def fastestdet(d):
    def boxes(f):
        f = f.reshape(85, 22, 22)
        cls, best = f[5:].argmax(0), f[5:].max(0)
        score = np.clip(f[0], 0, None) ** 0.6 * np.clip(best, 0, None) ** 0.4
        r = []
        for j, i in zip(*np.where(score > 0.4)):
            cx, cy = (i + np.tanh(f[1, j, i])) / 22, (j + np.tanh(f[2, j, i])) / 22
            w, h = 1 / (1 + np.exp(-f[3, j, i])), 1 / (1 + np.exp(-f[4, j, i]))
            r.append((cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2, float(score[j, i]), int(cls[j, i])))
        return suppressed(r, 0.45)
    notes = json.load(open(f"{d}/datasets/detection_coco_like/annotations.json"))["images"]
    import cv2
    root = f"{d}/datasets/detection_coco_like/images/"
    sizes = [cv2.imread(root + n["file"]).shape for n in notes]

    def recall(o):
        hit = total = 0
        for n, size, f in zip(notes, sizes, o[0]):
            found = boxes(f)
            for b in n["objects"]:
                x, y, w, h = b["bbox"]
                truth = (x / size[1], y / size[0], (x + w) / size[1], (y + h) / size[0])
                total += 1
                hit += any(k[5] == b["category_index"] and iou(k, truth) >= 0.5 for k in found)
        return {"recall": f"{hit}/{total}"}
    read = lambda p: picture(p, (352, 352), bgr=True, area=True)
    return dict(model=f"{d}/models/detection/FastestDet_coco_352.onnx", calibration=np.stack([read(p) for p in folder(d, "datasets/imagenet_labelled/images")[::3]]),
                test=np.stack([read(root + n["file"]) for n in notes]), decide=lambda o: [boxes(f) for f in o[0]], changed=changed_boxes, task=recall)


def face_tests(d):
    people = [p for p in folder(d, "datasets/person_vww/images") if os.path.basename(p).startswith("person_")]
    return folder(d, "datasets/faces_public_domain") + people, folder(d, "datasets/imagenet_labelled/images")[::4] + folder(d, "datasets/detection_coco_like/images")[::4]


def yunet(d):
    names = None

    def boxes(o, at):
        r = []
        for k, stride in enumerate((8, 16, 32)):
            cls, obj, box = (o[j * 3 + k][at].reshape(-1, c) for j, c in ((0, 1), (1, 1), (2, 4)))
            side = 320 // stride
            score = np.sqrt(np.clip(cls[:, 0], 0, 1) * np.clip(obj[:, 0], 0, 1))
            for p in np.where(score > 0.6)[0]:
                cx, cy = (p % side + box[p, 0]) * stride, (p // side + box[p, 1]) * stride
                w, h = np.exp(box[p, 2]) * stride, np.exp(box[p, 3]) * stride
                r.append((cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2, float(score[p]), 0))
        return suppressed(r, 0.3)
    test, calibration = face_tests(d)
    read = lambda p: picture(p, (320, 320), bgr=True, scale=1)
    return dict(model=f"{d}/models/detection/yunet_n_320.onnx", calibration=np.stack([read(p) for p in calibration]), test=np.stack([read(p) for p in test]),
                decide=lambda o: [boxes(o, i) for i in range(len(o[0]))], changed=changed_boxes)


def ultraface(d):
    def boxes(scores, where):
        return suppressed([(*b, float(s), 0) for s, b in zip(scores.reshape(-1, 2)[:, 1], where.reshape(-1, 4)) if s > 0.7], 0.3)
    test, calibration = face_tests(d)
    read = lambda p: picture(p, (320, 240), scale=128, mean=127)
    return dict(model=f"{d}/models/detection/ultraface_slim_320.onnx", calibration=np.stack([read(p) for p in calibration]), test=np.stack([read(p) for p in test]),
                decide=lambda o: [boxes(s, b) for s, b in zip(o[0], o[1])], changed=changed_boxes)


def mfcc(x):
    mel = lambda f: 1127 * np.log(1 + f / 700)
    m, e = mel(np.linspace(0, 8000, 257)[1:])[:, None], np.linspace(mel(20.0), mel(4000.0), 42)
    bank = np.pad(np.maximum(0, np.minimum((m - e[:-2]) / (e[1:-1] - e[:-2]), (e[2:] - m) / (e[2:] - e[1:-1]))), ((1, 0), (0, 0)))
    x = np.pad(x.astype("f8") / max(x.max(), 1e-9), (0, max(0, 16000 - len(x))))[:16000]
    frames = np.stack([x[i * 320:i * 320 + 480] * (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(480) / 480)) for i in range(49)])
    logs = np.log(np.abs(np.fft.rfft(frames, 512)) @ bank + 1e-6)
    k = np.arange(40)
    dct = np.cos(np.pi / 40 * (k[None] + 0.5) * np.arange(10)[:, None]) * np.sqrt(np.where(np.arange(10) == 0, 1, 2) / 40)[:, None]
    return (logs @ dct.T).astype("f4").reshape(49, 10, 1)


def kws(d):
    words = "down go left no off on right stop up yes silence unknown".split()
    files = sorted(f"{d}/datasets/speech_commands_wav/{f}" for f in os.listdir(f"{d}/datasets/speech_commands_wav"))
    name = [os.path.basename(f).split(".")[0].replace("tflm_", "").split("_")[0] for f in files]
    labels = np.array([words.index(n) if n in words else 11 for n in name])
    test = [mfcc(speech(f, 16000)) for f in files]
    calibration = []
    for k, f in enumerate(sorted(os.listdir(f"{d}/datasets/librispeech_sample"))):
        if f.endswith(".wav"):
            x = speech(f"{d}/datasets/librispeech_sample/{f}", 16000)
            calibration += [mfcc(x[s:s + 16000]) for s in range(0, min(len(x) - 16000, 64000), 16000)]
    for shift in (1600, -1600, 3200):   # the words themselves, moved: the test has them in place
        calibration += [mfcc(np.roll(speech(f, 16000), shift)) for f in files[::2]]
    return dict(model=f"{d}/models/mlperf_tiny/kws_dscnn_float.tflite", calibration=np.stack(calibration), test=np.stack(test), decide=top1, task=accuracy(labels), hybrid=True)


def vww(d):
    rows = list(csv.DictReader(open(f"{d}/datasets/person_vww/labels.csv")))
    read = lambda p: picture(p, (96, 96), nchw=False, area=True)
    return dict(model=f"{d}/models/mlperf_tiny/vww_96_float.tflite", calibration=np.stack([read(p) for p in folder(d, "datasets/imagenet_labelled/images")]),
                test=np.stack([read(f"{d}/datasets/person_vww/images/{r['file']}") for r in rows]), decide=top1, task=accuracy(np.array([int(r["person"]) for r in rows])))


def selfie(d):
    test, calibration = face_tests(d)
    calibration += test[1::2]
    read = lambda p: picture(p, (256, 256), nchw=False)
    masks = lambda o: [y.reshape(-1) > 0.5 for y in o[0]]
    case = dict(model=f"{d}/models/segmentation/selfie_segmentation.tflite", calibration=np.stack([read(p) for p in calibration]), test=np.stack([read(p) for p in test[::2]]), decide=masks,
                changed=lambda a, b: int((a != b).sum()))
    case["compare"] = lambda f, q: {"IoU with float %": round(100 * float(np.mean([(a & b).sum() / max(1, (a | b).sum()) for a, b in zip(masks(f), masks(q))])), 2)}
    return case


def basic_pitch(d):
    files = sorted(f for f in os.listdir(f"{d}/datasets/librispeech_sample") if f.endswith(".wav"))
    n = 43844
    t = np.arange(n) / 22050

    def chord(seed):
        r = np.random.default_rng(seed)
        x = np.zeros(n)
        for _ in range(r.integers(1, 4)):
            f, start = 440 * 2 ** ((r.integers(45, 85) - 69) / 12), r.uniform(0, 1)
            x += sum(np.sin(2 * np.pi * f * h * t) * 0.5 ** h for h in range(1, 6)) * (t >= start) * np.exp(-2 * np.clip(t - start, 0, None)) * r.uniform(0.2, 0.6)
        return (x / max(1, np.abs(x).max())).astype("f4")[:, None]
    voice = lambda f: np.pad(speech(f"{d}/datasets/librispeech_sample/{f}", 22050), (0, n))[:n, None]
    notes = lambda o: [y.reshape(-1) > 0.5 for y in o[1]]
    return dict(model=f"{d}/models/audio/basic_pitch_nmp.onnx", calibration=np.stack([chord(s) for s in range(16)] + [voice(f) for f in files[:8]]),
                test=np.stack([chord(s) for s in range(100, 120)] + [voice(f) for f in files[8:12]]), decide=notes, changed=lambda a, b: int((a != b).sum()))


def silero(d):
    import onnxruntime as ort
    session = ort.InferenceSession(f"{d}/models/audio/silero_vad_16k_op15.onnx")
    files = sorted(f for f in os.listdir(f"{d}/datasets/librispeech_sample") if f.endswith(".wav"))

    def frames(chosen):
        r = {"input": [], "state": [], "sr": []}
        for f in chosen:
            x = np.pad(speech(f"{d}/datasets/librispeech_sample/{f}", 16000), (64, 512))
            state = np.zeros((2, 1, 128), "f4")
            for at in range(0, min(len(x) - 576, 512 * 120), 512):
                feed = {"input": x[None, at:at + 576], "state": state, "sr": np.array(16000, "i8")}
                for k, v in feed.items():
                    r[k].append(v)
                state = session.run(None, feed)[1]
        return {k: np.stack(v) for k, v in r.items()}
    return dict(model=f"{d}/models/audio/silero_vad_16k_op15.onnx", calibration=frames(files[:4]), test=frames(files[10:16]), decide=lambda o: [bool(y.reshape(-1)[0] > 0.5) for y in o[0]], whole=True)


def imagenet(name, size):
    def case(d):
        rows = list(csv.DictReader(open(f"{d}/datasets/imagenet_labelled/labels.csv")))
        read = lambda p: picture(p, (size, size), scale=127.5, mean=127.5, area=True)
        labels = np.array([int(r["imagenet_index"]) + 1 for r in rows])
        return dict(model=f"{d}/models/imagenet/{name}.onnx", calibration=np.stack([read(p) for p in folder(d, "datasets/detection_coco_like/images")]),
                    test=np.stack([read(f"{d}/datasets/imagenet_labelled/images/{r['file']}") for r in rows]), decide=top1, task=accuracy(labels))
    return case


def text(d):
    """Words drawn in OpenCV's fonts; a decision is the text that is read."""
    import cv2
    found = importlib.util.find_spec("rapidocr_onnxruntime")
    if not found:
        raise RuntimeError("the package rapidocr_onnxruntime is not here")
    letters = "abcdefghijkmnopqrstuvwxyzABCDEFGHKLMNPQRSTUVWXYZ0123456789"

    def line(r):
        words = " ".join("".join(r.choice(list(letters), r.integers(2, 8))) for _ in range(r.integers(1, 4)))
        font, size = int(r.choice([0, 1, 2, 3, 4, 6])), r.uniform(0.8, 1.1)
        (w, h), _ = cv2.getTextSize(words, font, size, 2)
        image = np.full((48, max(w + 12, 320), 3), r.integers(150, 255, 3), "u1")
        cv2.putText(image, words, (6, 24 + h // 2), font, size, r.uniform(0, 90, 3).tolist(), int(r.integers(1, 3)), cv2.LINE_AA)
        image = cv2.resize(image.astype("f4") + r.normal(0, 6, image.shape).astype("f4"), (320, 48), interpolation=cv2.INTER_AREA)
        return (np.clip(np.round(image), 0, 255).astype("f4").transpose(2, 0, 1) / 255 - 0.5) / np.float32(0.5)

    def read(y):
        best = y.reshape(-1, y.shape[-1]).argmax(1)
        return tuple(int(b) for k, b in enumerate(best) if b and (k == 0 or b != best[k - 1]))
    lines = lambda seed, n: np.stack([line(np.random.default_rng((seed, k))) for k in range(n)])
    return dict(model=os.path.join(os.path.dirname(found.origin), "models/ch_PP-OCRv4_rec_infer.onnx"), calibration=lines(0, 48), test=lines(1, 60), decide=lambda o: [read(y) for y in o[0]])


CASES = {"mnist": mnist, "ai4i": ai4i, "digits": digits, "fastestdet": fastestdet, "yunet": yunet, "ultraface": ultraface, "kws": kws, "vww": vww, "selfie": selfie, "basic_pitch": basic_pitch,
         "silero": silero, "mobilenet_v1": imagenet("mobilenet_v1_0.25_128_float", 128), "mobilenet_v2": imagenet("mobilenet_v2_1.0_224_float", 224), "text": text}


# ---- engines: feeds -> outputs, a list of arrays by sample for each output ---------------------------------------------------------------
def run_onnxruntime(path, feeds):
    import onnxruntime as ort
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.x64quantprecision", "1")   # without VNNI its default products saturate, which would hide the quantiser's own error
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return by_output([session.run(None, f) for f in feeds])


class Native:
    """saha's own engine through its C interface, one file."""
    def __init__(self, library, path):
        import ctypes
        self.c, self.lib = ctypes, ctypes.CDLL(library)
        self.lib.saha_last_error.restype = ctypes.c_char_p
        self.session, self.context = ctypes.c_void_p(), ctypes.c_void_p()
        self.ok(self.lib.saha_session_open(path.encode(), None, ctypes.byref(self.session)))
        self.ok(self.lib.saha_context_create(self.session, ctypes.byref(self.context)))

    def ok(self, status):
        if status:
            raise RuntimeError(self.lib.saha_last_error().decode())

    def run(self, feed, outputs):
        c, keep = self.c, []
        for name, x in feed.items():
            x = np.array(x, order="C")
            keep.append(x)
            dims = (c.c_int64 * max(1, x.ndim))(*x.shape)
            self.ok(self.lib.saha_set_input_shaped(self.context, name.encode(), x.ctypes.data_as(c.c_void_p), c.c_size_t(x.nbytes), dims, c.c_size_t(x.ndim)))
        self.ok(self.lib.saha_run(self.context))
        r = []
        for name in outputs:
            data, size = c.c_void_p(), c.c_size_t()
            self.ok(self.lib.saha_get_output(self.context, name.encode(), c.byref(data), c.byref(size)))
            r.append(np.frombuffer(c.string_at(data, size.value), "f4").copy())
        return r


def run_native(library, path, feeds, outputs):
    session = Native(library, path)
    return by_output([session.run(f, outputs) for f in feeds])


def run_openvino(model, feeds):
    import openvino as ov
    compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1})
    names = [o.get_any_name() for o in compiled.outputs]
    request = compiled.create_infer_request()
    outs = []
    for f in feeds:
        r = request.infer(f)
        outs.append([np.array(r[k]) for k in compiled.outputs])
    return by_output(outs), names


def run_litert(path, feeds, outputs):
    from ai_edge_litert.interpreter import Interpreter
    it = Interpreter(model_path=path, num_threads=1)
    runner = it.get_signature_runner()
    if not outputs:
        outputs = list(runner.get_output_details())
    given, made, outs = runner.get_input_details(), runner.get_output_details(), []
    stored = lambda x, d: x if x.dtype == d["dtype"] else np.clip(np.round(x / d["quantization"][0]) + d["quantization"][1], -128, 127).astype(d["dtype"])
    real = lambda y, d: y if y.dtype == np.float32 else (y.astype("f4") - d["quantization"][1]) * np.float32(d["quantization"][0])
    for f in feeds:
        r = runner(**{k: stored(x, given[k]) for k, x in f.items()})
        outs.append([real(r[k], made[k]) for k in outputs])
    return by_output(outs), outputs


def by_output(outs):
    return [[np.array(o[k], dtype="f4") for o in outs] for k in range(len(outs[0]))]


@contextlib.contextmanager
def timed(c):
    """c.seconds: of CPU, this process and what it waited for."""
    used = lambda: sum(u.ru_utime + u.ru_stime for u in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))
    before = used()
    yield
    c.seconds = used() - before


# ---- quantisers --------------------------------------------------------------------------------------------------------------------------
def quantise_saha(c, extra, engine):
    out = f"{c.tmp}/saha.onnx"
    command = [c.saha, "quantize", c.onnx, "-o", out, "--data", c.npz, "-q"] + extra
    with timed(c):
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit {done.returncode}")
    return run_native(c.library, out, c.test, c.outputs) if engine == "native" else run_onnxruntime(out, c.test)


def quantise_saha_tflite(c, extra):
    out = f"{c.tmp}/saha.tflite"
    with timed(c):
        done = subprocess.run([c.saha, "quantize", c.onnx, "-o", out, "--data", c.npz, "-q"] + extra, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return run_litert(out, c.test, c.outputs)[0]


def quantise_ort(c, method="MinMax"):
    from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.rest = iter(c.calibration)

        def get_next(self):
            return next(self.rest, None)
    pre, out = f"{c.tmp}/pre.onnx", f"{c.tmp}/ort.onnx"
    with timed(c):
        try:
            quant_pre_process(c.onnx, pre)
        except Exception:
            quant_pre_process(c.onnx, pre, skip_symbolic_shape=True)
        quantize_static(pre, out, Reader(), quant_format=QuantFormat.QDQ, per_channel=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, calibrate_method=getattr(CalibrationMethod, method))
    return run_onnxruntime(out, c.test)


def quantise_nncf(c):
    import nncf, openvino as ov
    model = ov.Core().read_model(c.onnx)
    with timed(c):
        q = nncf.quantize(model, nncf.Dataset(c.calibration), subset_size=len(c.calibration))
    y, names = run_openvino(q, c.test)
    return y


def quantise_litert(c):
    from ai_edge_quantizer import quantizer, recipe
    with timed(c):
        q = quantizer.Quantizer(c.tflite, recipe.static_wi8_ai8())
        result = q.quantize(q.calibrate({"serving_default": c.calibration}))
    out = f"{c.tmp}/litert.tflite"
    result.export_model(out, overwrite=True)
    return run_litert(out, c.test, c.outputs)[0]


class Case:
    pass


def with_real_weights(path, out):
    """A TensorFlow Lite file whose layers round float data in each run, as the float model that its weights come from."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(open(path, "rb").read(), 0))
    for t in model.subgraphs[0].tensors:
        data = model.buffers[t.buffer].data
        if t.type == schema.TensorType.INT8 and data is not None and len(data) and t.quantization is not None and t.quantization.scale is not None:
            along = [len(t.quantization.scale) if k == t.quantization.quantizedDimension else 1 for k in range(len(t.shape))]
            w = np.asarray(data, "u1").view("i1").reshape(t.shape).astype("f4") * np.asarray(t.quantization.scale, "f4").reshape(along if len(t.quantization.scale) > 1 else 1)
            model.buffers[t.buffer].data, t.type, t.quantization = np.frombuffer(w.astype("f4").tobytes(), "u1"), schema.TensorType.FLOAT32, None
    b = flatbuffers.Builder(1 << 20)
    b.Finish(model.Pack(b), b"TFL3")
    open(out, "wb").write(bytes(b.Output()))
    return out


def prepare(name, args, tmp):
    raw = CASES[name](args.shared)
    c = Case()
    c.__dict__.update(raw)
    if raw.get("hybrid"):
        c.model = with_real_weights(c.model, f"{tmp}/real.tflite")
    c.saha, c.library, c.tmp = args.saha, args.library, tmp
    c.onnx, c.tflite = f"{tmp}/float.onnx", f"{tmp}/float.tflite"
    if c.model.endswith(".tflite"):
        subprocess.run([c.saha, "convert", c.model, "-o", c.onnx, "-q"], check=True)
        subprocess.run([c.saha, "convert", c.onnx, "-o", c.tflite, "-q"], check=True)   # with a signature, which the LiteRT quantiser asks for
    else:
        # Scales by channel need opset 13: onnxruntime's quantiser does not raise an older model.
        if subprocess.run([c.saha, "convert", c.model, "-o", c.onnx, "--opset", "17", "-q"], capture_output=True).returncode:
            shutil.copy(c.model, c.onnx)
        if subprocess.run([c.saha, "convert", c.model, "-o", c.tflite, "-q"], capture_output=True).returncode:
            c.tflite = None
    import onnxruntime as ort
    session = ort.InferenceSession(c.onnx)
    first = session.get_inputs()[0].name
    c.outputs = [o.name for o in session.get_outputs()]
    feeds = lambda data: [{k: np.asarray(v[i]) if raw.get("whole") else v[i:i + 1] for k, v in (data if isinstance(data, dict) else {first: data}).items()} for i in range(len(next(iter(data.values())) if isinstance(data, dict) else data))]
    c.npz = f"{tmp}/calibration.npz"
    np.savez(c.npz, **(raw["calibration"] if isinstance(raw["calibration"], dict) else {first: raw["calibration"]}))
    c.calibration, c.test = feeds(raw["calibration"]), feeds(raw["test"])
    if raw.get("whole"):
        c.tflite = None
    c.float = run_onnxruntime(c.onnx, c.test)
    return c


def judged(c, y):
    sqnr = []
    for f, q in zip(c.float, y):
        power, error = sum(float((a.astype("f8") ** 2).sum()) for a in f), sum(float(((a.reshape(-1).astype("f8") - b.reshape(-1)) ** 2).sum()) for a, b in zip(f, q))
        sqnr.append(10 * np.log10(power / max(error, 1e-30)))
    changed = getattr(c, "changed", lambda a, b: int(a != b))
    shaped = [[b.reshape(a.shape) for a, b in zip(f, q)] for f, q in zip(c.float, y)]
    r = {"sqnr_db": round(float(np.mean(sqnr)), 2), "least_sqnr_db": round(float(np.min(sqnr)), 2), "changed": sum(changed(a, b) for a, b in zip(c.decide(c.float), c.decide(shaped)))}
    if hasattr(c, "task"):
        r.update(c.task(shaped))
    if hasattr(c, "compare"):
        r.update(c.compare(c.float, shaped))
    return r


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--shared", required=True)
    p.add_argument("--saha", default="build/release/src/cli/saha")
    p.add_argument("--library", default="build/release/src/api/libsaha.so")
    p.add_argument("--only", default=",".join(CASES))
    p.add_argument("--quantisers", default="saha,saha-ort,saha-tflite,ort,ort-percentile,ort-entropy,nncf,litert")
    p.add_argument("--options", default="", help="more options of saha quantize, separated by spaces")
    p.add_argument("--json")
    args = p.parse_args()
    extra = args.options.split()
    args.shared, args.saha, args.library = (os.path.abspath(p) for p in (args.shared, args.saha, args.library))
    here, json_file = os.getcwd(), args.json and os.path.abspath(args.json)
    how = {"saha": lambda c: quantise_saha(c, extra, "native"), "saha-ort": lambda c: quantise_saha(c, extra, "onnxruntime"), "saha-tflite": lambda c: quantise_saha_tflite(c, extra), "ort": quantise_ort, "ort-entropy": lambda c: quantise_ort(c, "Entropy"),
           "ort-percentile": lambda c: quantise_ort(c, "Percentile"), "nncf": quantise_nncf, "litert": quantise_litert}
    rows = []
    for name in args.only.split(","):
        with tempfile.TemporaryDirectory() as tmp:
            os.chdir(tmp)   # what other quantisers leave in the working folder goes with it
            c = prepare(name, args, tmp)
            rest = {k: v for k, v in judged(c, c.float).items() if k not in ("sqnr_db", "least_sqnr_db", "changed")}
            print(f"{name}: {len(c.calibration)} samples to calibrate, {len(c.test)} to test; float {rest or ''}", flush=True)
            for q in args.quantisers.split(","):
                try:
                    if q == "litert" and not c.tflite:
                        raise RuntimeError("no TensorFlow Lite form of the model")
                    r = judged(c, how[q](c))
                    r["seconds"] = round(c.seconds, 1)
                    rest = {k: v for k, v in r.items() if k not in ("sqnr_db", "least_sqnr_db", "changed", "seconds")}
                    print(f"  {q:15} SQNR {r['sqnr_db']:6.2f} dB (least {r['least_sqnr_db']:6.2f})  changed {r['changed']:6}  {r['seconds']:6.1f} s  {rest or ''}", flush=True)
                    rows.append({"model": name, "quantiser": q, **r})
                except Exception as e:
                    text = " ".join(str(e).split())[:150] or type(e).__name__
                    print(f"  {q:15} -: {text}", flush=True)
                    rows.append({"model": name, "quantiser": q, "refused": text})
            os.chdir(here)
    if json_file:
        json.dump(rows, open(json_file, "w"), indent=1)


if __name__ == "__main__":
    main()
