#!/usr/bin/env python3
"""Writes tests/data/image_expected.txt: small pictures in many codings, and what Pillow (OpenCV for 16 bits) reads from them.

Needs numpy, pillow, opencv-python-headless. Run from the repository root:  python tools/image_expectations.py
Lines: name, the file in base64, the shape as rows x columns, SHA-256 of the RGB bytes after turning by EXIF.
"""
import base64
import hashlib
import io

import cv2
import numpy as np
from PIL import Image, ImageOps

noise = ((np.arange(5 * 4 * 4, dtype=np.uint64) * 2654435761 & 0xFFFFFFFF) >> 24).astype(np.uint8).reshape(5, 4, 4)
smooth = np.asarray(Image.fromarray(noise).resize((13, 11), Image.BICUBIC))
rgb, gray = Image.fromarray(smooth[:, :, :3]), Image.fromarray(smooth[:, :, 0])
exif = Image.Exif()
exif[0x112] = 6
lines = []


def add(name, content, pixels):
    pixels = np.ascontiguousarray(pixels)
    lines.append(f"{name} {base64.b64encode(content).decode()} {pixels.shape[0]}x{pixels.shape[1]} {hashlib.sha256(pixels.tobytes()).hexdigest()}")


def save(name, image, **options):
    file = io.BytesIO()
    image.save(file, name.split(".")[1].replace("jpg", "jpeg"), **options)
    add(name, file.getvalue(), np.asarray(ImageOps.exif_transpose(Image.open(file)).convert("RGB")))


save("444.jpg", rgb, subsampling=0)
save("422.jpg", rgb, subsampling=1)
save("420.jpg", rgb, subsampling=2)
save("progressive.jpg", rgb, progressive=True)
save("gray.jpg", gray)
save("cmyk.jpg", Image.fromarray(smooth, "CMYK"))
save("turned.jpg", rgb, exif=exif)
save("turned.png", rgb, exif=exif)
save("rgba.png", Image.fromarray(smooth))
save("gray-alpha.png", Image.fromarray(np.ascontiguousarray(smooth[:, :, :2]), "LA"))
save("palette.png", rgb.quantize(90))
save("palette-2-bits.png", rgb.quantize(4), bits=2)
save("one-bit.png", rgb.convert("1"))
save("rgb.bmp", rgb)
save("rgba.bmp", Image.fromarray(smooth))
save("palette.bmp", rgb.quantize(30))
save("gray.bmp", gray)
save("one-bit.bmp", rgb.convert("1"))
wide = smooth[:, :, :3].astype(np.uint16) * 257 ^ 0x35
for name, pixels in (("rgb-16-bits.png", wide), ("gray-16-bits.png", wide[:, :, 0])):
    file = cv2.imencode(".png", pixels)[1].tobytes()
    add(name, file, cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1])
with open("tests/data/image_expected.txt", "w") as out:
    out.write("# Made by tools/image_expectations.py: what Pillow and OpenCV read.\n" + "\n".join(lines) + "\n")
