"""A frozen segmentor that says how uncertain it is."""
from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import torch
from mmengine.model import BaseModel
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn
from torch.nn import functional as F

from mmseg_uncertainty.caching import BaseOutputCache, LastPass
from mmseg_uncertainty.functional.class_distributions import ClassDistribution
from mmseg_uncertainty.models.bases import BasePass, FrozenBase, MMSegBase
from mmseg_uncertainty.models.bases.cached_pass import cached_pass
from mmseg_uncertainty.models.decode_heads import ScoreHead
from mmseg_uncertainty.models.decode_heads.score_maps import score_maps
from mmseg_uncertainty.models.fittable import Fittable
from mmseg_uncertainty.models.utils import MergedWindows, build_named, features_name, layers_read, name_tensors_as_the_base
from mmseg_uncertainty.runtime.score_scale import ScoreScale
from mmseg_uncertainty.runtime.tiles import Window, sliding_windows
from mmseg_uncertainty.structures import FrozenOutputs, Grid, GridOutputs, ImageOutputs, MapOnGrid, Place, stack_outputs

from .image_result import ImageResult, check_finite, write_result
from .test_time_views import TestTimeViews, mean_result

MODES = ('whole', 'slide')


@MODELS.register_module()
class PosthocSegmentor(BaseModel):
    """Hold a frozen segmentation model and score every pixel of its prediction, in the one forward pass it makes anyway.

    Class predictions and ``seg_logits`` are those of the base model, bit for bit. One method, :meth:`run`, passes images
    through it, for fitting and for prediction alike.

    Heads that need only logits score the merged logits at output size. Heads that need features, and those with
    ``resolution='native'``, score where the classifier works, window by window; their maps are averaged over windows and
    resized as the logits are.

    A calibrator changes the logits that heads at output size, the set head and whatever is fitted after it read, and leaves
    the result of the base model alone.

    Args:
        uncertainty_heads: Configs of :class:`~mmseg_uncertainty.models.decode_heads.ScoreHead` by name; the name is the
            key in the results.
        calibrator: Config of a :class:`~mmseg_uncertainty.models.calibrators.Calibrator`, or ``None``.
        set_head: Config of a :class:`~mmseg_uncertainty.models.set_heads.SetHead`, or ``None``.
        decisions: Configs of :class:`~mmseg_uncertainty.models.decisions.FlagThreshold` by name, which flag pixels by the
            scores of heads.
        base: A :class:`~mmseg_uncertainty.models.bases.FrozenBase` or its config; by default an
            :class:`~mmseg_uncertainty.models.bases.MMSegBase` of ``segmentor``.
        data_preprocessor: How images are prepared; by default as the base model says.
        train_cfg: Passed to the segmentor.
        test_cfg: ``mode``, ``'whole'`` or ``'slide'`` with ``crop_size`` and ``stride``.
        tta: Arguments of :class:`~mmseg_uncertainty.models.segmentors.test_time_views.TestTimeViews`, for predictions that
            average over scales and flips; ``None`` predicts the image as it is.
        init_cfg: See :class:`mmengine.model.BaseModule`.
        segmentor: Arguments of a segmentor of mmseg, such as ``backbone`` and ``decode_head``.

    Attributes:
        pools_features: Whether results hold the mean feature of the image; set it where it is read.
        usual_ranges: Where scores without bounds mostly lie, by head, as the checkpoint says.

    Raises:
        TypeError: Both ``base`` and arguments of a segmentor are given.
        ValueError: An option is out of range.
    """

    def __init__(self,
                 uncertainty_heads: Mapping[str, dict] | None = None,
                 calibrator: dict | None = None,
                 set_head: dict | None = None,
                 base: dict | FrozenBase | None = None,
                 data_preprocessor: dict | nn.Module | None = None,
                 train_cfg: dict | None = None,
                 test_cfg: dict | None = None,
                 tta: dict | None = None,
                 init_cfg: dict | None = None,
                 decisions: Mapping[str, dict] | None = None,
                 **segmentor) -> None:
        if base is not None and segmentor:
            raise TypeError(f'PosthocSegmentor: base is a whole model, so {sorted(segmentor)} have no place beside it; remove '
                            'them, or remove base.')
        if base is None:
            base = MMSegBase(train_cfg=train_cfg, test_cfg=test_cfg, **segmentor)
        base = base if isinstance(base, FrozenBase) else MODELS.build(base)
        super().__init__(data_preprocessor or base.preprocessor(), init_cfg)
        self.base = base
        self.train_cfg, self.test_cfg = train_cfg, dict(test_cfg or {})
        if self.test_cfg.setdefault('mode', 'whole') not in MODES:
            raise ValueError(f'test_cfg: mode={self.test_cfg["mode"]!r} is unknown; choose from {MODES}.')
        self.uncertainty_heads = build_named(uncertainty_heads or {}, 'uncertainty head', base.num_classes)
        self.calibrator = None if calibrator is None else MODELS.build(dict(num_classes=base.num_classes) | dict(calibrator))
        if self.calibrator is not None and not base.distribution.sums_to_one and not self.calibrator.calibrates_sigmoids:
            raise ValueError(f'{type(self.calibrator).__name__} with these options calibrates a softmax, and the base model has '
                             'one sigmoid per class; use TemperatureScaling or ClusteredTemperatureScaling.')
        self.set_head = None if set_head is None else MODELS.build(set_head)
        self.decisions = build_named(dict(decisions or {}), 'decision', base.num_classes)
        for module in self.posthoc_modules():
            if hasattr(module, 'bind'):
                module.bind(self)
        self.tta = None if tta is None else TestTimeViews(**tta)
        self.cache: BaseOutputCache | LastPass | None = None
        self.pools_features = False
        self.usual_ranges: Mapping[str, tuple[float, float]] = {}
        name_tensors_as_the_base(self)
        self.train(self.training)

    @property
    def num_classes(self) -> int:
        """Number of classes K, 2 for one sigmoid channel."""
        return self.base.num_classes

    @property
    def align_corners(self) -> bool:
        """How the base model resizes its output."""
        return self.base.align_corners

    @property
    def distribution(self) -> ClassDistribution:
        """What the output of the base model means."""
        return self.base.distribution

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers of the base model that heads read besides the classifier."""
        return layers_read(self.posthoc_modules())

    @property
    def decode_head(self) -> nn.Module:
        """The decode head of a base model of mmseg."""
        return self.base.network.decode_head

    @property
    def backbone(self) -> nn.Module:
        """The backbone of a base model of mmseg."""
        return self.base.network.backbone

    def __getattr__(self, name: str):
        # mmseg's SegTTAModel asks for it, and would keep the uncertainty of its last view.
        if name == 'out_channels':
            raise AttributeError('SegTTAModel merges class probabilities and no uncertainty. Average all heads over scales and '
                                 'flips with PosthocSegmentor(tta=dict(scales=[0.5, 1.0], flip=True)), or --tta of the tools.')
        return super().__getattr__(name)

    def init_weights(self) -> None:
        """Initialize what this class adds; the base model waits for its checkpoint."""
        for head in self.posthoc_modules():
            if hasattr(head, 'init_weights'):
                head.init_weights()

    def posthoc_modules(self) -> Iterator[nn.Module]:
        """The modules that this class adds to the base model."""
        if self.calibrator is not None:
            yield self.calibrator
        yield from self.uncertainty_heads.values()
        if self.set_head is not None:
            yield self.set_head
        yield from self.decisions.values()

    def score_scales(self) -> dict[str, ScoreScale]:
        """What the numbers of every head mean, with the colour scale that its checkpoint brings."""
        return {name: replace(head.scale_in_words(self.num_classes), usual=self.usual_ranges.get(name))
                for name, head in self.uncertainty_heads.items()}

    def fittables(self) -> list[Fittable]:
        """The modules that ``CalibrationLoop`` fits."""
        return [module for module in self.posthoc_modules() if isinstance(module, Fittable)]

    def check_learned(self) -> None:
        """Raise where a head that learns by gradient saw nothing but void."""
        for head in self.uncertainty_heads.values():
            if hasattr(head, 'check_learned'):
                head.check_learned()

    def hasten(self, precision: torch.dtype | None = None, channels_last: bool = False) -> None:
        """Run the base model faster and less exactly; see :meth:`Frozen.hasten`. Heads stay in float32."""
        self.base.frozen.hasten(precision, channels_last)

    def forward(self, inputs: Tensor, data_samples: list[SegDataSample] | None = None, mode: str = 'tensor'):
        """Compute losses, predictions or the bare output of the base model; see :class:`mmengine.model.BaseModel`."""
        if mode == 'loss':
            return self.loss(inputs, data_samples)
        if mode == 'predict':
            return self.predict(inputs, data_samples)
        if mode == 'tensor':
            return self.base(inputs, _metas(inputs, data_samples)).native_scores
        raise ValueError(f"PosthocSegmentor: mode={mode!r} is unknown; choose from 'loss', 'predict' and 'tensor'.")

    def windows(self, size: tuple[int, int]) -> Iterator[Window]:
        """Windows in which an input of this height and width passes through the base model."""
        if self.test_cfg['mode'] == 'whole':
            return iter([Window(0, size[0], 0, size[1])])
        return sliding_windows(size, tuple(self.test_cfg['crop_size']), tuple(self.test_cfg['stride']))

    def pass_through(self, inputs: Tensor, metas: Sequence[Mapping]) -> BasePass:
        """One window through the base model, or what a cache keeps of it."""
        if self.cache is None:
            return self.base(inputs, metas, self.layers)
        return cached_pass(self.base, self.cache, features_name(self.posthoc_modules()), inputs, metas, self.layers)

    @torch.no_grad()
    def run(self,
            inputs: Tensor,
            metas: Sequence[Mapping],
            heads: Mapping[str, ScoreHead] | None = None,
            keep_windows: bool = False,
            pool_features: bool = False,
            labels_padded: bool = False) -> list[ImageOutputs]:
        """Pass a batch through the frozen model, window by window.

        Args:
            inputs: Preprocessed images, shape (N, 3, H', W').
            metas: ``metainfo`` of each image.
            heads: Heads that score where the classifier works.
            keep_windows: Whether to return logits and features of every window.
            pool_features: Whether to return the mean feature of every image.
            labels_padded: Whether labels were padded and flipped with the images, as in training.

        Returns:
            Outputs of each image.
        """
        size = tuple(inputs.shape[-2:])
        grids = [Grid.of_input(size, meta, self.base.align_corners, labels_padded) for meta in metas]
        scores, head_maps, windows, sums = MergedWindows(size), MergedWindows(size), [], []
        for window in self.windows(size):
            passed = self.pass_through(inputs if window.size == size else inputs[(..., *window.slices)], metas)
            scores.add(window, passed.scores)
            if heads or keep_windows or pool_features:
                cells = self.cells(passed, [grid.over(passed.native_scores.shape[-2:], window) for grid in grids])
                if heads:
                    # A head may score at a multiple of the classifier's size.
                    maps = [_resized(cells.score(head)[:, None], window.size, self.base.align_corners) for head in heads.values()]
                    head_maps.add(window, torch.cat(maps, dim=1))
                if keep_windows:
                    windows.append(cells)
                if pool_features:
                    sums.append(cells.image_features())
        features = [sum(parts) for parts in zip(*sums)]
        merged, maps = scores.mean(), head_maps.mean() if heads else None
        return [ImageOutputs(
            MapOnGrid(merged[index:index + 1], grid), MapOnGrid(inputs[index:index + 1], grid),
            MapOnGrid(maps[index:index + 1], grid) if heads else None, tuple(cells.of(index) for cells in windows),
            features[0][index:index + 1] / features[1][index].clamp_min(1) if features else None)
            for index, grid in enumerate(grids)]

    def cells(self, passed: BasePass, grids: Sequence[Grid] = ()) -> GridOutputs:
        """What a pass gives where the classifier works, as score heads read it."""
        scores = passed.native_scores
        return GridOutputs(self.distribution.class_logits(scores), passed.features, tuple(grids), self._predicted(scores),
                           self.distribution, passed.members, passed.layers)

    def at_output(self, scores: Tensor) -> GridOutputs:
        """Scores of the base model (N, C, H, W) at output size, as score heads read them."""
        return GridOutputs(self.distribution.class_logits(scores), predicted=self._predicted(scores),
                           distribution=self.distribution)

    def _predicted(self, scores: Tensor) -> Tensor | None:
        return None if self.distribution.predicts_likeliest else self.distribution.predict(scores)

    def native_heads(self) -> dict[str, ScoreHead]:
        """Heads that score where the classifier works."""
        return {name: head for name, head in self.uncertainty_heads.items() if head.resolution == 'native'}

    @torch.no_grad()
    def frozen_outputs(self, inputs: Tensor, data_samples: Sequence[SegDataSample]) -> FrozenOutputs:
        """Run the frozen model for fitting.

        Args:
            inputs: Preprocessed images, shape (N, 3, H', W').
            data_samples: Their samples, with labels of one common size, or without labels.

        Returns:
            Outputs with logits at the size of the labels, or of the images where there are none, calibrated once the calibrator is
            fitted.
        """
        metas = [sample.metainfo for sample in data_samples]
        reads_native = any(getattr(module, 'needs_features', False) or getattr(module, 'resolution', None) == 'native'
                           for module in self.posthoc_modules())
        runs = self.run(inputs, metas, keep_windows=reads_native or self.test_cfg['mode'] == 'whole',
                        labels_padded=self.training)
        sizes = [tuple(sample.gt_sem_seg.shape) if 'gt_sem_seg' in sample else None for sample in data_samples]
        outputs = [_frozen(self.at_output(run.scores.to_image(size)), run) for run, size in zip(runs, sizes)]
        if self.calibrator is not None and self.calibrator.is_fitted():
            outputs = [one.with_logits(self.calibrator(one, [meta])) for one, meta in zip(outputs, metas)]
        return stack_outputs(outputs)

    def loss(self, inputs: Tensor, data_samples: Sequence[SegDataSample]) -> dict[str, Tensor]:
        """Losses of all heads that learn by gradient, prefixed with their names."""
        labels = torch.stack([sample.gt_sem_seg.data[0] for sample in data_samples]).long()
        outputs = self.frozen_outputs(inputs, data_samples)
        losses = {}
        for name, head in self.uncertainty_heads.items():
            if hasattr(head, 'loss'):
                losses.update({f'{name}.{key}': value for key, value in head.loss(outputs, labels).items()})
        if not losses:
            raise ValueError(f'PosthocSegmentor: none of the heads {sorted(self.uncertainty_heads)} learns by gradient, so '
                             'there is nothing to train. Test this config as it is, or use CalibrationLoop for heads '
                             'that are fitted by statistics.')
        return losses

    @torch.no_grad()
    def predict(self, inputs: Tensor, data_samples: Sequence[SegDataSample] | None = None) -> list[SegDataSample]:
        """Predict, score and calibrate a batch.

        Args:
            inputs: Preprocessed images, shape (N, 3, H', W').
            data_samples: Their samples; ``None`` returns results at the size of the input.

        Returns:
            Samples as :func:`~mmseg_uncertainty.models.segmentors.image_result.write_result` fills them.

        Raises:
            FloatingPointError: The base model returned NaN or infinite logits for an image, which is named.
        """
        metas = _metas(inputs, data_samples)
        samples = [SegDataSample() for _ in metas] if data_samples is None else data_samples
        results = self._results(inputs, metas) if self.tta is None else [
            self._mean_result(image[None], meta) for image, meta in zip(inputs, metas)]
        return [write_result(result, sample) for result, sample in zip(results, samples, strict=True)]

    def _results(self, inputs: Tensor, metas: Sequence[Mapping]) -> list[ImageResult]:
        pools = any(getattr(part, 'needs_features', False) for part in (self.calibrator, self.set_head))
        runs = self.run(inputs, metas, self.native_heads(), pool_features=pools or self.pools_features)
        return [self.result(run.scores.to_image(), None if run.head_maps is None else run.head_maps.to_image(), run, meta)
                for run, meta in zip(runs, metas)]

    def _mean_result(self, inputs: Tensor, meta: Mapping) -> ImageResult:
        divisor = (getattr(self.data_preprocessor, 'test_cfg', None) or {}).get('size_divisor') or 1
        views = self.tta(inputs, meta, math.lcm(divisor, self.base.size_divisor))
        return mean_result([self._results(*view)[0] for view in views], self.tta.name)

    def result(self, scores: Tensor, head_maps: Tensor | None, run: ImageOutputs, meta: Mapping,
               place: Place | None = None) -> ImageResult:
        """Everything that follows from the merged maps of an image at output size.

        Args:
            scores: Output of the base model, shape (1, C, H, W).
            head_maps: Maps of the native heads, shape (1, M, H, W), or ``None``.
            run: What else calibrators read.
            meta: ``metainfo`` of the image.
            place: Which rectangle of the image the maps show, ``None`` for all of it.
        """
        check_finite(scores, meta)
        base = self.at_output(scores)
        predicted = base.summary().predicted.long()
        read, calibrated = base, None
        native = {} if head_maps is None else dict(zip(self.native_heads(), head_maps.unbind(dim=1)))
        if self.calibrator is not None:
            calibrated = self.calibrator(_frozen(base, run, native), [meta])
            read = GridOutputs(calibrated, predicted=base.predicted, distribution=self.distribution)
        uncertainty = score_maps(self.uncertainty_heads, native, read)
        membership = None
        if self.set_head is not None and self.tta is None:
            membership = self._sets(_frozen(base, run).with_logits(read.logits), place)
        flags = {} if self.tta is not None else {
            name: decision(uncertainty[decision.head]) for name, decision in self.decisions.items()}
        return ImageResult(scores, base.logits, predicted, self.distribution, calibrated, uncertainty, membership=membership,
                           flags=flags, decisions={name: self.decisions[name].record() for name in flags},
                           features=run.feature_means[0] if self.pools_features else None)

    def _sets(self, outputs: FrozenOutputs, place: Place | None) -> Tensor:
        """Prediction sets of an image, or of a rectangle of one."""
        probabilities = self.set_head.probabilities(outputs.logits)
        if not self.set_head.embeds:
            return self.set_head(probabilities, outputs.predicted, place)
        return self.set_head(probabilities, outputs.predicted, place, self.set_head.embed(outputs, probabilities))


def _metas(inputs: Tensor, data_samples: Sequence[SegDataSample] | None) -> list[dict]:
    return [{} for _ in inputs] if data_samples is None else [sample.metainfo for sample in data_samples]


def _frozen(output: GridOutputs, run: ImageOutputs, head_maps: Mapping[str, Tensor] | None = None) -> FrozenOutputs:
    return FrozenOutputs(output.logits, images=run.image.values, windows=run.windows, grids=(run.image.grid, ),
                         predicted=output.predicted, distribution=output.distribution, feature_means=run.feature_means,
                         head_maps=head_maps or {})


def _resized(maps: Tensor, size: tuple[int, int], align_corners: bool) -> Tensor:
    return F.interpolate(maps, size=size, mode='bilinear', align_corners=align_corners)
