"""Draw every score that one network, or an ensemble of it, has on one rendered street, and write docs/gallery.md.

Scores that must be fitted are fitted on rendered streets first, and members of the ensemble trained on them; nothing is downloaded.
"""
from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from mmengine.runner import Runner
from PIL import Image

import mmseg_uncertainty.registered  # noqa: F401  (connects the host before configs are read)

from mmseg_uncertainty.apis import UncertaintyInferencer, fit
from mmseg_uncertainty.apis.config_files import load_config
from mmseg_uncertainty.apis.model_index import resolve_model
from mmseg_uncertainty.apis.run_config import add_hooks
from mmseg_uncertainty.datasets import ToyRoadsDataset
from mmseg_uncertainty.datasets.toy_roads import CLASSES, render_street_scene
from mmseg_uncertainty.models.score_meanings import SCORE_MEANINGS
from mmseg_uncertainty.runtime.output_files import whole_file
from mmseg_uncertainty.runtime.overlays import overlay_classes, overlay_scores
from mmseg_uncertainty.visualization.uncertainty_figure import prediction_of

DOCS = Path(__file__).resolve().parents[1] / 'docs'
BASE, FLOWS = 'segformer_b0_toy_roads', 'segformer_b0_toy_roads_FED_CRC'
PALETTE = ToyRoadsDataset.METAINFO['palette']
FITTED = ('baselines', 'detectors', 'knn_energy')
MEMBERS = 3
TITLE = """# Gallery

One rendered street with unknown objects, one SegFormer-B0, and its scores; brighter is more uncertain. The ends of the colours
are the 1st and 99th percentile of each map, so compare where a map is bright, not how bright. The ensemble is the network and two
copies of it that learned on from other batches. Scores of masks (RbA, Maskomaly) need a mask transformer and are not shown. Written
by `python tools/make_gallery.py`.

[Which method do I take?](choosing.md) has numbers, [Methods](methods.md) the sources.
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--images', type=int, default=60, metavar='N', help='streets to fit scores on; default: %(default)s')
    parser.add_argument('--iterations', type=int, default=20, metavar='N',
                        help='batches that members of the ensemble learn from; default: %(default)s')
    parser.add_argument('--seed', type=int, default=7, metavar='N', help='of the street that is shown; default: %(default)s')
    parser.add_argument('--docs', type=Path, default=DOCS, metavar='DIR', help='write gallery.md and pictures/gallery here')
    args = parser.parse_args(arguments)
    street = render_street_scene([args.seed], anomalies=True, conditions=['sunny'])[0]
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = fit_scores(Path(folder), args.images)
        models = [UncertaintyInferencer(str(checkpoint.with_suffix('.py')), checkpoint, 'cpu', show_progress=False),
                  UncertaintyInferencer(FLOWS, device='cpu', show_progress=False),
                  ensemble(Path(folder), args.iterations)]
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


def ensemble(folder: Path, iterations: int) -> UncertaintyInferencer:
    """The shipped network beside copies that learned on, each from batches of its own, with scores that no other model has."""
    config, weights = resolve_model(BASE, None)
    members = []
    for seed in range(1, MEMBERS):
        run = load_config(config)
        run.merge_from_dict(dict(load_from=str(weights), randomness=dict(seed=seed), work_dir=str(folder / f'member_{seed}'),
                                 experiment_name=f'member_{seed}'))
        run.default_hooks.checkpoint.update(interval=iterations, save_best=None)
        run.train_cfg = dict(type='IterBasedTrainLoop', max_iters=iterations)
        run.train_dataloader.update(num_workers=0, persistent_workers=False)
        run.param_scheduler = run.val_dataloader = run.val_cfg = run.val_evaluator = None
        add_hooks(run, need_heads=False)
        Runner.from_cfg(run).train()
        members.append(str(folder / f'member_{seed}/iter_{iterations}.pth'))
    together = load_config(config)
    together.model.update(type='EnsembleSegmentor', members=members, uncertainty_heads=dict(
        mutual_information=dict(type='EnsembleHead'), softmax_deviation=dict(type='SoftmaxDeviationHead')))
    return UncertaintyInferencer(together, weights, 'cpu', show_progress=False)


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
