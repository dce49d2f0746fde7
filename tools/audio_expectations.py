#!/usr/bin/env python3
"""Prints the expected numbers of tests/data/audio_test.cpp, from scipy (resample_poly, dct) and librosa's own mel filter banks.

Needs numpy, scipy, librosa. Run: python tools/audio_expectations.py
"""
import librosa
import numpy as np
import scipy.fft
import scipy.signal


def sound(n):
    k = np.arange(n, dtype=np.uint64)
    return (((k * np.uint64(2654435761) & np.uint64(0xFFFFFFFF)) >> np.uint64(16)).astype(np.float64) / 32768 - 1).astype(np.float32)


def show(name, values):
    print(name, "{" + ", ".join(f"{float(v):.7g}" for v in values) + "}")


x = sound(400)
for up, down in ((2, 1), (1, 2), (160, 441), (3, 2)):
    y = scipy.signal.resample_poly(x.astype(np.float64), up, down)
    show(f"resample {up}:{down}, length {len(y)}, values 0 1 2 50 last:", [y[0], y[1], y[2], y[50], y[-1]])

rate, frame, hop, fft, mels, lo, hi = 8000, 240, 160, 256, 20, 20, 4000
window = scipy.signal.get_window("hann", frame, fftbins=True)
for scale in ("htk", "slaney"):
    bank = librosa.filters.mel(sr=rate, n_fft=fft, n_mels=mels, fmin=lo, fmax=hi, htk=scale == "htk", norm=None if scale == "htk" else "slaney", dtype=np.float64)
    frames = np.stack([x[i:i + frame].astype(np.float64) * window for i in range(0, len(x) - frame + 1, hop)])
    energy = (np.abs(np.fft.rfft(frames, fft)) ** 2) @ bank.T
    logs = {"ln": np.log(energy + 1e-6), "log10": np.log10(energy + 1e-6), "db": 10 * np.log10(np.maximum(energy, 1e-6))}
    for log, value in logs.items():
        show(f"log_mel {scale} {log}, frames {len(frames)}, [0][0] [0][7] [1][19]:", [value[0, 0], value[0, 7], value[1, 19]])
    c = scipy.fft.dct(logs["ln"], type=2, norm="ortho", axis=1)
    show(f"mfcc {scale}, [0][0] [0][1] [1][9]:", [c[0, 0], c[0, 1], c[1, 9]])

# Triangles over mel, as tf.signal.linear_to_mel_weight_matrix draws them.
to_mel = lambda hz: 1127 * np.log1p(hz / 700)  # noqa: E731
at = to_mel(np.arange(fft // 2 + 1) * rate / fft)[:, None]
edges = np.linspace(to_mel(lo), to_mel(hi), mels + 2)
left, peak, right = edges[:-2], edges[1:-1], edges[2:]
bank = np.maximum(0, np.minimum((at - left) / (peak - left), (right - at) / (right - peak)))
for power in (1, 2):
    value = np.log(np.abs(np.fft.rfft(frames, fft)) ** power @ bank + 1e-6)
    show(f"log_mel over mel, power {power}, [0][0] [0][7] [1][19]:", [value[0, 0], value[0, 7], value[1, 19]])
    c = scipy.fft.dct(value, type=2, norm="ortho", axis=1)
    show(f"mfcc over mel, power {power}, [0][0] [0][1] [1][9]:", [c[0, 0], c[0, 1], c[1, 9]])
