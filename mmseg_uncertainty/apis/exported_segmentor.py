"""A posthoc model as one function from images to maps, as exporters want it."""
from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmseg_uncertainty.models import PosthocSegmentor
from mmseg_uncertainty.models.calibrators import LocalTemperatureScaling
from mmseg_uncertainty.models.decisions import FlagThreshold
from mmseg_uncertainty.models.decode_heads.score_maps import score_maps, with_what_they_read
from mmseg_uncertainty.models.set_heads import DilationSetHead
from mmseg_uncertainty.models.set_heads.curve_set_head import CurveSetHead
from mmseg_uncertainty.models.set_heads.embedding_set_head import EmbeddingSetHead
from mmseg_uncertainty.runtime.exported_predictor import FLAG_PREFIX, MAP_PREFIX
from mmseg_uncertainty.runtime.resizing import Resizing
from mmseg_uncertainty.structures import FrozenOutputs, GridOutputs

from .export_pipeline import resize_steps
from .exported_sets import ExportedSets, check_sets
from .exported_views import View, ViewResult, mean_of_views, views_of
from .exported_windows import SlidingPass, WindowPass
from .small_inputs import SMALLEST_SIDE
from .traceable_layers import halve, make_traceable


class ExportedSegmentor(nn.Module):
    """Everything between the test pipeline and the result: normalizing, padding, windows, resizing back, scores and sets.

    Images are padded as the data preprocessor of the model pads them, pass in windows where the model slides, and lose
    their padding. Where the test pipeline resizes, a second input says how large the image was: logits are resized to that,
    and then scored.

    Args:
        model: Model to export; it is changed for exporting and should not be used otherwise. The test pipeline is read
            from its ``cfg``; one without has no steps.
        heads: Names of the heads to keep, by default all.
        preprocess: Whether images come as uint8 RGB (N, H, W, 3), to be normalized here, instead of normalized float32
            (N, 3, H, W) in the channel order of the model.
        probabilities: Whether to return class probabilities too, calibrated if the model has a calibrator.
        half: Whether the base model computes in float16. Its classifier's output and all that follows are float32.

    Attributes:
        resizing: What the test pipeline does to the size of images, before they come here.

    Raises:
        ValueError: A head is unknown, or a step of the test pipeline or a part of the model cannot be expressed.
    """

    def __init__(self,
                 model: PosthocSegmentor,
                 heads: list[str] | None = None,
                 preprocess: bool = False,
                 probabilities: bool = False,
                 half: bool = False) -> None:
        super().__init__()
        check_exportable(model, heads)
        self.resizing = Resizing(resize_steps(getattr(model, 'cfg', {})))
        self.preprocess, self.probabilities = preprocess, probabilities
        self.heads = list(model.uncertainty_heads) if heads is None else list(dict.fromkeys(heads))
        kept = with_what_they_read(model, self.heads)
        for name in set(model.uncertainty_heads) - set(kept):
            del model.uncertainty_heads[name]
        for name in [name for name, decision in model.decisions.items() if decision.head not in self.heads]:
            del model.decisions[name]
        make_traceable(model)
        self.half = half
        if half:
            halve(model)
        self.sets = None if model.set_head is None or model.tta is not None else ExportedSets(model.set_head)
        # Nothing predicts from what was kept of the calibration images.
        for module in model.modules():
            if isinstance(module, (CurveSetHead, DilationSetHead, FlagThreshold)):
                module.curves = None
            if isinstance(module, EmbeddingSetHead):
                module.kept = None
        self.window_pass = WindowPass(model, list(model.native_heads()))
        self.sliding_pass: nn.Module | None = None

    @property
    def model(self) -> PosthocSegmentor:
        """The model."""
        return self.window_pass.model

    @property
    def resizes(self) -> bool:
        """Whether the size of the image is a second input."""
        return bool(self.resizing.steps)

    @property
    def input_names(self) -> list[str]:
        """Names of what :meth:`forward` takes."""
        return ['images', 'image_size'] if self.resizes else ['images']

    @property
    def output_names(self) -> list[str]:
        """Names of what :meth:`forward` returns."""
        return ['labels', 'logits', *(['probabilities'] if self.probabilities else []),
                *(f'{MAP_PREFIX}{name}' for name in self.heads), *(f'{FLAG_PREFIX}{name}' for name in self.decisions),
                *(['set_membership'] if self.sets else [])]

    @property
    def decisions(self) -> dict[str, FlagThreshold]:
        """Decisions by name; views have none, since promises are made for single predictions."""
        return {} if self.model.tta is not None else dict(self.model.decisions.items())

    @property
    def promises(self) -> list[str]:
        """Names of the outputs that promise something of further images."""
        return [name for name in self.output_names if name.startswith(FLAG_PREFIX) or name == 'set_membership']

    def example_inputs(self, batch: int, height: int, width: int, seed: int = 0) -> tuple[Tensor, ...]:
        """Random images of this size, as the test pipeline leaves them, and whatever else :meth:`forward` takes."""
        generator = torch.Generator().manual_seed(seed)
        size = self.resizing.size((height, width))
        pixels = torch.randint(0, 256, (batch, *size, 3), generator=generator, dtype=torch.uint8)
        images = pixels if self.preprocess else self.normalize(pixels)
        return (images, torch.tensor([height, width])) if self.resizes else (images, )

    def normalize(self, images: Tensor) -> Tensor:
        """Turn uint8 RGB (N, H, W, 3) into what the model was trained on, float32 (N, 3, H, W)."""
        preprocessor = self.model.data_preprocessor
        images = images.permute(0, 3, 1, 2).float()
        images = images if takes_rgb(preprocessor) else images.flip(1)
        return (images - preprocessor.mean) / preprocessor.std if hasattr(preprocessor, 'mean') else images

    def traced(self) -> torch.jit.ScriptModule:
        """The same function as TorchScript, for any batch and size; windows stay a loop."""
        model = self.eval().model
        with torch.no_grad(), warnings.catch_warnings():
            # The tracer warns of every shape that Python reads; comparing at other sizes shows that none was frozen.
            warnings.simplefilter('ignore')
            if model.test_cfg['mode'] == 'slide':
                crop, stride = tuple(model.test_cfg['crop_size']), tuple(model.test_cfg['stride'])
                example = torch.rand(2, 3, *crop), torch.tensor([0, 0, *crop, *crop])
                window_pass = torch.jit.trace(self.window_pass, example, check_trace=False)
                self.sliding_pass = torch.jit.script(SlidingPass(window_pass, crop, stride, self.window_pass.channels))
            try:
                return torch.jit.trace(self, self.example_inputs(2, 96, 128), check_trace=False)
            finally:
                self.sliding_pass = None

    def forward(self, images: Tensor, image_size: Tensor | tuple[int, int] | None = None) -> tuple[Tensor, ...]:
        """Predict.

        Args:
            images: See ``preprocess``; shape (N, 3, H', W').
            image_size: Height and width of the images before the test pipeline resized them, shape (2,), int64; ``None``
                where it does not.

        Returns:
            As named by :attr:`output_names`, H × W being ``image_size`` or the size of the input: labels (N, H, W) int64,
            logits and probabilities (N, K, H, W), uncertainty maps (N, H, W), flags (N, H, W) bool, set
            membership (N, K, H, W) bool.
        """
        model, distribution = self.model, self.model.distribution
        images = self.normalize(images) if self.preprocess else images
        if model.tta is None:
            view = View(pad_input(images, model.data_preprocessor), images.shape[2:])
            result = self._result(view, images.shape[2:], image_size)
            labels = distribution.predict(result.scores)
        else:
            labels, result = mean_of_views([self._result(view, images.shape[2:], image_size) for view in views_of(model, images)],
                                           distribution)
        uncertainty = {name: result.uncertainty[name] for name in self.heads}
        flags = [uncertainty[decision.head] > float(decision.threshold) for decision in self.decisions.values()]
        probabilities = [distribution.probabilities(result.calibrated)] if self.probabilities else []
        seen = dict(images=images, features=self._means(result.pooled))
        sets = [] if self.sets is None else [self._sets(result, labels, seen)]
        return (labels, result.scores, *probabilities, *uncertainty.values(), *flags, *sets)

    def _result(self, view: View, input_size: tuple, image_size: Tensor | tuple[int, int] | None) -> ViewResult:
        """What the model says of a view, at the size of the image, which is that of the input unless it was resized."""
        model, channels = self.model, self.model.base.out_channels
        maps, pooled = self._passed(view.padded, view.content)
        size = input_size if image_size is None and model.tta is not None else image_size
        maps = self._to_image(maps, view, size)
        scores = maps[:, :channels]
        output = model.at_output(scores)
        at_cells = {name: maps[:, channels + index] for index, name in enumerate(self.window_pass.heads)}
        calibrated = self._calibrate(output, self._to_image(view.padded, view, size), pooled, at_cells)
        read = GridOutputs(calibrated, predicted=output.predicted, distribution=model.distribution)
        return ViewResult(scores, output, calibrated, score_maps(model.uncertainty_heads, at_cells, read), pooled)

    def _passed(self, padded: Tensor, content: tuple) -> tuple[Tensor, Tensor]:
        """Maps of the padded input, and pooled features; see :class:`WindowPass`."""
        size = padded.shape[2:]
        if self.sliding_pass is not None:
            return self.sliding_pass(padded, _vector(*content))
        if self.model.test_cfg['mode'] == 'whole':
            return self.window_pass(padded, _vector(0, 0, *size, *content))
        total, count, pooled = 0., 0., 0.
        for window in self.model.windows(tuple(size)):
            edges = (window.left, size[1] - window.right, window.top, size[0] - window.bottom)
            maps, sums = self.window_pass(padded[(..., *window.slices)], _vector(window.top, window.left, *size, *content))
            total, count = total + F.pad(maps, edges), count + F.pad(torch.ones_like(maps[:1, :1]), edges)
            pooled = pooled + sums
        return total / count, pooled

    def _to_image(self, maps: Tensor, view: View, image_size: Tensor | tuple | None) -> Tensor:
        """Maps of a view without padding, turned back, at the size of the image."""
        maps = maps[:, :, :view.content[0], :view.content[1]]
        maps = maps.flip(dims=(3, )) if view.mirrored else maps
        if image_size is None:
            return maps
        if isinstance(image_size, Tensor):
            image_size = image_size.unbind() if torch.jit.is_tracing() else image_size.tolist()
        return F.interpolate(maps, size=tuple(image_size), mode='bilinear', align_corners=self.model.align_corners)

    def _calibrate(self, output: GridOutputs, images: Tensor, pooled: Tensor, native: dict[str, Tensor]) -> Tensor:
        calibrator, logits = self.model.calibrator, output.logits
        if calibrator is None:
            return logits
        if isinstance(calibrator, LocalTemperatureScaling):
            calibrated = logits / calibrator.network(logits, (images * calibrator.std + calibrator.mean) / 255)
        else:
            calibrated = calibrator.calibrate(FrozenOutputs(
                logits, images=images, predicted=output.predicted, distribution=output.distribution,
                feature_means=self._means(pooled), head_maps=native), [])
        return exchange_winner(calibrated, logits.argmax(dim=1)) if calibrator.keep_argmax else calibrated

    @staticmethod
    def _means(pooled: Tensor) -> Tensor:
        """Mean feature of each image, shape (N, F), float64."""
        return pooled[:, :-1] / pooled[:, -1:].clamp_min(1)

    def _sets(self, result: ViewResult, labels: Tensor, seen: dict[str, Tensor]) -> Tensor:
        set_head, calibrator = self.model.set_head, self.model.calibrator
        probabilities = set_head.probabilities(result.calibrated)
        moved = result.output.predicted is None and calibrator is not None and not calibrator.keep_argmax
        return self.sets(probabilities, probabilities.argmax(dim=1) if moved else labels, seen)


