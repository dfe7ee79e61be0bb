"""Which calibration images fit what, so that no promise is made on images that something else was fitted on."""
from __future__ import annotations

import os
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import scipy
from torch.utils.data import Dataset

from mmseg_uncertainty.functional.conformal_splits import block_positions, check_distinct, frame_blocks, part_of

from .scene_overlap import data_root, name_below

SHARED = 'shared'
UNITS = ('known', 'image', 'block', 'sequence', 'scene')


@dataclass(frozen=True)
class Consumer:
    """Something that is fitted on calibration images.

    Args:
        name: Name of the module.
        promises: Whether it promises something of further images.
        shares: Shares of its images that it divides among steps of its own, in their order.
        reads: Names of the heads whose scores it reads.
    """

    name: str
    promises: bool = False
    shares: Mapping[str, float] = field(default_factory=dict)
    reads: frozenset[str] = frozenset()


@dataclass(frozen=True)
class CalibrationPlan:
    """Place images on [0, 1), units that stay together at one place, and give each consumer an interval of them.

    Images of one scene or one sequence are near copies of each other, so they stay together. Calibrators are fitted first
    and everything else reads what they return; so what promises something must not see their images.

    Args:
        dataset: Kind of the dataset, for messages.
        positions: Place of every image by its path; empty where the dataset does not name its images.
        names: How the plan is written down: path below the root of the data, by path.
        units: Number of units that stay together.
        seed: Seed of the order of the units.
        block_length: See :meth:`of_dataset`.
        intervals: Interval of each consumer by its name.
        consumers: The consumers, calibrators first.
        shared: Whether a promise was asked for on the images of a calibrator.
        unit: See :meth:`of_dataset`.
        groups: Number of the unit of every image by its path.
        trained: Paths that trained a head which a consumer reads, by its name.
    """

    dataset: str
    positions: Mapping[str, float]
    names: Mapping[str, str]
    units: int
    seed: int = 0
    block_length: int | None = None
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    consumers: tuple[Consumer, ...] = ()
    shared: bool = False
    unit: str = 'known'
    groups: Mapping[str, int] = field(default_factory=dict)
    trained: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @classmethod
    def of_dataset(cls, dataset: Dataset, block_length: int | None = None, seed: int = 0,
                   unit: str = 'known') -> CalibrationPlan:
        """A plan without consumers.

        Args:
            dataset: A dataset whose ``get_data_info`` names ``img_path`` and, where they are known, ``scene`` and
                ``sequence``.
            block_length: Cut sequences into blocks of so many neighbouring frames, for datasets of few sequences; blocks
                depend on their neighbours. ``None`` keeps sequences whole. Scenes whose frames have no order are never cut.
            seed: Seed of the order of the units.
            unit: What stays together: ``'known'`` whatever the dataset knows, scenes and sequences alike, else images;
                ``'scene'`` or ``'sequence'`` where every image must name its own; ``'block'`` of ``block_length`` frames;
                ``'image'``, which takes images as independent.

        Raises:
            ValueError: An image comes more than once, ``block_length`` is below 1, the unit is unknown, or images do not name
                theirs.
        """
        kind = type(dataset).__name__
        if not hasattr(dataset, 'get_data_info'):
            return cls(kind, {}, {}, 0, seed, block_length, unit=unit)
        infos = [dataset.get_data_info(index) for index in range(len(dataset))]
        paths = [str(info.get('img_path')) for info in infos]
        first: dict[str, str] = {}
        check_distinct([first.setdefault(os.path.realpath(path), path) for path in paths], f'CalibrationLoop: {kind}')
        units = units_of(_named_by(infos, unit, block_length, kind), block_length)
        root = data_root(dataset)
        positions = dict(zip(paths, block_positions(units, seed).tolist()))
        names = {path: name_below(root, path) for path in paths}
        return cls(kind, positions, names, len(set(units.tolist())), seed, block_length, unit=unit,
                   groups=dict(zip(paths, units.tolist())))

    def divided(self,
                calibrators: Sequence[Consumer],
                others: Sequence[Consumer],
                share: float | str | None = None) -> CalibrationPlan:
        """The plan with its consumers.

        Args:
            calibrators: What the others read.
            others: What is fitted after them.
            share: Share of the images for the calibrators alone, in (0, 1); ``None`` fits all on all images, which is
                refused where one of the others promises something, and ``'shared'`` fits all on all images whatever they
                promise.

        Raises:
            ValueError: A promise would be made on images of a calibrator, the images cannot be divided, or a part is empty.
        """
        promises = [consumer.name for consumer in others if consumer.promises]
        if calibrators and promises and share is None:
            raise ValueError(f'CalibrationLoop: {_listed(calibrators)} and {", ".join(promises)} would be fitted on the '
                             'same images, and a promise holds only for images that fitted nothing it reads. Give the '
                             "calibrator images of its own, train_cfg=dict(calibrator_share=0.25), or give up the promise "
                             "and fit both on all of them, train_cfg=dict(calibrator_share='shared').")
        cut = float(share) if calibrators and others and share not in (None, SHARED) else None
        if cut is not None and not self.positions:
            raise ValueError(f'CalibrationLoop: {self.dataset} does not name its images (get_data_info), so they cannot be '
                             "divided; leave out calibrator_share, or set it to 'shared'.")
        intervals = {consumer.name: (0.0, cut or 1.0) for consumer in calibrators}
        intervals |= {consumer.name: (cut or 0.0, 1.0) for consumer in others}
        plan = replace(self, intervals=intervals, consumers=(*calibrators, *others),
                       shared=bool(calibrators and promises and share == SHARED))
        plan._check_parts()
        return plan

    def without_training(self, trained: Mapping | None, share: float | str | None = None) -> CalibrationPlan:
        """The plan that makes promises of a score only on images, and units of them, that the score was not trained on.

        Args:
            trained: What heads learned from by gradient: ``heads`` (names) and ``images`` (below the root of the data);
                ``None`` where nothing is known.
            share: See :meth:`divided`; ``'shared'`` leaves nothing out.

        Raises:
            ValueError: A promise has no image left.
        """
        if not trained:
            return self
        seen = set(trained['images'])
        units = {self.groups[path] for path, name in self.names.items() if name in seen}
        paths = frozenset(path for path, unit in self.groups.items() if unit in units)
        left_out = {consumer.name: paths for consumer in self.consumers
                    if paths and consumer.promises and consumer.reads & set(trained['heads'])}
        if share == SHARED:
            return replace(self, shared=self.shared or bool(left_out))
        plan = replace(self, trained=left_out)
        empty = [name for name in left_out if not plan.parts()[name]]
        if empty:
            raise ValueError(f'CalibrationLoop: all images that {", ".join(empty)} may promise on trained the scores that it reads '
                             f'({", ".join(sorted(trained["heads"]))}), and a promise holds only for images that fitted nothing it '
                             "reads. Train on a part of the images (split=dict(part='calibration') of the dataset), calibrate on "
                             "others, or give up the promise with train_cfg=dict(calibrator_share='shared').")
        return plan

    def place(self, consumer: str, path: str) -> tuple[float | None, bool]:
        """Where an image stands among those of a consumer, ``None`` where that is unknown, and whether it is one of them."""
        if not self.positions:
            return None, True
        (low, high), position = self.intervals[consumer], self.positions[path]
        inside = low <= position < high and path not in self.trained.get(consumer, ())
        return (position - low) / (high - low), inside

    def unit_of(self, path: str | None) -> int | None:
        """Number of the unit of an image; ``None`` where the dataset names neither images nor, of any, scene or sequence."""
        return self.groups.get(str(path)) if self.units < len(self.positions) or self.unit != 'known' else None

    def parts(self) -> dict[str, list[str]]:
        """Names of the images of each consumer, or of each of its steps, ``NAME/STEP``; sorted."""
        parts: dict[str, list[str]] = {}
        for consumer in self.consumers:
            steps = [f'{consumer.name}/{step}' for step in consumer.shares] or [consumer.name]
            parts |= {step: [] for step in steps}
            for path in self.positions:
                position, inside = self.place(consumer.name, path)
                if inside:
                    step = part_of(position, tuple(consumer.shares.values())) if consumer.shares else 0
                    parts[steps[step]].append(self.names[path])
        return {name: sorted(images) for name, images in parts.items()}

    def record(self) -> dict:
        """The plan in plain values, for a checkpoint."""
        return dict(seed=self.seed, block_length=self.block_length, images=len(self.positions), units=self.units, unit=self.unit,
                    shared=self.shared, parts=self.parts())

    def _check_parts(self) -> None:
        empty = [name for name, images in self.parts().items() if not images]
        if self.positions and empty:
            blocks = 'sequences' if self.block_length is None else f'blocks of {self.block_length} frames'
            raise ValueError(f'CalibrationLoop: {len(self.positions)} images in {self.units} units that stay together '
                             f'({blocks} stay whole) leave none for {", ".join(empty)}. Calibrate on more scenes, change '
                             'the shares, or cut sequences into shorter blocks of frames, train_cfg=dict(block_length=10).')


