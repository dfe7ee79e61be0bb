"""Test images of the study, scored by all heads of a base in one pass each and kept, so that a stopped study goes on."""
from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmseg.registry import DATASETS

from mmseg_uncertainty.apis.run_config import use_dataset
from mmseg_uncertainty.models import PosthocSegmentor
from mmseg_uncertainty.runtime.output_files import whole_file

from .models import CONFIGS, StudyBase, images_of

STEP = 4
BLOCK = 30
EVERY = 2
DEVELOPMENT_SEQUENCE = '0001TP'
TESTS = dict(camvid='mistakes, CamVid', fs_static='FS Static', fs_lost_found='FS Lost & Found', road_anomaly='RoadAnomaly')
"""Test sets with their titles; on CamVid positives are mistakes, elsewhere unknown objects."""


@dataclass(frozen=True)
class ScoredImage:
    """Known pixels of an image, of every fourth row and column.

    Args:
        name: Its file.
        develops: Whether choices are made on it; numbers are of the other images.
        scene: What is resampled together.
        positive: Which pixels are to be found, shape (n,), bool.
        scores: Of each head, shape (n,), float32.
    """

    name: str
    develops: bool
    scene: str
    positive: np.ndarray
    scores: dict[str, np.ndarray]


def scored_images(base: StudyBase, model: PosthocSegmentor, test: str, folder: Path) -> Iterator[ScoredImage]:
    """All images of a test set; those that a stopped study has scored are read."""
    config = base.config_of('COMBINED')
    use_dataset(config, Config.fromfile(CONFIGS / f'_base_/datasets/{test}.py'))
    dataset = DATASETS.build(config.test_dataloader.dataset)
    names = {index: Path(dataset.get_data_info(index)['img_path']).name for index in range(0, len(dataset), EVERY)}
    paths = {index: folder / test / f'{name}.npz' for index, name in names.items()}
    missing = [index for index, path in paths.items() if not path.is_file()]
    for index, (inputs, samples) in zip(missing, images_of(model, config.test_dataloader.dataset, missing, f'{base.title}: {test}')):
        _score(model, inputs, samples, test, paths[index])
    for index, name in names.items():
        kept = np.load(paths[index])
        scores = {head: kept[head] for head in kept.files if head != 'positive'}
        yield ScoredImage(name, _develops(test, name, index, len(dataset)), _scene(test, name, index), kept['positive'], scores)


def _develops(test: str, name: str, index: int, count: int) -> bool:
    """One of the two sequences of CamVid, half of the images of other sets in the order of their names."""
    return name.startswith(DEVELOPMENT_SEQUENCE) if test == 'camvid' else index < count // 2


def _scene(test: str, name: str, index: int) -> str:
    return f'{name.split("_")[0]} {index // BLOCK}' if test == 'camvid' else name


@torch.no_grad()
def _score(model: PosthocSegmentor, inputs, samples, test: str, path: Path) -> None:
    labels = samples[0].gt_sem_seg.data[0].cpu()[STEP // 2::STEP, STEP // 2::STEP]
    samples[0].set_metainfo(dict(ori_shape=tuple(labels.shape)))
    result = model.predict(inputs, samples)[0]
    known = labels != 255
    positive = (result.pred_sem_seg.data[0].cpu() != labels) if test == 'camvid' else labels == 1
    scores = {name: result.uncertainty.get(name).cpu().reshape(labels.shape)[known].numpy() for name in model.uncertainty_heads}
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as partial, open(partial, 'wb') as file:
        np.savez(file, positive=positive[known].numpy(), **scores)


@torch.no_grad()
def costs(model: PosthocSegmentor, size: tuple[int, int] = (360, 480), rounds: int = 3) -> dict[str, tuple[float, float]]:
    """Processor time of each head beside one pass of the base, and megabytes of its state.

    Args:
        model: The model.
        size: Height and width of the image.
        rounds: Runs of which the shortest counts.
    """
    inputs = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(0))

    def shortest(function) -> float:
        times = []
        for _ in range(rounds):
            start = time.process_time()
            function()
            times.append(time.process_time() - start)
        return min(times)

    base = shortest(lambda: model.pass_through(inputs, [{}]))
    passed = model.pass_through(inputs, [{}])
    found = {}
    for name, head in model.uncertainty_heads.items():
        if head.members:
            continue
        # Summaries are kept with the outputs, so each round has outputs of its own.
        seconds = shortest(lambda head=head: head(model.cells(passed) if head.resolution == 'native'
                                                  else model.at_output(passed.scores)))
        state = sum(values.numel() * values.element_size() for values in head.state_dict().values())
        found[name] = seconds / base, state / 1e6
    return found