def pad_input(images: Tensor, preprocessor: nn.Module) -> Tensor:
    """Pad to the right and below as the data preprocessor does in tests, or small images as the inferencer does.

    Args:
        images: Normalized, shape (N, 3, H, W).
        preprocessor: Its ``test_cfg`` holds ``size`` (height, width) or ``size_divisor``.
    """
    height, width = images.shape[2:]
    options = getattr(preprocessor, 'test_cfg', None)
    if not options:
        bottom, right = _missing(height, SMALLEST_SIDE), _missing(width, SMALLEST_SIDE)
        return F.pad(images, (0, right, 0, bottom), mode='replicate')
    if options.get('size') is not None:
        bottom, right = _missing(height, options['size'][-2]), _missing(width, options['size'][-1])
    else:
        bottom, right = -height % options['size_divisor'], -width % options['size_divisor']
    return F.pad(images, (0, right, 0, bottom), value=preprocessor.pad_val)


def _missing(side: int | Tensor, least: int) -> int | Tensor:
    """Pixels that a side needs to have ``least``; tracers give sides as tensors."""
    return (least - side) * (side < least)


def _vector(*numbers: int | Tensor) -> Tensor:
    return torch.stack([torch.as_tensor(number) for number in numbers])


def exchange_winner(calibrated: Tensor, labels: Tensor) -> Tensor:
    """Exchange the largest calibrated logit with that of the predicted class, so that predictions stay.

    Args:
        calibrated: Shape (N, K, H, W).
        labels: Likeliest classes of the base model, shape (N, H, W).
    """
    winner, leader = labels.unsqueeze(1), calibrated.argmax(dim=1, keepdim=True)
    top, own = calibrated.gather(1, leader), calibrated.gather(1, winner)
    return calibrated.scatter(1, leader, own).scatter(1, winner, top)


def check_exportable(model: PosthocSegmentor, heads: list[str] | None) -> None:
    """Raise ``ValueError`` unless a model can become one graph for images of any size."""
    unknown = set(heads or ()) - set(model.uncertainty_heads)
    if unknown:
        raise ValueError(f'Unknown heads {sorted(unknown)}; this model has {sorted(model.uncertainty_heads)}.')
    promised = () if model.tta is not None else (model.set_head, *model.decisions.values())
    for part in (model.calibrator, *promised):
        if part is not None and not part.is_fitted():
            raise ValueError(f'{type(part).__name__} is not fitted yet; fit it with tools/train.py and export the checkpoint '
                             'that this saves.')
    if model.set_head is not None and model.tta is None:
        check_sets(model.set_head)


def takes_rgb(preprocessor: nn.Module) -> bool:
    """Whether a model that reads BGR images turns them to RGB; the attribute changed its name between stacks."""
    return bool(getattr(preprocessor, '_channel_conversion', getattr(preprocessor, 'channel_conversion', False)))
