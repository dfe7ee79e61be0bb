"""One pass of a frozen model over labelled images, kept as everything that prediction sets depend on."""
from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import mmseg_uncertainty.registered  # noqa: F401  (connects the host before configs are read)
import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmengine.runner.checkpoint import load_checkpoint
from mmseg.registry import MODELS

from mmseg_uncertainty.apis import corrupt_test_images
from mmseg_uncertainty.engine.checkpoints import load_checkpoints_safely
from mmseg_uncertainty.functional.conformal_losses import ConformityTable, concatenate_tables, tabulate
from mmseg_uncertainty.functional.prediction_sets import SetFamily
from mmseg_uncertainty.functional.set_size_curves import mean_sizes, size_histogram
from mmseg_uncertainty.label_values import VOID

DATA = os.environ.get('DATA_ROOT', 'data')
TABLE_FIELDS = ('image', 'label', 'conformity', 'count', 'pixels')


@dataclass(frozen=True)
class Sweep:
    """What one pass leaves: the table of the labels, counts of the conformities of all classes, sequences, and its cost."""

    table: ConformityTable
    class_histogram: np.ndarray
    sequences: np.ndarray
    seconds_model: float
    seconds_table: float

    def mean_sizes(self, thresholds: np.ndarray) -> np.ndarray:
        """Classes per labelled pixel of every image, shape (n, Q)."""
        return mean_sizes(self.class_histogram, self.table.pixels.sum(axis=1), thresholds)

    def save(self, path: Path) -> None:
        """Write the sweep to one file."""
        np.savez_compressed(
            path, class_histogram=self.class_histogram, sequences=self.sequences,
            seconds=[self.seconds_model, self.seconds_table],
            **{field: getattr(self.table, field) for field in TABLE_FIELDS})

    @classmethod
    def load(cls, path: Path) -> Sweep:
        """Read a sweep back."""
        with np.load(path, allow_pickle=False) as arrays:
            table = ConformityTable(*(arrays[field] for field in TABLE_FIELDS))
            return cls(table, arrays['class_histogram'], arrays['sequences'], *map(float, arrays['seconds']))


def model_and_images(config: str, checkpoint: str, corruption: str | None = None, severity: int = 1):
    """The base model of a config and the dataloader of all its test images, both halves of a split included."""
    config = Config.fromfile(config)
    init_default_scope('mmseg')
    load_checkpoints_safely()
    config.test_dataloader.dataset.pop('split', None)
    config.model.pop('set_head', None)
    if corruption:
        corrupt_test_images(config, corruption, severity)
    model = MODELS.build(config.model).eval()
    load_checkpoint(model, checkpoint, map_location='cpu')
    return model, Runner.build_dataloader(config.test_dataloader)


@torch.no_grad()
def sweep(model, images, family: SetFamily, limit: int | None = None) -> Sweep:
    """Run the model once over the images and tabulate their conformities."""
    tables, histograms, sequences, seconds = [], [], [], np.zeros(2)
    for index, batch in enumerate(images):
        if index == limit:
            break
        begin = time.perf_counter()
        data = model.data_preprocessor(batch, False)
        samples = data['data_samples']
        probabilities = model.frozen_outputs(data['inputs'], samples).logits.softmax(dim=1)
        middle = time.perf_counter()
        labels = torch.stack([sample.gt_sem_seg.data[0] for sample in samples]).long()
        valid = labels != VOID
        conformity = family.label_conformity(probabilities, labels.masked_fill(~valid, 0))
        tables.append(tabulate(conformity, labels, probabilities.shape[1]))
        histograms.append(size_histogram(family, probabilities, valid))
        sequences += [Path(sample.img_path).stem.split('_')[0] for sample in samples]
        seconds += [middle - begin, time.perf_counter() - middle]
    return Sweep(concatenate_tables(tables), torch.cat(histograms).numpy(), np.array(sequences), *seconds)
