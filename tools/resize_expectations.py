#!/usr/bin/env python3
"""Writes tests/data/resize_expected.txt: what the owners of the resize rules make of fixed pictures.

Needs a virtual environment with numpy, pillow, opencv-python-headless, and for their rules tensorflow-cpu and torch; rules whose owner
is not installed keep the lines that the file has. Run from the repository root:  python tools/resize_expectations.py
Lines: rule in_h in_w channels out_h out_w sha256:HEX (uint8 rules and those that agree bit for bit) or ~ and 24 float32 values.
"""
import hashlib
import importlib.util
import pathlib
import sys

import numpy as np

FILE = pathlib.Path("tests/data/resize_expected.txt")
SIZES = [(37, 53, 3, 16, 24), (37, 53, 3, 37, 24), (37, 53, 3, 16, 53), (64, 48, 3, 32, 24), (64, 48, 1, 16, 12), (60, 90, 3, 20, 30), (9, 7, 3, 23, 31), (9, 7, 1, 9, 20),
         (30, 30, 1, 20, 45), (224, 224, 3, 96, 96), (13, 13, 1, 1, 1), (1, 1, 3, 4, 5), (300, 200, 3, 7, 5), (28, 28, 1, 28, 28), (50, 50, 4, 33, 33), (40, 30, 3, 50, 31), (90, 40, 3, 30, 35),
         (20, 60, 1, 41, 20)]


def picture(h, w, c):
    n = np.arange(h * w * c, dtype=np.uint64)
    return ((n * np.uint64(2654435761) & np.uint64(0xFFFFFFFF)) >> np.uint64(24)).astype(np.uint8).reshape(h, w, c)


def positions(n):
    return [int(k * (n - 1) // 23) for k in range(24)]


def owners():
    have = lambda m: importlib.util.find_spec(m) is not None
    rules = {}
    if have("cv2"):
        import cv2
        for name, flag in (("cv-linear", cv2.INTER_LINEAR), ("cv-area", cv2.INTER_AREA), ("cv-nearest", cv2.INTER_NEAREST)):
            rules[name] = lambda x, h, w, flag=flag: cv2.resize(x, (w, h), interpolation=flag).reshape(h, w, x.shape[2])
    if have("PIL"):
        from PIL import Image

        def pil(x, h, w, how):  # by channel: Pillow premultiplies the alpha of four channels
            return np.stack([np.asarray(Image.fromarray(x[:, :, k]).resize((w, h), how)) for k in range(x.shape[2])], axis=2)
        for name, how in (("pil-nearest", Image.NEAREST), ("pil-bilinear", Image.BILINEAR), ("pil-bicubic", Image.BICUBIC), ("pil-lanczos", Image.LANCZOS)):
            rules[name] = lambda x, h, w, how=how: pil(x, h, w, how)
    if have("tensorflow"):
        import tensorflow as tf
        rules["tf-bilinear"] = lambda x, h, w: tf.raw_ops.ResizeBilinear(images=x[None].astype("f"), size=[h, w], half_pixel_centers=True).numpy()[0]
        rules["tf-antialias"] = lambda x, h, w: tf.image.resize(x[None].astype("f"), [h, w], method="bilinear", antialias=True).numpy()[0]
        rules["tf1-bilinear"] = lambda x, h, w: tf.raw_ops.ResizeBilinear(images=x[None].astype("f"), size=[h, w]).numpy()[0]
        rules["tf1-corners"] = lambda x, h, w: tf.raw_ops.ResizeBilinear(images=x[None].astype("f"), size=[h, w], align_corners=True).numpy()[0]
    if have("torch"):
        import torch

        def torch_resize(x, h, w, antialias):
            t = torch.from_numpy(x.astype("f").transpose(2, 0, 1)[None].copy())
            return torch.nn.functional.interpolate(t, (h, w), mode="bilinear", align_corners=False, antialias=antialias).numpy()[0].transpose(1, 2, 0)
        rules["torch-bilinear"] = lambda x, h, w: torch_resize(x, h, w, False)
        rules["torch-antialias"] = lambda x, h, w: torch_resize(x, h, w, True)
    return rules


def main():
    rules = owners()
    old = FILE.read_text().splitlines() if FILE.exists() else []
    lines = [line for line in old if not line.startswith("#") and line.split()[0] not in rules]
    for rule, resize in rules.items():
        for h, w, c, oh, ow in SIZES:
            out = np.ascontiguousarray(resize(picture(h, w, c), oh, ow))
            assert out.shape == (oh, ow, c), (rule, out.shape)
            head = f"{rule} {h} {w} {c} {oh} {ow} "
            if out.dtype == np.uint8 or rule.startswith('tf'):  # TensorFlow's float32 results are the same bit for bit
                lines.append(head + "sha256:" + hashlib.sha256(out.tobytes()).hexdigest())
            else:
                flat = out.astype(np.float32).ravel()
                lines.append(head + "~ " + " ".join(repr(float(flat[p])) for p in positions(flat.size)))
    FILE.write_text("# Made by tools/resize_expectations.py from the owners' libraries.\n" + "\n".join(sorted(lines)) + "\n")
    print(len(lines), "lines;", "owners:", ", ".join(sorted(rules)), file=sys.stderr)


main()
