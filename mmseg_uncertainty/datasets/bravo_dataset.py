"""The nine subsets of BRAVO."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mmseg.datasets import CityscapesDataset
from mmseg.registry import DATASETS

from mmseg_uncertainty.label_values import OUTLIER

from .benchmark_dataset import BenchmarkDataset, chosen


@dataclass(frozen=True)
class Subset:
    """Where a subset lies.

    Args:
        folder: Folder of its images and of its labels.
        image_tail: End of the stems of images that labels lack.
        label_tail: End of the stems of its class labels.
        invalid_tail: End of the stems of the maps of what was altered.
    """

    folder: str
    image_tail: str = '_leftImg8bit'
    label_tail: str = '_gt_labelTrainIds'
    invalid_tail: str = '_gt_invIds'


SUBSETS = {
    **{f'ACDC{condition}': Subset(f'bravo_ACDC/{condition}', '_rgb_anon') for condition in ('fog', 'night', 'rain', 'snow')},
    'SMIYC': Subset('bravo_SMIYC', '', '_labels_semantic_fake', '_labels_semantic'),
    'outofcontext': Subset('bravo_outofcontext'),
    'synflare': Subset('bravo_synflare'),
    'synobjs': Subset('bravo_synobjs', '', '_gt', '_mask'),
    'synrain': Subset('bravo_synrain'),
}
LABELS = ('classes', 'invalid', 'joint')
PREFIX = 'bravo_GT'


@DATASETS.register_module()
class BravoDataset(BenchmarkDataset):
    """A subset of BRAVO: ``bravo_SUBSET/…/X.png``, and, where its ground truth is at hand, two maps for each image.

    The ground truth lies below ``bravo_GT`` as in the archive that the toolkit reads: train ids, 255 void, and a map that is not 0
    where the scene was altered (of SMIYC: where the anomaly is). It is hidden for most; images without it can be predicted and
    submitted. Vu et al., "The BRAVO Semantic Segmentation Challenge Results in UNCV2024", ECCV 2024 workshops.

    The pipeline loads both maps by :class:`~mmseg_uncertainty.datasets.transforms.LoadBravoLabels`.

    Args:
        data_root: Folder of all subsets.
        subset: One of :data:`SUBSETS`.
        labels: ``'classes'``: train ids, void where the scene was altered, since the semantic half measures valid pixels;
            ``'invalid'``: 0 where it was not altered, 1 where it was, for the out-of-distribution half; ``'joint'``: train ids,
            253 where it was altered, for both, named by ``novel_labels`` of the metainfo.
        labelled: Take the images with ground truth alone.
        options: See :class:`BenchmarkDataset`.

    Raises:
        ValueError: ``subset`` or ``labels`` are unknown.
    """

    def __init__(self, data_root: str, subset: str = 'ACDCfog', labels: str = 'classes', labelled: bool = True,
                 **options) -> None:
        self.subset = SUBSETS[chosen('BravoDataset', 'subset', subset, tuple(SUBSETS))]
        self.subset_name = subset
        self.kind = chosen('BravoDataset', 'labels', labels, LABELS)
        folder = self.subset.folder
        options.setdefault('data_prefix', dict(img_path=folder, seg_map_path=f'{PREFIX}/{folder}'))
        meta = dict(subset=subset)
        if labels != 'invalid':
            meta |= dict(CityscapesDataset.METAINFO, label_kind='classes')
        if labels == 'joint':
            meta |= dict(novel_labels=(OUTLIER, ))
        options['metainfo'] = meta | options.get('metainfo', {})
        super().__init__(labelled=labelled, data_root=str(data_root), image_tails=(self.subset.image_tail, ),
                         label_tails=(self.subset.label_tail, ), **options)

    def labels_in(self, folder: str | Path) -> dict[str, Path]:
        """Files of class labels by stem."""
        found = super().labels_in(folder)
        return {key: path for key, path in found.items() if path.stem.endswith(self.subset.label_tail)}

    def _sample(self, image: Path, labels: Path | None) -> dict:
        sample = super()._sample(image, labels)
        if labels is None:
            return sample
        invalid = labels.with_name(labels.name.replace(self.subset.label_tail, self.subset.invalid_tail))
        # Both maps are checked by the step that joins them.
        return dict(sample, label_values=[*range(19), 255], subset=self.subset_name, invalid_map_path=str(invalid),
                    bravo_labels=self.kind)
