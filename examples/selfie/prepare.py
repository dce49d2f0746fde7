"""Who is in the picture: MediaPipe's selfie segmentation (PyPI mediapipe) and pictures to judge it on.

    pip install --no-deps --target wheel mediapipe==0.10.9 scikit-image==0.26.0 matplotlib==3.11.2
    python prepare.py wheel SAHA out

Writes out/model.tflite as published, and out/calibration.npz and out/test.npz: x [n, 256, 256, 3] in 0..255, y [n, 256, 256], 1 where the person is.

Three public portraits (an astronaut, a cameraman, an admiral) are cut out and set before other pictures, mirrored, moved, smaller, darker. Quantisation sees the first two, the
test is the third before backgrounds that nothing else has. What is true is what the network itself says in float32: the question is what a smaller form of it loses.
"""
import os
import shutil
import subprocess
import sys

import numpy as np
from PIL import Image

wheel, saha, out = sys.argv[1:4]
os.makedirs(out, exist_ok=True)
model = f"{out}/model.tflite"
shutil.copy(f"{wheel}/mediapipe/modules/selfie_segmentation/selfie_segmentation.tflite", model)
pictures = f"{wheel}/skimage/data"
SIZE = 256


def load(path):
    """The middle square, 256 x 256."""
    p = Image.open(path).convert("RGB")
    side = min(p.size)
    left, top = (p.width - side) // 2, (p.height - side) // 2
    return np.asarray(p.crop((left, top, left + side, top + side)).resize((SIZE, SIZE), Image.BILINEAR))


def masks(x):
    """What the network says in float32, 0..1."""
    rows = []
    for i, picture in enumerate(x):
        np.save(f"{out}/picture.npy", (picture[None] / 255).astype(np.float32))
        subprocess.run([saha, "infer", model, "--input", f"{out}/picture.npy", "--save", f"{out}/said", "--quiet"], check=True, stdout=subprocess.DEVNULL)
        name, = os.listdir(f"{out}/said")
        rows.append(np.load(f"{out}/said/{name}").reshape(SIZE, SIZE))
    shutil.rmtree(f"{out}/said")
    os.remove(f"{out}/picture.npy")
    return np.stack(rows)


def composed(person, mask, background, rng):
    """The person, mirrored or not, at 60 to 100 % of its size and 70 to 100 % of its brightness, before the background."""
    size = int(SIZE * rng.uniform(0.6, 1))
    left, top = int(rng.uniform(0, SIZE - size + 1)), SIZE - size
    small = np.asarray(Image.fromarray(person).resize((size, size), Image.BILINEAR), np.float64) * rng.uniform(0.7, 1)
    alpha = np.asarray(Image.fromarray((mask * 255).astype(np.uint8)).resize((size, size), Image.BILINEAR))[..., None] / 255
    if rng.random() < 0.5:
        small, alpha = small[:, ::-1], alpha[:, ::-1]
    picture = background.astype(np.float64)
    area = picture[top:, left:left + size]
    area += alpha * (small - area)
    return np.rint(picture).astype(np.uint8)


people = [load(f"{pictures}/astronaut.png"), load(f"{pictures}/camera.png"), load(f"{wheel}/matplotlib/mpl-data/sample_data/grace_hopper.jpg")]
cut = masks(people)
rng = np.random.default_rng(0)
sets = {"calibration": (people[:2], cut[:2], ("brick", "coffee", "gravel", "motorcycle_left", "page", "retina", "rocket", "hubble_deep_field")),
        "test": (people[2:], cut[2:], ("chelsea", "coins", "color", "grass", "ihc", "moon", "motorcycle_right", "text"))}
for name, (persons, shapes, backgrounds) in sets.items():
    x = list(persons)
    for b in backgrounds:
        path = next(p for p in (f"{pictures}/{b}.png", f"{pictures}/{b}.jpg") if os.path.exists(p))
        background = load(path)
        for _ in range(3):
            for person, mask in zip(persons, shapes):
                x.append(composed(person, mask, background, rng))
    x = np.stack(x)
    y = (masks(x) >= 0.5).astype(np.uint8)
    np.savez_compressed(f"{out}/{name}.npz", x=x, y=y)
    print(f"{name}: {len(x)} pictures, {y.mean():.0%} person")
