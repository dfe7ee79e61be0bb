"""A network of plain PyTorch, trained on rendered streets in a few minutes; nothing here knows of mmseg."""
import argparse
import os
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from mmseg_uncertainty.datasets.toy_roads import CLASSES, render_street_scene

MEAN, STD = torch.tensor([127.] * 3), torch.tensor([64.] * 3)
SIZE = (160, 256)
IGNORED = 255


class Block(nn.Module):
    """Two convolutions beside a short cut."""

    def __init__(self, channels, dilation):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation, bias=False), nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))

    def forward(self, maps):
        return F.relu(maps + self.layers(maps))


class RoadNet(nn.Module):
    """Logits at a quarter of the input, in a dict as many libraries return them."""

    def __init__(self, classes, channels=48):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, channels // 2, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(channels // 2), nn.ReLU(),
            nn.Conv2d(channels // 2, channels, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU())
        self.body = nn.Sequential(*[Block(channels, dilation) for dilation in (1, 2, 4, 8)])
        self.dropout = nn.Dropout2d(0.1)
        self.classifier = nn.Conv2d(channels, classes, 1)

    def forward(self, images):
        return dict(logits=self.classifier(self.dropout(self.body(self.stem(images)))))


def street(index):
    """Image (3, H, W), normalized RGB, and labels (H, W) of a training street."""
    image, labels = render_street_scene([0, 0, index], SIZE)
    if index % 2:
        image, labels = image[:, ::-1], labels[:, ::-1]
    pixels = torch.from_numpy(image.astype(np.float32)).movedim(2, 0)
    return (pixels - MEAN[:, None, None]) / STD[:, None, None], torch.from_numpy(labels.astype(np.int64))


def train(iterations, batch, seed=0):
    """Cross-entropy at the size of the labels, AdamW, one cycle."""
    torch.manual_seed(seed)
    network = RoadNet(len(CLASSES))
    optimizer = torch.optim.AdamW(network.parameters(), lr=4e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=iterations)
    for step in range(iterations):
        images, labels = (torch.stack(parts) for parts in zip(*[street(step * batch + index) for index in range(batch)]))
        logits = F.interpolate(network(images)['logits'], size=SIZE, mode='bilinear')
        loss = F.cross_entropy(logits, labels, ignore_index=IGNORED)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 50 == 0 or step == iterations - 1:
            print(f'{step:4d}  loss {loss.item():.3f}', flush=True)
    return network


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--out', type=Path, default=Path('work_dirs/road_net.pth'))
    parser.add_argument('--iterations', type=int, default=400)
    parser.add_argument('--batch', type=int, default=4)
    args = parser.parse_args()
    network = train(args.iterations, args.batch)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    partial = args.out.with_suffix('.partial')
    torch.save(network.state_dict(), partial)
    os.replace(partial, args.out)
    print(args.out)


if __name__ == '__main__':
    main()