def _named_by(infos: Sequence[Mapping], unit: str, block_length: int | None, kind: str) -> list[dict]:
    """Samples that name what stays together and nothing else."""
    if unit not in UNITS or (unit == 'block') > (block_length is not None):
        raise ValueError(f"CalibrationLoop: unit={unit!r} must be one of {UNITS}, and 'block' needs block_length.")
    keys = dict(image=(), scene=('scene', ), sequence=('sequence', )).get(unit, ('scene', 'sequence'))
    missing = [str(info.get('img_path')) for info in infos if unit in ('scene', 'sequence') and info.get(unit) is None]
    if missing:
        raise ValueError(f'CalibrationLoop: unit={unit!r}, and {len(missing)} images of {kind} name no {unit}, the first is '
                         f"{missing[0]}. Use unit='known', or 'image' where images do not depend on each other.")
    return [{key: info.get(key) for key in keys} for info in infos]


def units_of(infos: Sequence[Mapping], block_length: int | None = None) -> np.ndarray:
    """What stays together when images are divided: a scene, a sequence or a block of one, or a single image.

    Args:
        infos: Samples in the order of their frames, with ``scene`` and ``sequence`` where these are known.
        block_length: See :meth:`CalibrationPlan.of_dataset`.

    Returns:
        Number of the unit of every image, shape (n,), int64, numbered by first appearance.
    """
    images = [('image', index) for index in range(len(infos))]
    if block_length is None:
        links = [(image, (key, info[key])) for image, info in zip(images, infos) for key in ('scene', 'sequence')
                 if info.get(key) is not None]
        return _connected(images, links)
    places = [(info.get('scene'), info.get('sequence')) for info in infos]
    ordered = [place if place[1] is not None else image for place, image in zip(places, images)]
    blocks = frame_blocks(ordered, block_length).tolist()
    links = [(image, ('block', block)) for image, block in zip(images, blocks)]
    links += [(image, ('scene', scene)) for image, (scene, sequence) in zip(images, places)
              if sequence is None and scene is not None]
    return _connected(images, links)


def _connected(images: Sequence[Hashable], links: Sequence[tuple[Hashable, Hashable]]) -> np.ndarray:
    """Number of the group of every image, those with a link in common being in one."""
    numbers = {node: index for index, node in enumerate(dict.fromkeys([*images, *(place for _, place in links)]))}
    ends = np.array([[numbers[image], numbers[place]] for image, place in links], dtype=np.int64).reshape(-1, 2)
    graph = scipy.sparse.coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(len(numbers), ) * 2)
    labels = scipy.sparse.csgraph.connected_components(graph, directed=False)[1][:len(images)]
    _, first, groups = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[groups].astype(np.int64)


def _listed(consumers: Sequence[Consumer]) -> str:
    return ', '.join(consumer.name for consumer in consumers)
