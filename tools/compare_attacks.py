#!/usr/bin/env python3
"""saha's PGD against Foolbox's on one network: the same samples, radius, steps, step and restarts. What is compared is how many right answers each breaks.

  tools/compare_attacks.py --saha build/release/src/cli/saha --model model.onnx --test test.npz [--take 500] [--steps 40] [--restarts 1]

The network is that of examples/digits/train.py (scale, Conv, Relu, Conv, Relu, Gemm, Softmax), rebuilt in PyTorch from the file's weights; Foolbox attacks its logits. needs numpy, onnx, torch, foolbox.
"""
import argparse
import json
import pathlib
import subprocess
import tempfile

import foolbox
import numpy as np
import onnx
import torch
from onnx import numpy_helper

args = argparse.ArgumentParser(description=__doc__.split("\n")[0])
args.add_argument("--saha", required=True)
args.add_argument("--model", required=True)
args.add_argument("--test", required=True)
args.add_argument("--take", type=int, default=500)
args.add_argument("--steps", type=int, default=40)
args.add_argument("--restarts", type=int, default=1)
args.add_argument("--seeds", type=int, default=3)
args.add_argument("--linf", type=float, nargs="*", default=[8, 16, 24, 32])
args.add_argument("--l2", type=float, nargs="*", default=[128, 256, 384])
args = args.parse_args()

weights = {i.name: torch.tensor(np.array(numpy_helper.to_array(i))) for i in onnx.load(args.model).graph.initializer}


class Net(torch.nn.Module):
    def forward(self, x):
        x = torch.nn.functional.conv2d(x, weights["w1"], weights["b1"], stride=2).relu()
        x = torch.nn.functional.conv2d(x, weights["w2"], weights["b2"], stride=2).relu()
        return torch.nn.functional.linear(x.flatten(1), weights["w3"], weights["b3"])


with np.load(args.test) as d:
    x, y = d["x"][:args.take], d["y"][:args.take]
folder = tempfile.TemporaryDirectory()
at = pathlib.Path(folder.name)
np.savez(at / "test.npz", x=x.astype(np.float32), y=y.astype(np.int64))   # float32: points are not rounded to gray levels, as Foolbox does not
(at / "saha.yaml").write_text(f"saha: 1\nmodel: {{file: '{pathlib.Path(args.model).resolve()}', input: {{image: {{domain: [0, 255], unit: gray}}}}}}\ndata: {{test: {{npz: test.npz}}}}\n")

net = foolbox.PyTorchModel(Net().eval(), bounds=(0, 1), device="cpu")
xs, ys = torch.tensor(x.astype(np.float32) / 255), torch.tensor(y.astype(np.int64))
step = 1 / 30


def by_foolbox(norm, eps, seed):
    torch.manual_seed(seed)
    attack = (foolbox.attacks.LinfPGD if norm == "linf" else foolbox.attacks.L2PGD)(rel_stepsize=step, steps=args.steps, random_start=True)
    if args.restarts > 1:
        attack = attack.repeat(args.restarts)
    _, _, broken = attack(net, xs, ys, epsilons=eps / 255)
    right = net(xs).argmax(-1) == ys
    return int((broken & right).sum()), int(right.sum())


def by_saha(norm, eps, seed, attack="pgd"):
    steps = ["--steps", str(args.steps), "--step", str(step)] if attack == "pgd" else []
    done = subprocess.run([args.saha, "attack", args.model, "--data", str(at / "saha.yaml"), "--norm", norm, "--eps", str(eps), "--attack", attack, "--restarts", str(args.restarts), "--take", str(len(y)), "--seed", str(seed), "--json"] + steps,
                          capture_output=True, text=True, check=True)
    j = json.loads(done.stdout)
    return j["attacks"][-1]["broken"], j["right"]


print(f"{len(y)} samples, {args.steps} steps of 1/30 of the radius, {args.restarts} restart(s); broken of the right answers, by seed")
print("norm  radius   right   Foolbox PGD        saha PGD           saha APGD, DLR, Square")
worse = 0
for norm, radii in (("linf", args.linf), ("l2", args.l2)):
    for eps in radii:
        theirs = [by_foolbox(norm, eps, s)[0] for s in range(args.seeds)]
        ours = [by_saha(norm, eps, s) for s in range(args.seeds)]
        rest = by_saha(norm, eps, 0, "apgd,apgd-dlr,square")[0]
        worse += sum(theirs) - sum(o[0] for o in ours) > 0.01 * args.seeds * ours[0][1]      # random starts alone move a sample or two
        print(f"{norm:5} {eps:6g}  {ours[0][1]:6}   {str(theirs):18} {str([o[0] for o in ours]):18} {rest}", flush=True)
print("as strong within one point of the right answers, or stronger, everywhere" if not worse else f"weaker by more than a point in {worse} rows")
raise SystemExit(worse > 0)
