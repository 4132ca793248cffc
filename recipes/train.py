"""Train a shipped model from its recipe: ``python recipes/train.py recipes/fast-gray.toml --out runs/fast-gray``."""

import argparse
import logging
import os
from pathlib import Path

import numpy as np
import torch
from limpid.models.architectures.unet import UNet
from limpid.training.config import TrainConfig
from limpid.training.data import Pool, load_pictures, reduce, split_names
from limpid.training.loop import Trainer

parser = argparse.ArgumentParser()
parser.add_argument("recipe", type=Path)
parser.add_argument("--out", type=Path, required=True)
parser.add_argument("--steps", type=int)
args = parser.parse_args()
logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
cfg = TrainConfig.from_toml(args.recipe)
if args.steps:
    import dataclasses
    cfg = dataclasses.replace(cfg, steps=args.steps)
folder = Path(os.environ["LIMPID_DATA"]) / "train" / "open"
train, held = split_names([p.name for p in folder.glob("*.avif")], validation_share=cfg.data.validation_share)
logging.info("%d pictures, %d held out", len(train), len(held))
pool = Pool(load_pictures(folder, train), cfg.data)
val = Pool(load_pictures(folder, held), cfg.data).pictures
crops = []
for p in val:
    f = max(1, min(p.shape[:2]) // 256)
    r = reduce(p, min(f, 2))
    h, w = r.shape[:2]
    crops.append(r[(h - 256) // 2:(h - 256) // 2 + 256, (w - 256) // 2:(w - 256) // 2 + 256].transpose(2, 0, 1))
clean = torch.from_numpy(np.stack(crops))

def validate(net):
    out = {}
    for s in (15, 25, 50):
        g = torch.Generator().manual_seed(s)
        noisy = clean + s / 255 * torch.randn(clean.shape, generator=g)
        psnr = []
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            for i in range(0, len(clean), 8):
                n = noisy[i:i + 8].contiguous(memory_format=torch.channels_last)
                r = net(n, torch.full_like(n, s / 255)).float() + n
                psnr += (-10 * ((r - clean[i:i + 8]) ** 2).mean((1, 2, 3)).log10()).tolist()
        out[f"psnr_{s}"] = float(np.mean(psnr))
    return out

torch.manual_seed(cfg.seed)
net = UNet(**cfg.architecture.parameters)
if cfg.start_from:
    from safetensors.torch import load_file
    prev = load_file(cfg.start_from)
    own = net.state_dict()
    use = {k: prev["average." + k] for k in own if prev["average." + k].shape == own[k].shape}
    logging.info("starting from %d of %d tensors", len(use), len(own))
    net.load_state_dict({**own, **use})
Trainer(cfg, network=net, pool=pool, folder=args.out, validate=validate).run()
