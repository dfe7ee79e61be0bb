"""What the files of ``infer`` cost beside the prediction, of photos and videos of rendered streets."""
from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import cv2
import mmseg_uncertainty.registered  # noqa: F401  (connects the host before configs are read)
import numpy as np
import torch
from side_by_side import extra_megabytes, row, run_benchmark, seconds_in_turns

from mmseg_uncertainty.apis import UncertaintyInferencer
from mmseg_uncertainty.datasets.toy_roads import render_street_scene

MODELS = {'SegFormer-B0': 'segformer_b0_camvid', 'DeepLabV3+ MobileNetV2': 'deeplabv3plus_mnv2_camvid'}


def street(size: tuple[int, int]) -> np.ndarray:
    """A rendered street of this height and width with the noise of a camera, BGR."""
    image = cv2.resize(render_street_scene((1, 2), (750, 1000), anomalies=True)[0], size[::-1], interpolation=cv2.INTER_CUBIC)
    noise = np.random.default_rng(0).integers(-6, 7, image.shape, np.int8)
    return np.clip(image[..., ::-1].astype(np.int16) + noise, 0, 255).astype(np.uint8)


def film(path: Path, size: tuple[int, int], frames: int) -> Path:
    """A video that pans over a street."""
    wide = street((size[0], size[1] + 4 * frames))
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'mp4v'), 25, size[::-1])
    for frame in range(frames):
        writer.write(np.ascontiguousarray(wide[:, 4 * frame:4 * frame + size[1]]))
    writer.release()
    return path


def files(title: str, model: str, quick: bool) -> Iterator[dict]:
    """Rows of a photo and a video: what the files of ``infer`` by default take beside reading, predicting and summing up."""
    photo, clip = ((750, 1000), (180, 320)) if quick else ((3000, 4000), (720, 1280))
    frames, inferencer = 4 if quick else 24, UncertaintyInferencer(model, device='cpu', show_progress=False)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'photo.png'
        cv2.imwrite(str(path), street(photo))
        inputs = {f'photo {photo[1]}x{photo[0]}': path,
                  f'video of {frames} frames {clip[1]}x{clip[0]}': film(Path(folder) / 'film.mp4', clip, frames)}
        for name, source in inputs.items():
            plain, drawn = partial(inferencer, source), partial(inferencer, source, out_dir=f'{folder}/out')
            seconds = seconds_in_turns(dict(plain=plain, drawn=drawn), 1 if quick else 5)
            yield row(f'{title}, {name}', seconds['drawn'] - seconds['plain'], seconds['plain'], 's',
                      f'four scores, default --save, threads: {torch.get_num_threads()}')
            yield row(f'{title}, {name}, memory', extra_megabytes(drawn), extra_megabytes(plain), 'MB',
                      'growth of the resident memory at its peak, with files and without')


def rows(args: argparse.Namespace) -> Iterator[dict]:
    """Two models that are quick on a CPU, so that files weigh most."""
    cv2.setNumThreads(args.threads)
    for title, model in MODELS.items():
        yield from files(title, model, args.quick)


if __name__ == '__main__':
    run_benchmark(__doc__, rows)
