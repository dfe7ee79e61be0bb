"""Fits what is fitted by streaming statistics: one pass over the calibration set per stage, base model frozen."""
from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import torch
from mmengine.dataset import InfiniteSampler
from mmengine.dist import barrier, is_main_process
from mmengine.model import is_model_wrapper
from mmengine.runner import BaseLoop
from mmengine.runner.checkpoint import weights_to_cpu
from mmseg.registry import LOOPS
from mmseg.structures import SegDataSample
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from mmseg_uncertainty.engine.resuming import note_last_checkpoint
from mmseg_uncertainty.functional.conformal_splits import block_positions, frame_blocks
from mmseg_uncertainty.models.fittable import Fittable
from mmseg_uncertainty.runtime.freed_memory import FreedMemory
from mmseg_uncertainty.structures import FrozenOutputs


@LOOPS.register_module()
class CalibrationLoop(BaseLoop):
    """Fit every :class:`~mmseg_uncertainty.models.fittable.Fittable` of the model, then save an ordinary checkpoint.

    Use as ``train_cfg=dict(type='CalibrationLoop')``. Calibrators are fitted before anything else, because scores and
    prediction sets read calibrated logits. Every image is seen once per stage; parameters never change. The training
    hooks of the runner see every batch, so that its progress bar and log work as in training.

    A promise needs images that nothing else was fitted on. ``calibrator_share`` leaves some to the calibrator alone,
    and ``metas`` tell heads that divide images themselves where each stands (``calibration_position``, in [0, 1)); both
    keep neighbouring frames together where the dataset knows sequences.

    Args:
        runner: The runner.
        dataloader: Dataloader, or its config, of the calibration set; its sampler must visit each image once.
        filename: Name of the checkpoint in the work folder.
        calibrator_share: Share of the images, in (0, 1), that fit the calibrator, the others fitting what reads its
            logits; ``None`` fits both on all.
        block_length: Neighbouring frames of a sequence that stay together.
        seed: Seed of the division.

    Raises:
        ValueError: The sampler does not visit each image once, or the share is out of range.
    """

    def __init__(self,
                 runner,
                 dataloader: DataLoader | dict,
                 filename: str = 'calibrated.pth',
                 calibrator_share: float | None = None,
                 block_length: int = 10,
                 seed: int = 0) -> None:
        super().__init__(runner, dataloader)
        if calibrator_share is not None and not 0 < calibrator_share < 1:
            raise ValueError(f'CalibrationLoop: calibrator_share={calibrator_share} must lie strictly between 0 and 1.')
        self.filename = filename
        self.calibrator_share = calibrator_share
        self._iter = 0
        self._epoch = 0
        self._check_sampler()
        self._positions = image_positions(self.dataloader.dataset, block_length, seed)
        if calibrator_share is not None and not self._positions:
            raise ValueError(f'CalibrationLoop: {type(self.dataloader.dataset).__name__} does not name its images '
                             '(get_data_info), so they cannot be divided; leave out calibrator_share.')

    @property
    def iter(self) -> int:
        """Batches seen so far, over all passes."""
        return self._iter

    @property
    def epoch(self) -> int:
        """Passes finished so far."""
        return self._epoch

    @property
    def max_iters(self) -> int:
        """Batches of all passes."""
        return len(self._passes()) * len(self.dataloader)

    @property
    def max_epochs(self) -> int:
        """Passes over the calibration set."""
        return len(self._passes())

    @property
    def model(self) -> nn.Module:
        """The model, without its wrapper."""
        model = self.runner.model
        return model.module if is_model_wrapper(model) else model

    def run(self) -> nn.Module:
        """Fit and save.

        Returns:
            The fitted model.

        Raises:
            ValueError: Nothing in the model is fitted by statistics.
        """
        passes = self._passes()
        if not passes:
            raise ValueError('CalibrationLoop: no part of the model is fitted by statistics. Add a calibrator, a set head '
                             "or a fitted uncertainty head to the config's model, or train with IterBasedTrainLoop.")
        self.runner.call_hook('before_train')
        self.runner.model.eval()
        for stage, modules, part in passes:
            self._stream(stage, modules, part)
            self._epoch += 1
        self._save()
        self.runner.call_hook('after_train')
        return self.runner.model

    def _passes(self) -> list[tuple[int, dict[str, Fittable], tuple[float, float]]]:
        """Stage and modules of each pass over the data, in order, and the part of the images that it sees."""
        fitted = {name: module for name, module in self.model.named_modules() if isinstance(module, Fittable)}
        calibrators = {name: module for name, module in fitted.items() if name.startswith('calibrator')}
        others = {name: module for name, module in fitted.items() if name not in calibrators}
        divides = self.calibrator_share is not None and calibrators and others
        cut = self.calibrator_share if divides else None
        passes = []
        for group, part in ((calibrators, (0.0, cut or 1.0)), (others, (cut or 0.0, 1.0))):
            for stage in range(max((module.stages for module in group.values()), default=0)):
                passes.append((stage, {name: module for name, module in group.items() if module.stages > stage}, part))
        return passes

    @torch.no_grad()
    def _stream(self, stage: int, modules: dict[str, Fittable], part: tuple[float, float]) -> None:
        self.runner.logger.info(f'Fitting {", ".join(modules)}: pass {self.epoch + 1} of {self.max_epochs}')
        for module in modules.values():
            module.start_stage(stage)
        freed_memory = FreedMemory()
        for outputs, labels, metas in self._batches(part):
            for module in modules.values():
                module.update(outputs, labels, metas)
            freed_memory.after(labels.numel())
        for module in modules.values():
            module.merge_ranks()
            module.finish_stage(stage)

    def _batches(self, part: tuple[float, float]) -> Iterator[tuple[FrozenOutputs, Tensor, list[dict]]]:
        # No hook hears of the end of the epoch: checkpoint hooks would save a model that is fitted in part.
        self.runner.call_hook('before_train_epoch')
        for index, batch in enumerate(self.dataloader):
            self.runner.call_hook('before_train_iter', batch_idx=index, data_batch=batch)
            places = [self._position(sample, part) for sample in batch['data_samples']]
            kept = [place for place, (_, inside) in enumerate(places) if inside]
            if kept:
                chosen = {key: [values[place] for place in kept] for key, values in batch.items()}
                yield self._outputs(chosen, [places[place][0] for place in kept])
            self.runner.call_hook('after_train_iter', batch_idx=index, data_batch=batch)
            self._iter += 1

    def _position(self, sample: SegDataSample, part: tuple[float, float]) -> tuple[float | None, bool]:
        """Where an image stands in a part, ``None`` where that is unknown, and whether it belongs to it."""
        if not self._positions:
            return None, True
        (low, high), position = part, self._positions[str(sample.metainfo['img_path'])]
        return (position - low) / (high - low), low <= position < high

    def _outputs(self, batch: dict, positions: list[float | None]) -> tuple[FrozenOutputs, Tensor, list[dict]]:
        data = self.model.data_preprocessor(batch, False)
        samples = data['data_samples']
        labels = torch.stack([sample.gt_sem_seg.data[0] for sample in samples]).long()
        outputs = self.model.frozen_outputs(data['inputs'], samples)
        if outputs.logits.shape[-2:] != labels.shape[-2:]:
            name = samples[0].metainfo.get('img_path', 'the first image')
            raise ValueError(f'CalibrationLoop: labels of {name} have {tuple(labels.shape[-2:])} pixels and its logits '
                             f'{tuple(outputs.logits.shape[-2:])}. '
                             'Load the annotations in the pipeline as the test pipeline does.')
        return outputs, labels, [dict(sample.metainfo, calibration_position=position)
                                 for sample, position in zip(samples, positions)]

    def _save(self) -> None:
        """Write the checkpoint beside its place and move it there, so that no half checkpoint is ever found."""
        if is_main_process():
            folder = Path(self.runner.work_dir)
            path, partial = folder / self.filename, folder / f'.{self.filename}.partial'
            checkpoint = dict(meta=self._meta(), state_dict=weights_to_cpu(self.model.state_dict()))
            self.runner.call_hook('before_save_checkpoint', checkpoint=checkpoint)
            torch.save(checkpoint, partial)
            os.replace(partial, path)
            note_last_checkpoint(folder, self.filename)
            self.runner.logger.info(f'Saved {path}')
        barrier()

    def _meta(self) -> dict:
        """What a checkpoint of mmengine says of itself, in plain values."""
        metainfo = getattr(self.dataloader.dataset, 'metainfo', {})
        return dict(
            iter=self.iter,
            epoch=self.epoch,
            cfg=self.runner.cfg.pretty_text,
            dataset_meta={key: metainfo[key] for key in ('classes', 'palette', 'split') if key in metainfo})

    def _check_sampler(self) -> None:
        """Refuse dataloaders that repeat or drop images."""
        sampler, size = self.dataloader.sampler, len(self.dataloader.dataset)
        padded = getattr(sampler, 'total_size', size) != size
        if not size or padded or isinstance(sampler, InfiniteSampler) or self.dataloader.drop_last:
            raise ValueError(f'CalibrationLoop: {type(sampler).__name__} over {size} images does not visit each image once. '
                             "Use sampler=dict(type='DefaultSampler', shuffle=False, round_up=False), keep drop_last off, "
                             'and check that the dataset is not empty.')


def image_positions(dataset: Dataset, block_length: int, seed: int) -> dict[str, float]:
    """Where each image stands when blocks of neighbouring frames are shuffled; see :func:`block_positions`.

    Args:
        dataset: A dataset whose ``get_data_info`` names ``img_path`` and, where it is known, ``sequence``.
        block_length: Frames per block; images without a sequence are blocks of their own.
        seed: Seed of the shuffle.

    Returns:
        Position in [0, 1) by path; empty where the dataset does not name its images.
    """
    if not hasattr(dataset, 'get_data_info'):
        return {}
    infos = [dataset.get_data_info(index) for index in range(len(dataset))]
    sequences = [info.get('sequence', index) for index, info in enumerate(infos)]
    positions = block_positions(frame_blocks(sequences, block_length), seed)
    return dict(zip((str(info.get('img_path')) for info in infos), positions))
