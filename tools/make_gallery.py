"""Draw every score that one network has on one rendered street with unknown objects, and write docs/gallery.md.

Scores that must be fitted are fitted on rendered streets first; nothing is downloaded.
"""
from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

import mmseg_uncertainty.registered  # noqa: F401  (connects the host before configs are read)

from mmseg_uncertainty.apis import UncertaintyInferencer, fit
from mmseg_uncertainty.apis.model_index import resolve_model
from mmseg_uncertainty.datasets import ToyRoadsDataset
from mmseg_uncertainty.datasets.toy_roads import CLASSES, render_street_scene
from mmseg_uncertainty.models.score_meanings import SCORE_MEANINGS
from mmseg_uncertainty.runtime.output_files import whole_file
from mmseg_uncertainty.runtime.overlays import overlay_classes, overlay_scores
from mmseg_uncertainty.visualization.uncertainty_figure import prediction_of

DOCS = Path(__file__).resolve().parents[1] / 'docs'
BASE, FLOWS = 'segformer_b0_toy_roads', 'segformer_b0_toy_roads_FED_CRC'
PALETTE = ToyRoadsDataset.METAINFO['palette']
FITTED = ('baselines', 'detectors')
TITLE = """# Gallery

One rendered street with unknown objects, one SegFormer-B0, and its scores; brighter is more uncertain. The ends of the colours
are the 1st and 99th percentile of each map, so compare where a map is bright, not how bright. Scores of ensembles and of mask
transformers need other models and are not shown. Written by `python tools/make_gallery.py`.

[Which method do I take?](choosing.md) has numbers, [Methods](methods.md) the sources.
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--images', type=int, default=60, metavar='N', help='streets to fit scores on; default: %(default)s')
    parser.add_argument('--seed', type=int, default=7, metavar='N', help='of the street that is shown; default: %(default)s')
    parser.add_argument('--docs', type=Path, default=DOCS, metavar='DIR', help='write gallery.md and pictures/gallery here')
    args = parser.parse_args(arguments)
    street = render_street_scene([args.seed], anomalies=True, conditions=['sunny'])[0]
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = fit_scores(Path(folder), args.images)
        models = [UncertaintyInferencer(str(checkpoint.with_suffix('.py')), checkpoint, 'cpu', show_progress=False),
                  UncertaintyInferencer(FLOWS, device='cpu', show_progress=False)]
        shown = pictures_of(models, street)
    for name, (_, picture) in shown.items():
        save(args.docs / f'pictures/gallery/{name}.webp', picture)
    parts = [TITLE, *(f'## {name}\n\n{text}\n\n![{name}](pictures/gallery/{name}.webp)\n' for name, (text, _) in shown.items())]
    with whole_file(args.docs / 'gallery.md') as partial:
        partial.write_text('\n'.join(parts), encoding='utf-8')


def fit_scores(folder: Path, count: int) -> Path:
    """A checkpoint with the scores that need fitting, fitted on rendered streets; its config lies beside it."""
    for kind in ('images', 'labels'):
        (folder / kind).mkdir()
    for index in range(count):
        image, labels = render_street_scene([1, index])
        cv2.imwrite(str(folder / f'images/{index:03}.png'), image[..., ::-1])
        cv2.imwrite(str(folder / f'labels/{index:03}.png'), labels)
    (folder / 'classes.txt').write_text('\n'.join(CLASSES), encoding='utf-8')
    config, weights = resolve_model(BASE, None)
    return fit(str(config), weights, list(FITTED), folder / 'images', folder / 'labels', folder / 'classes.txt',
               folder / 'scores.pth', work_dir=folder / 'fit', workers=0)


def pictures_of(models: Sequence[UncertaintyInferencer], street: np.ndarray) -> dict[str, tuple[str, np.ndarray]]:
    """What each picture shows, and the picture, by name: the image, its prediction, and every score once."""
    shown = {'image': ('The street.', street)}
    for model in models:
        sample, = model(street[..., ::-1].copy(), return_datasamples=True)['predictions']
        prediction = prediction_of(sample)
        shown.setdefault('prediction', ('The predicted classes.', overlay_classes(street, prediction.labels, PALETTE)))
        for name, head in model.model.uncertainty_heads.items():
            text = f'{SCORE_MEANINGS[type(head).__name__]} Unit: {model.scales[name].units}.'
            shown.setdefault(name, (text, overlay_scores(street, prediction.uncertainty[name], opacity=0.85)))
    return shown


def save(path: Path, picture: np.ndarray) -> None:
    """Write a picture at twice its size."""
    with whole_file(path) as partial:
        Image.fromarray(picture.repeat(2, axis=0).repeat(2, axis=1)).save(partial, format='WEBP', quality=80)


if __name__ == '__main__':
    main()
