"""Fits what is fitted by streaming statistics: one pass over the calibration set per stage, base model frozen."""
from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import torch
from mmengine.dataset import InfiniteSampler
from mmengine.dist import barrier, is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.runner import BaseLoop
from mmengine.runner.checkpoint import weights_to_cpu
from mmseg.registry import LOOPS
from torch import Tensor, nn
from torch.utils.data import DataLoader

from mmseg_uncertainty.engine.bare_model import bare_model
from mmseg_uncertainty.datasets.calibration_plan import SHARED, CalibrationPlan, Consumer
from mmseg_uncertainty.datasets.label_flips import labels_flip, unflip_labels
from mmseg_uncertainty.engine.checkpoints import write_checkpoint
from mmseg_uncertainty.engine.resuming import note_last_checkpoint
from mmseg_uncertainty.engine.usual_ranges import usual_ranges
from mmseg_uncertainty.models import PosthocSegmentor
from mmseg_uncertainty.models.fittable import (Fittable, fit_stage, fit_target, fittables_in_order, heads_read,
                                               passes_in_order, target_readers)
from mmseg_uncertainty.structures import FrozenOutputs


@LOOPS.register_module()
class CalibrationLoop(BaseLoop):
    """Fit every :class:`~mmseg_uncertainty.models.fittable.Fittable` of the model, then save an ordinary checkpoint.

    Use as ``train_cfg=dict(type='CalibrationLoop')``. Calibrators are fitted before anything else, because scores and
    prediction sets read calibrated logits. Every image is seen once per stage; parameters never change. The training
    hooks of the runner see every batch, so that its progress bar and log work as in training.

    A promise needs images that nothing it reads was fitted on, and each of them once. A
    :class:`~mmseg_uncertainty.datasets.CalibrationPlan` divides them: ``calibrator_share`` leaves some to the calibrator
    alone, and ``metas`` tell heads that divide images themselves where each stands (``calibration_position``, in [0, 1)).
    Scenes and sequences stay together. The checkpoint keeps the plan, ``meta['calibration_plan']``.

    Args:
        runner: The runner.
        dataloader: Dataloader, or its config, of the calibration set; its sampler must visit each image once.
        filename: Name of the checkpoint in the work folder.
        calibrator_share: Share of the images, in (0, 1), that fit the calibrator, the others fitting what reads its
            logits; ``None`` fits both on all, which is refused for prediction sets; ``'shared'`` fits both on all and gives
            their promise up.
        block_length: Cut sequences into blocks of so many neighbouring frames, for calibration sets of few sequences;
            ``None`` keeps sequences whole.
        seed: Seed of the division.
        unit: See :meth:`~mmseg_uncertainty.datasets.CalibrationPlan.of_dataset`.
        target_dataloader: Dataloader, or its config, of images without labels from where the model will be used, for sets that
            follow a shift (:class:`~mmseg_uncertainty.models.set_heads.WeightedRiskControlHead`).

    Raises:
        ValueError: The sampler does not visit each image once, an image comes twice, or the share is out of range.
    """

    def __init__(self,
                 runner,
                 dataloader: DataLoader | dict,
                 filename: str = 'calibrated.pth',
                 calibrator_share: float | str | None = None,
                 block_length: int | None = None,
                 seed: int = 0,
                 unit: str = 'known',
                 target_dataloader: DataLoader | dict | None = None) -> None:
        super().__init__(runner, dataloader)
        self.target = runner.build_dataloader(target_dataloader) if isinstance(target_dataloader, dict) else target_dataloader
        if calibrator_share not in (None, SHARED) and (isinstance(calibrator_share, str) or not 0 < calibrator_share < 1):
            raise ValueError(f'CalibrationLoop: calibrator_share={calibrator_share!r} must lie strictly between 0 and 1, or '
                             f'be {SHARED!r} or None.')
        self.filename = filename
        self.calibrator_share = calibrator_share
        self._iter = 0
        self._epoch = 0
        self._repeated = 0
        self._check_sampler()
        self._labels_flip = labels_flip(self.dataloader.dataset)
        self._label_kind = getattr(self.dataloader.dataset, 'metainfo', {}).get('label_kind', 'classes')
        self._undivided = CalibrationPlan.of_dataset(self.dataloader.dataset, block_length, seed, unit)

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
        return self.max_epochs * len(self.dataloader)

    @property
    def max_epochs(self) -> int:
        """Passes over the calibration set."""
        return len(self._passes()) + self._repeated

    @cached_property
    def plan(self) -> CalibrationPlan:
        """Which images fit what."""
        calibrators, others = ([Consumer(name, module.promises, module.shares, frozenset(heads_read(self.model, module)))
                                for name, module in group.items()] for group in fittables_in_order(self.model))
        plan = self._undivided.divided(calibrators, others, self.calibrator_share)
        return plan.without_training(getattr(self.model, 'trained_on', None), self.calibrator_share)

    @property
    def model(self) -> nn.Module:
        """The model, without its wrapper."""
        return bare_model(self.runner)

    def run(self) -> nn.Module:
        """Fit and save.

        Returns:
            The fitted model.

        Raises:
            ValueError: Nothing in the model is fitted by statistics, or a promise would be made on images of a calibrator.
        """
        passes = self._passes()
        if not passes:
            raise ValueError('CalibrationLoop: no part of the model is fitted by statistics. Add a calibrator, a set head '
                             "or a fitted uncertainty head to the config's model, or train with IterBasedTrainLoop.")
        readers = target_readers(self.model)
        if readers and self.target is None:
            raise ValueError(f'CalibrationLoop: {", ".join(readers)} follows images from where the model will be used. Name them, '
                             'without labels, by train_cfg=dict(target_dataloader=…), or --target DIR of fit.')
        if self.plan.shared:
            self.runner.logger.warning("CalibrationLoop: calibrator_share='shared' makes promises on images that fitted what they "
                                       'read, so that they do not hold.')
        for name, paths in self.plan.trained.items():
            self.runner.logger.info(f'{name} leaves out {len(paths)} images that trained the score it reads, or lie beside '
                                    'such images.')
        # They would save models that are fitted in part.
        self.runner._hooks = [hook for hook in self.runner.hooks if not isinstance(hook, CheckpointHook)]
        self.runner.call_hook('before_train')
        self.runner.model.eval()
        for stage, modules in passes:
            while modules:
                self.runner.logger.info(f'Fitting {", ".join(modules)}: pass {self.epoch + 1} of {self.max_epochs}')
                modules = fit_stage(modules, stage, self._batches(next(iter(modules))))
                self._epoch += 1
                self._repeated += bool(modules)
        if readers:
            self.runner.logger.info(f'Showing {len(self.target.dataset)} target images to {", ".join(readers)}')
            fit_target(readers, self._target_batches())
        self._save()
        self.runner.call_hook('after_train')
        return self.runner.model

    def _passes(self) -> list[tuple[int, dict[str, Fittable]]]:
        """Stage and modules of each pass over the data, in order; modules of one pass see the same images."""
        return [one for group in fittables_in_order(self.model) for one in passes_in_order(group)]

    def _batches(self, consumer: str) -> Iterator[tuple[FrozenOutputs, Tensor, list[dict]]]:
        self.runner.call_hook('before_train_epoch')
        for index, batch in enumerate(self.dataloader):
            self.runner.call_hook('before_train_iter', batch_idx=index, data_batch=batch)
            places = [self.plan.place(consumer, str(sample.metainfo.get('img_path'))) for sample in batch['data_samples']]
            kept = [place for place, (_, inside) in enumerate(places) if inside]
            if kept:
                chosen = {key: [values[place] for place in kept] for key, values in batch.items()}
                yield from self._outputs(chosen, [places[place][0] for place in kept])
            self.runner.call_hook('after_train_iter', batch_idx=index, data_batch=batch)
            self._iter += 1

    def _outputs(self, batch: dict, positions: list[float | None]) -> Iterator[tuple[FrozenOutputs, Tensor, list[dict]]]:
        data = self.model.data_preprocessor(batch, False)
        samples = data['data_samples']
        if self._labels_flip:
            for sample in samples:
                unflip_labels(sample)
        shapes = [tuple(sample.gt_sem_seg.shape) for sample in samples]
        for shape in dict.fromkeys(shapes):
            same = [index for index, other in enumerate(shapes) if other == shape]
            chosen = [samples[index] for index in same]
            outputs = self.model.frozen_outputs(data['inputs'][same] if len(same) < len(samples) else data['inputs'], chosen)
            if tuple(outputs.logits.shape[-2:]) != shape:
                name = chosen[0].metainfo.get('img_path', 'the first image')
                raise ValueError(f'CalibrationLoop: labels of {name} have {shape} pixels and its logits '
                                 f'{tuple(outputs.logits.shape[-2:])}. '
                                 'Load the annotations in the pipeline as the test pipeline does.')
            yield (outputs, torch.stack([sample.gt_sem_seg.data[0] for sample in chosen]).long(),
                   [dict(samples[index].metainfo, calibration_position=positions[index], label_kind=self._label_kind,
                         calibration_unit=self.plan.unit_of(samples[index].metainfo.get('img_path'))) for index in same])

    def _target_batches(self) -> Iterator[FrozenOutputs]:
        for batch in self.target:
            data = self.model.data_preprocessor(batch, False)
            for index, sample in enumerate(data['data_samples']):
                yield self.model.frozen_outputs(data['inputs'][index:index + 1], [sample])

    def _save(self) -> None:
        """Write the checkpoint beside its place and move it there, so that no half checkpoint is ever found."""
        if is_main_process():
            folder = Path(self.runner.work_dir)
            path = folder / self.filename
            checkpoint = dict(meta=self._meta(), state_dict=weights_to_cpu(self.model.state_dict()))
            self.runner.call_hook('before_save_checkpoint', checkpoint=checkpoint)
            write_checkpoint(path, checkpoint)
            note_last_checkpoint(folder, self.filename)
            self.runner.logger.info(f'Saved {path}')
        barrier()

    def _meta(self) -> dict:
        """What a checkpoint of mmengine says of itself, in plain values."""
        metainfo = getattr(self.dataloader.dataset, 'metainfo', {})
        ranges = usual_ranges(self.model, self.dataloader.dataset) if isinstance(self.model, PosthocSegmentor) else {}
        return dict(
            iter=self.iter,
            epoch=self.epoch,
            cfg=self.runner.cfg.pretty_text,
            calibration_plan=self.plan.record(),
            usual_ranges=ranges,
            dataset_meta={key: metainfo[key] for key in ('classes', 'palette', 'split') if key in metainfo})

    def _check_sampler(self) -> None:
        """Refuse dataloaders that repeat or drop images."""
        sampler, size = self.dataloader.sampler, len(self.dataloader.dataset)
        padded = getattr(sampler, 'total_size', size) != size
        if not size or padded or isinstance(sampler, InfiniteSampler) or self.dataloader.drop_last:
            raise ValueError(f'CalibrationLoop: {type(sampler).__name__} over {size} images does not visit each image once. '
                             "Use sampler=dict(type='DefaultSampler', shuffle=False, round_up=False), keep drop_last off, "
                             'and check that the dataset is not empty.')
