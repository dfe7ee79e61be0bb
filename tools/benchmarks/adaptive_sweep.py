"""One pass of a frozen model over labelled images, kept as what sets that adapt depend on."""
from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import mmseg_uncertainty.registered  # noqa: F401  (connects the host before configs are read)
import numpy as np
import torch
from conformal_sweep import model_and_images
from mmengine.config import Config
from mmengine.runner import Runner

from mmseg_uncertainty.datasets.idd_lite_dataset import CLASS_GROUPS
from mmseg_uncertainty.functional.conformal_losses import ConformityTable, concatenate_tables, select_images, tabulate
from mmseg_uncertainty.functional.dilation_margins import tabulate_margins
from mmseg_uncertainty.functional.prediction_sets import SetFamily
from mmseg_uncertainty.functional.set_size_curves import size_histogram
from mmseg_uncertainty.label_values import VOID
from mmseg_uncertainty.models.set_heads.image_embedding import PARTS, ImageEmbedding
from mmseg_uncertainty.runtime.output_files import whole_file

TABLE_FIELDS = tuple(field.name for field in fields(ConformityTable))
GROUP_OF = np.append(np.array(CLASS_GROUPS['camvid']), VOID)


@dataclass(frozen=True)
class AdaptiveSweep:
    """What one pass leaves: tables of the classes of the model, of the seven groups of IDD-lite and of the margins of the masks,
    counts of the conformities of all classes, embeddings by part, and the sequence of each image."""

    classes: ConformityTable | None
    groups: ConformityTable
    margins: ConformityTable | None
    sizes: np.ndarray
    embeddings: dict[str, np.ndarray]
    sequences: np.ndarray

    def embedding(self, *parts: str) -> np.ndarray:
        """Some parts beside each other, shape (n, D)."""
        return np.concatenate([self.embeddings[part] for part in parts], axis=1)

    def one_of(self, every: int) -> AdaptiveSweep:
        """One out of so many images."""
        images = np.arange(0, len(self.sequences), every)
        tables = [table and select_images(table, images) for table in (self.classes, self.groups, self.margins)]
        return AdaptiveSweep(*tables, self.sizes[images], {part: values[images] for part, values in self.embeddings.items()},
                             self.sequences[images])

    def save(self, path: Path) -> None:
        """Write the sweep to one file."""
        tables = {name: getattr(self, name) for name in ('classes', 'groups', 'margins') if getattr(self, name) is not None}
        with whole_file(path) as partial, partial.open('wb') as file:
            np.savez_compressed(
                file, sequences=self.sequences, sizes=self.sizes, **{f'embedding.{part}': values for part, values in
                                                                    self.embeddings.items()},
                **{f'{name}.{field}': getattr(table, field) for name, table in tables.items() for field in TABLE_FIELDS})

    @classmethod
    def load(cls, path: Path) -> AdaptiveSweep:
        """Read a sweep back."""
        with np.load(path, allow_pickle=False) as arrays:
            tables = [ConformityTable(*(arrays[f'{name}.{field}'] for field in TABLE_FIELDS)) if f'{name}.image' in arrays else None
                      for name in ('classes', 'groups', 'margins')]
            return cls(*tables, arrays['sizes'], {part: arrays[f'embedding.{part}'] for part in PARTS}, arrays['sequences'])


def images_of(config: str, checkpoint: str, name: str):
    """Model, and the images of ``'clean'``, of a corruption such as ``'fog:3'``, or of ``'idd_lite'``."""
    corruption, _, severity = name.partition(':')
    model, loader = model_and_images(config, checkpoint, corruption if severity else None, int(severity or 1))
    if name == 'idd_lite':
        other = Config.fromfile('local_configs/_base_/datasets/idd_lite_for_camvid.py').test_dataloader
        other.update(num_workers=0, persistent_workers=False)
        loader = Runner.build_dataloader(other)
    return model, loader


@torch.no_grad()
def adaptive_sweep(model, images, grouped: bool, every: int = 1) -> AdaptiveSweep:
    """Run the model once over one out of ``every`` images; ``grouped`` says that labels are the seven groups already."""
    family, embeds = SetFamily('lac'), {part: ImageEmbedding([part], model.num_classes) for part in PARTS}
    kept: dict[str, list] = {name: [] for name in ('classes', 'groups', 'margins', 'sizes', 'sequences')}
    embedded: dict[str, list] = {part: [] for part in PARTS}
    members = [torch.from_numpy(np.flatnonzero(GROUP_OF[:-1] == group)) for group in range(7)]
    for index in range(0, len(images.dataset), every):
        batch = images.collate_fn([images.dataset[index]])
        data = model.data_preprocessor(batch, False)
        outputs = model.frozen_outputs(data['inputs'], data['data_samples'])
        probabilities = outputs.logits.softmax(dim=1)
        labels = torch.stack([sample.gt_sem_seg.data[0] for sample in data['data_samples']]).long()
        for part, embed in embeds.items():
            embedded[part].append(embed(outputs, probabilities).numpy())
        conformity = family.conformity(probabilities)
        if not grouped:
            filled = labels.masked_fill(labels == VOID, 0)
            kept['classes'].append(tabulate(conformity.gather(1, filled[:, None])[:, 0], labels, model.num_classes))
            kept['margins'].append(tabulate_margins(probabilities.argmax(1).numpy(), labels.numpy(), model.num_classes))
            labels = torch.from_numpy(GROUP_OF)[labels.masked_fill(labels == VOID, len(GROUP_OF) - 1)]
        merged = torch.stack([conformity[:, own].amax(dim=1) for own in members], dim=1)
        own = merged.gather(1, labels.masked_fill(labels == VOID, 0)[:, None])[:, 0]
        kept['groups'].append(tabulate(own, labels, len(members)))
        kept['sizes'].append(size_histogram(family, probabilities, labels != VOID).numpy())
        kept['sequences'] += [Path(sample.img_path).stem.split('_')[0] for sample in data['data_samples']]
        print(f'{index + 1} of {len(images.dataset)}', flush=True)
    tables = [concatenate_tables(kept[name]) if kept[name] else None for name in ('classes', 'groups', 'margins')]
    return AdaptiveSweep(*tables, np.concatenate(kept['sizes']), {part: np.concatenate(embedded[part]) for part in PARTS},
                         np.array(kept['sequences']))


def cached_sweep(folder: Path, config: str, checkpoint: str, name: str, every: int = 1) -> AdaptiveSweep:
    """The sweep of a file, or passed through the model and written there."""
    path = folder / f'{name.replace(":", "_")}{f"_{every}" if every > 1 else ""}.npz'
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        adaptive_sweep(*images_of(config, checkpoint, name), name == 'idd_lite', every).save(path)
    return AdaptiveSweep.load(path)
