"""A frozen segmentor that says how uncertain it is."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from mmengine.structures import PixelData
from mmseg.models import CascadeEncoderDecoder, EncoderDecoder
from mmseg.models.utils import resize
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from mmseg_uncertainty.caching import BaseOutputCache
from mmseg_uncertainty.functional import ClassSummary, summarize
from mmseg_uncertainty.functional.compiled import autocast_precision
from mmseg_uncertainty.models.decode_heads import ScoreHead, SummaryHead
from mmseg_uncertainty.models.fittable import Fittable
from mmseg_uncertainty.models.utils import (MASK_HEADS, ClassifierTap, Frozen, at_least_float32, build_named,
                                            check_mask_head, class_logits, features_name, kept_features,
                                            output_to_label_size)
from mmseg_uncertainty.structures import FrozenOutputs


@MODELS.register_module()
class PosthocSegmentor(CascadeEncoderDecoder):
    """Freeze a segmentor and score every pixel of its prediction, in the one forward pass it makes anyway.

    The base model is built exactly as its own config says, cascades included, so that its checkpoints load key for key.
    It takes no gradient and stays in evaluation mode whatever :meth:`train` is told. Class predictions and
    ``seg_logits`` are those of the base model, bit for bit.

    Heads that need only logits score the merged logits at output size. Heads that need features, and those with
    ``resolution='native'``, score where the classifier works; their maps travel beside the logits through whole or slide
    inference and are resized as the logits are.

    A calibrator changes the logits that heads at output size, the set head and whatever is fitted after it read, and leaves
    the result of the base model alone.

    Args:
        uncertainty_heads: Configs of :class:`~mmseg_uncertainty.models.decode_heads.ScoreHead` by name; the name is the
            key in the results.
        calibrator: Config of a :class:`~mmseg_uncertainty.models.calibrators.Calibrator`, or ``None``.
        set_head: Config of a :class:`~mmseg_uncertainty.models.set_heads.SetHead`, or ``None``.
        num_stages: Number of cascaded decode heads.
        base: Arguments of the base segmentor, see :class:`mmseg.models.EncoderDecoder`. Its pretrained weights are
            never fetched, since a checkpoint of the whole base model is always loaded.
    """

    def __init__(self,
                 uncertainty_heads: dict[str, dict] | None = None,
                 calibrator: dict | None = None,
                 set_head: dict | None = None,
                 num_stages: int = 1,
                 **base) -> None:
        base.pop('pretrained', None)
        super().__init__(num_stages=num_stages, **base)
        self._base = Frozen(module for name, module in self.named_children() if name != 'data_preprocessor')
        self._tap = ClassifierTap(self._last_decode_head)
        self.uncertainty_heads = build_named(uncertainty_heads or {}, 'uncertainty head', self.num_classes)
        for head in self.uncertainty_heads.values():
            if hasattr(head, 'bind'):
                head.bind(self._last_decode_head)
        self.calibrator = None
        if calibrator is not None:
            self.calibrator = MODELS.build(dict(num_classes=max(self._last_decode_head.out_channels, 2)) | calibrator)
            self.calibrator.bind(self)
        self.set_head = None if set_head is None else MODELS.build(set_head)
        if self._last_decode_head.out_channels == 1 and getattr(self.set_head, 'activation', 'softmax') != 'softmax':
            raise ValueError('PosthocSegmentor: one sigmoid channel is read as two classes of logits 0 and z, whose '
                             "softmax is the sigmoid of z; give the set head activation='softmax' and num_classes=2.")
        self.cache: BaseOutputCache | None = None
        self.train(self.training)

    def _init_decode_head(self, decode_head: dict | list[dict]) -> None:
        check_mask_head(decode_head)
        parent = CascadeEncoderDecoder if isinstance(decode_head, (list, tuple)) else EncoderDecoder
        parent._init_decode_head(self, decode_head)

    def init_weights(self) -> None:
        """Initialize what this class adds; the base model waits for its checkpoint."""
        for head in self.posthoc_modules():
            if hasattr(head, 'init_weights'):
                head.init_weights()

    def _forward(self, inputs: Tensor, data_samples: list[SegDataSample] | None = None) -> Tensor:
        with self._base.running():
            return self._base_class._forward(self, inputs, data_samples)

    def train(self, mode: bool = True) -> PosthocSegmentor:
        """Switch the heads to training or evaluation; the base model stays in evaluation."""
        super().train(mode)
        self._base.eval()
        return self

    @property
    def out_channels(self) -> int:
        """Channels that inference merges: class logits, then one per native head."""
        return self._last_decode_head.out_channels + sum(1 for _ in self._native_heads())

    @out_channels.setter
    def out_channels(self, channels: int) -> None:
        """Ignore what the base class derives from its decode head."""

    def posthoc_modules(self) -> Iterator[nn.Module]:
        """The modules that this class adds to the base model."""
        if self.calibrator is not None:
            yield self.calibrator
        yield from self.uncertainty_heads.values()
        if self.set_head is not None:
            yield self.set_head

    def fittables(self) -> list[Fittable]:
        """The modules that ``CalibrationLoop`` fits."""
        return [module for module in self.posthoc_modules() if isinstance(module, Fittable)]

    @torch.no_grad()
    def frozen_outputs(self, inputs: Tensor, data_samples: list[SegDataSample]) -> FrozenOutputs:
        """Run the frozen model for fitting.

        Args:
            inputs: Preprocessed images, shape (N, 3, H', W').
            data_samples: Their samples, with labels of one common size.

        Returns:
            Outputs with logits at the size of the labels, calibrated once the calibrator is fitted.
        """
        metas = [sample.metainfo for sample in data_samples]
        size = data_samples[0].gt_sem_seg.shape
        if self.training or self.test_cfg.get('mode', 'whole') == 'whole':
            logits = self._base_encode_decode(inputs, metas)
        else:
            logits = self.inference(inputs, metas)[:, :self._last_decode_head.out_channels]
            self._base_encode_decode(inputs, metas)
        native_logits, features = self._tap.read(logits)
        if not self.training:
            logits = output_to_label_size(logits, metas[0], size, self.align_corners)
        elif logits.shape[-2:] != size:
            logits = resize(logits, size=size, mode='bilinear', align_corners=self.align_corners)
        outputs = FrozenOutputs(self.class_logits(logits), self.class_logits(native_logits), features, inputs)
        if self.calibrator is not None and self.calibrator.is_fitted():
            outputs = replace(outputs, logits=self.calibrator(outputs, metas))
        return outputs

    def predict(self, inputs: Tensor, data_samples: list[SegDataSample] | None = None) -> list[SegDataSample]:
        """Predict, score and calibrate a batch; see :meth:`postprocess_result`."""
        if self.calibrator is None:
            return super().predict(inputs, data_samples)
        size = inputs.shape[2:]
        metas = ([dict(ori_shape=size, img_shape=size, pad_shape=size, padding_size=[0] * 4)] * len(inputs)
                 if data_samples is None else [sample.metainfo for sample in data_samples])
        seg_logits = self.inference(inputs, metas)
        features = None
        if self.calibrator.needs_features:
            # Native heads empty the tap, and windows fill it with the last of them: these need a pass over the whole image.
            passed = self.test_cfg.get('mode', 'whole') == 'whole' and not any(True for _ in self._native_heads())
            _, features = self._tap.read(seg_logits if passed else self._base_encode_decode(inputs, metas))
        return self.postprocess_result(seg_logits, data_samples, features, inputs)

    def hasten(self, precision: torch.dtype | None = None, channels_last: bool = False) -> None:
        """Run the base model faster and less exactly; see :meth:`Frozen.hasten`. Heads stay in float32."""
        self._base.hasten(precision, channels_last)

    def loss(self, inputs: Tensor, data_samples: list[SegDataSample]) -> dict[str, Tensor]:
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

    def encode_decode(self, inputs: Tensor, batch_img_metas: list[dict]) -> Tensor:
        """Logits of the base model at the size of its input, followed by the maps of the native heads."""
        logits = self._base_encode_decode(inputs, batch_img_metas)
        native_heads = dict(self._native_heads())
        if not native_heads:
            return logits
        native_logits, features = self._tap.read(logits)
        maps = torch.stack(list(self._score(native_heads, self.class_logits(native_logits), features).values()), dim=1)
        maps = resize(maps, size=logits.shape[2:], mode='bilinear', align_corners=self.align_corners)
        return torch.cat([logits, maps], dim=1)

    def postprocess_result(self,
                           seg_logits: Tensor,
                           data_samples: list[SegDataSample] | None = None,
                           features: Tensor | None = None,
                           images: Tensor | None = None) -> list[SegDataSample]:
        """Turn merged maps into samples with ``uncertainty`` and ``prediction_set``.

        Args:
            seg_logits: What :meth:`inference` returns, shape (N, K + native heads, H, W).
            data_samples: Samples to fill, or ``None``.
            features: Input of the classifier, shape (N, C, h, w), for calibrators that need it.
            images: Preprocessed images, shape (N, 3, H', W'), for calibrators that need them.

        Returns:
            Samples with ``seg_logits``, ``pred_sem_seg``, ``uncertainty`` (a map (1, H, W) per head) and, with a
            calibrator or a mask transformer, ``calibrated_logits`` (K, H, W), with a set head, ``prediction_set``
            (``membership`` (K, H, W) and ``size`` (1, H, W)).

        Raises:
            FloatingPointError: The base model returned NaN or infinite logits for an image, which is named.
        """
        num_logits = self._last_decode_head.out_channels
        # Resizing rounds by memory layout; a contiguous copy rounds as the base model's own logits do.
        logits, native_maps = seg_logits[:, :num_logits].contiguous(), seg_logits[:, num_logits:]
        metas = [{}] * len(logits) if data_samples is None else [sample.metainfo for sample in data_samples]
        native = [self._at_output_size(maps, meta) for maps, meta in zip(native_maps, metas)]
        if num_logits == 1:
            samples = super().postprocess_result(logits, data_samples)
        else:
            samples = [SegDataSample() for _ in logits] if data_samples is None else data_samples
        for index, (sample, maps, raw, meta) in enumerate(zip(samples, native, logits, metas)):
            raw = self._at_output_size(raw, meta)
            self._check_finite(raw, sample)
            output = self.class_logits(raw[None])
            summary = summarize(output)
            if num_logits > 1:
                sample.set_data(dict(seg_logits=PixelData(data=raw), pred_sem_seg=PixelData(data=summary.predicted.long())))
            if self.calibrator is not None:
                own = [None if values is None else values[index:index + 1] for values in (features, images)]
                output, summary = self.calibrator(FrozenOutputs(output, output, *own), [meta]), None
            if self.calibrator is not None or isinstance(self._last_decode_head, MASK_HEADS):
                sample.set_data(dict(calibrated_logits=PixelData(data=output[0])))
            self._attach(sample, output, maps, summary)
        return samples

    def class_logits(self, scores: Tensor) -> Tensor:
        """What the base model gives, (N, K, H, W), as logits; see :func:`~mmseg_uncertainty.models.utils.class_logits`."""
        return class_logits(scores, self._last_decode_head)

    def head_scores(self,
                    logits: Tensor,
                    native_maps: Tensor,
                    summary: ClassSummary | None = None) -> dict[str, Tensor]:
        """Uncertainty maps of all heads at output size.

        Args:
            logits: Class logits at output size, shape (N, K, H, W).
            native_maps: Maps of the native heads, shape (N, native heads, H, W).
            summary: Summary of the logits, if it is known already.

        Returns:
            Shape (N, H, W) by name, in the order of the config.
        """
        native_names = [name for name, _ in self._native_heads()]
        output_heads = {name: head for name, head in self.uncertainty_heads.items() if name not in native_names}
        scores = dict(zip(native_names, native_maps.unbind(dim=1)), **self._score(output_heads, logits, None, summary))
        return {name: scores[name] for name in self.uncertainty_heads}

    def _attach(self, sample: SegDataSample, logits: Tensor, native_maps: Tensor, summary: ClassSummary | None) -> None:
        scores = self.head_scores(logits, native_maps[None], summary)
        uncertainty = PixelData()
        for name, score in scores.items():
            uncertainty.set_field(score, name)
        sample.set_data(dict(uncertainty=uncertainty))
        if self.set_head is not None:
            membership = self.set_head(self.set_head.probabilities(logits))[0]
            sample.set_data(dict(prediction_set=PixelData(membership=membership, size=membership.sum(0, keepdim=True))))

    def _at_output_size(self, maps: Tensor, meta: dict) -> Tensor:
        if not len(maps):
            return maps
        return output_to_label_size(maps[None], meta, meta.get('ori_shape'), self.align_corners)[0]

    @staticmethod
    def _score(heads: dict[str, ScoreHead],
               logits: Tensor,
               features: Tensor | None,
               summary: ClassSummary | None = None) -> dict[str, Tensor]:
        summaries, scores = {} if summary is None else {1.: summary}, {}
        for name, head in heads.items():
            if head.needs_features and features is None:
                raise ValueError(f'Head {name!r} ({type(head).__name__}) needs features, but the decode head of the base '
                                 'model has no classifier layer `conv_seg` whose input could serve; remove this head '
                                 'or choose one that needs logits only.')
            if isinstance(head, SummaryHead) and not head.filters:
                if head.temperature not in summaries:
                    scaled = logits if head.temperature == 1 else logits / head.temperature
                    summaries[head.temperature] = summarize(scaled)
                scores[name] = head.score_summary(summaries[head.temperature])
            else:
                scores[name] = head(logits, features)
        return scores

    def _base_encode_decode(self, inputs: Tensor, batch_img_metas: list[dict]) -> Tensor:
        if self.cache is None:
            return self._run_base(inputs, batch_img_metas)
        features = features_name(self.posthoc_modules())
        names = ['logits', 'native_logits', *([features] if features else [])]
        maps = self.cache(inputs, names, _circumstances(inputs, batch_img_metas[0], self._base.precision),
                          lambda missing: self._base_maps(missing, [batch_img_metas[0]] * len(missing), features))
        self._tap.hold(maps['native_logits'], maps.get(features))
        if maps['logits'] is not None:
            return maps['logits']
        return self._last_decode_head.predict_by_feat(maps['native_logits'], batch_img_metas)

    def _base_maps(self, inputs: Tensor, metas: list[dict], name: str | None) -> dict[str, Tensor | None]:
        """What the cache keeps: logits at input size only where they are not those of the classifier, resized."""
        logits = self._run_base(inputs, metas)
        native_logits, features = self._tap.read(logits)
        if native_logits is logits:
            maps = dict(logits=logits, native_logits=None)
        else:
            resized = self._last_decode_head.predict_by_feat(native_logits, metas)
            maps = dict(logits=None if self.cache.reproduces(resized, logits) else logits, native_logits=native_logits)
        return maps | ({name: kept_features(features, name)} if name else {})

    def _run_base(self, inputs: Tensor, batch_img_metas: list[dict]) -> Tensor:
        with self._base.running():
            return at_least_float32(self._base_class.encode_decode(self, inputs, batch_img_metas))

    def _native_heads(self) -> Iterator[tuple[str, ScoreHead]]:
        heads = self._modules.get('uncertainty_heads') or {}
        return ((name, head) for name, head in heads.items() if head.resolution == 'native')

    @property
    def _base_class(self) -> type[EncoderDecoder]:
        return CascadeEncoderDecoder if isinstance(self.decode_head, nn.ModuleList) else EncoderDecoder

    @property
    def _last_decode_head(self) -> nn.Module:
        return self.decode_head[-1] if isinstance(self.decode_head, nn.ModuleList) else self.decode_head

    @staticmethod
    def _check_finite(logits: Tensor, sample: SegDataSample) -> None:
        if not logits.sum().isfinite() and not logits.isfinite().all():
            count = int((~logits.isfinite()).sum())
            raise FloatingPointError(f'The base model returned {count} NaN or infinite logits for '
                                     f'{sample.metainfo.get("img_path", "an image")}. Check its checkpoint and the '
                                     'normalization in `data_preprocessor`.')


def _circumstances(inputs: Tensor, meta: dict, precision: torch.dtype | None) -> str:
    """What decides the outputs of the base model besides its input and its weights."""
    device = inputs.device.type
    if precision is None:
        precision = autocast_precision(device) or inputs.dtype
    return f'{meta.get("img_shape")} {meta.get("pad_shape")} {precision}'
