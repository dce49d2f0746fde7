"""Speech or noise: windows of real recordings (Debian package pocketsphinx-testdata) and of made noise, and the Silero VAD network for them.

    apt install pocketsphinx-testdata; pip install --no-deps silero-vad==6.2.3
    python prepare.py silero_vad_16k_op15.onnx /usr/share/pocketsphinx/test/data out

Writes out/model.onnx and out/test.npz: input [n, 576] (64 samples of context and 512 new ones at 16 kHz), past [n, 2, 128] and y [n], 0 noise, 1 speech.
The network keeps a state from window to window. Each window comes with the state that the network had reached in its recording, so that windows
can be judged in any order. The network as published has the batch in the middle of `state`, and a rate that is always 16000; model.onnx has
the batch in front and the rate as a constant.

What is true: the level of the clean recording. A window within 25 dB of the loudest is speech, one more than 45 dB below it is noise.
One in between is left out, and so is a quiet one near speech (a pause within a word, breath). Noise alone is noise throughout.
"""
import os
import sys
import wave

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

network, recordings, out = sys.argv[1:4]
os.makedirs(out, exist_ok=True)
RATE, CONTEXT, STEP = 16000, 64, 512


def load(path):
    if path.endswith(".raw"):                                       # 16 kHz, 16 bit, one channel
        return np.fromfile(path, "<i2").astype(np.float32) / 32768
    with wave.open(path) as w:
        assert (w.getframerate(), w.getnchannels(), w.getsampwidth()) == (RATE, 1, 2), path
        return np.frombuffer(w.readframes(w.getnframes()), "<i2").astype(np.float32) / 32768


def noise(kind, n, rng):
    """n samples of root mean square 1 (silence: 0)."""
    if kind == "silence":
        return np.zeros(n, np.float32)
    if kind == "hum":                                               # mains and its harmonics, with a little hiss
        t = np.arange(n) / RATE
        s = sum(np.sin(2 * np.pi * 50 * k * t + rng.uniform(0, 6.28)) / k for k in (1, 2, 3, 5, 7)) + 0.05 * rng.standard_normal(n)
    else:
        spectrum = np.fft.rfft(rng.standard_normal(n))
        if kind == "pink":
            spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 20 * n / RATE))   # flat below 20 Hz
        s = np.fft.irfft(spectrum, n)
    return (s / np.sqrt(np.mean(s ** 2))).astype(np.float32)


def windows(signal):
    padded = np.concatenate([np.zeros(CONTEXT, np.float32), signal])
    return np.stack([padded[i:i + CONTEXT + STEP] for i in range(0, len(signal) - STEP + 1, STEP)])


def labels(clean):
    """1 speech, 0 noise, -1 undecided, by the level of each window's new samples."""
    level = np.array([10 * np.log10(np.mean(w[CONTEXT:] ** 2) + 1e-12) for w in windows(clean)])
    level -= level.max()
    y = np.where(level > -25, 1, np.where(level < -45, 0, -1))
    near = np.convolve(y == 1, np.ones(9), "same") > 0              # within 4 windows (128 ms) of speech
    y[(y == 0) & near] = -1
    return y


session = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
rows = {"input": [], "past": [], "y": []}


def add(signal, y):
    state = np.zeros((2, 1, 128), np.float32)
    for window, truth in zip(windows(signal), y):
        if truth >= 0:
            rows["input"].append(window)
            rows["past"].append(state[:, 0])
            rows["y"].append(truth)
        state = session.run(["stateN"], {"input": window[None], "state": state, "sr": np.array(RATE)})[0]


rng = np.random.default_rng(0)
files = sorted(os.path.join(folder, f) for folder, _, names in os.walk(recordings) for f in names if f.endswith((".wav", ".raw")))
used = 0
for path in files:
    speech = load(path)
    if len(speech) < RATE:
        continue
    used += 1
    y = labels(speech)
    loud = np.sqrt(np.mean(speech ** 2))
    add(speech, y)
    for kind in ("white", "pink", "hum"):                           # 15 dB below the speech
        add(speech + noise(kind, len(speech), rng) * loud * 10 ** (-15 / 20), y)
for kind in ("white", "pink", "hum", "silence"):
    for level in (0.003, 0.03, 0.1)[:1 if kind == "silence" else 3]:
        alone = noise(kind, 6 * RATE, rng) * np.float32(level)
        add(alone, np.zeros(len(alone) // STEP, int))
y = np.array(rows["y"], np.int64)
np.savez_compressed(f"{out}/test.npz", input=np.stack(rows["input"]).astype(np.float32), past=np.stack(rows["past"]).astype(np.float32), y=y)
print(f"test: {len(y)} windows of {used} recordings and made noise, {int(y.sum())} with speech")

# The network with the batch in front of `state`, a constant rate, and the probability only.
model = onnx.load(network)
g = model.graph
del g.input[:], g.output[:]
g.node.insert(0, helper.make_node("Transpose", ["past"], ["state"], "state_layout", perm=[1, 0, 2]))
g.initializer.append(numpy_helper.from_array(np.array(RATE), "sr"))
g.input.extend([helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", CONTEXT + STEP]), helper.make_tensor_value_info("past", TensorProto.FLOAT, ["N", 2, 128])])
g.output.extend([helper.make_tensor_value_info("output", TensorProto.FLOAT, ["N", 1])])
onnx.checker.check_model(model)
onnx.save(model, f"{out}/model.onnx")
