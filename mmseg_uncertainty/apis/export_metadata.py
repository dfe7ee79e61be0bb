"""What a runtime has to know about an exported model, as text."""
from __future__ import annotations

import json
import math
from dataclasses import asdict

import torch

from mmseg_uncertainty.models.set_heads import (AdaptiveRiskControlHead, ConformalRiskControlHead, DilationSetHead, KandinskyHead,
                                                WeightedRiskControlHead)
from mmseg_uncertainty.models.set_heads.set_head import SetHead
from mmseg_uncertainty.runtime.exported_predictor import FLAG_PREFIX, FORMAT
from mmseg_uncertainty.runtime.flag_summary import plain_record

from .exported_segmentor import ExportedSegmentor, takes_rgb
from .small_inputs import SMALLEST_SIDE


def export_metadata(segmentor: ExportedSegmentor, opset: int | None = None) -> dict[str, str]:
    """Everything that is not in the graph, by name; values that are no text are JSON.

    Args:
        segmentor: What is exported.
        opset: Version of the ONNX operators.
    """
    model = segmentor.model
    meta, preprocessor = getattr(model, 'dataset_meta', {}), model.data_preprocessor
    order = 'RGB' if takes_rgb(preprocessor) else 'BGR'
    scales = {name: scale for name, scale in model.score_scales().items() if name in segmentor.heads}
    content = dict(
        format=FORMAT, opset=opset, dtype='float16' if segmentor.half else 'float32', tensors=tensors(segmentor),
        images='uint8 RGB (N, H, W, 3)' if segmentor.preprocess else f'normalized float32 {order} (N, 3, H, W)',
        mean=getattr(preprocessor, 'mean', torch.zeros(3)).flatten().tolist(),
        std=getattr(preprocessor, 'std', torch.ones(3)).flatten().tolist(),
        resizing=segmentor.resizing.steps,
        padding=_padding(preprocessor), windows=_windows(model.test_cfg),
        prediction=dict(rule='threshold', threshold=model.distribution.threshold)
        if model.distribution.name == 'sigmoid' else dict(rule='argmax'),
        output=model.distribution.name,
        whole_image=[type(part).__name__ for part in (model.calibrator, model.set_head)
                     if getattr(part, 'needs_features', False) or getattr(part, 'whole_image', False)
                     or isinstance(part, KandinskyHead)] if model.tta is None else ['TestTimeViews'],
        views={} if model.tta is None else dict(scales=model.tta.scales, flip=model.tta.flip),
        classes=meta.get('classes', []), palette=meta.get('palette', []),
        units={name: f'{scale.units}; higher is more uncertain' for name, scale in scales.items()},
        scales={name: asdict(scale) for name, scale in scales.items()},
        sets={} if segmentor.sets is None else _sets(model.set_head),
        decisions={name: plain_record(decision.record()) for name, decision in segmentor.decisions.items()},
        provenance=getattr(model, 'provenance', {}))
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in content.items()}


def dynamic_axes(segmentor: ExportedSegmentor) -> dict[str, dict[int, str]]:
    """Names of the axes of any length, by input and output; where images are resized, results have those of the image."""
    height, width = ('image_height', 'image_width') if segmentor.resizes else ('height', 'width')
    with_classes, without = {0: 'batch', 2: height, 3: width}, {0: 'batch', 1: height, 2: width}
    axes = {name: with_classes if name in ('logits', 'probabilities', 'set_membership') else without
            for name in segmentor.output_names}
    return dict(axes, images={0: 'batch', 1: 'height', 2: 'width'} if segmentor.preprocess
                else {0: 'batch', 2: 'height', 3: 'width'})


def tensors(segmentor: ExportedSegmentor) -> dict[str, dict]:
    """Type and axes of every input and output."""
    types = dict(images='uint8' if segmentor.preprocess else 'float32', image_size='int64', labels='int64',
                 set_membership='bool')
    axes = dynamic_axes(segmentor)
    channels = dict(logits=segmentor.model.base.out_channels, probabilities=segmentor.model.num_classes,
                    set_membership=segmentor.model.num_classes, images=3)

    def shape(name: str) -> list:
        if name == 'image_size':
            return [2]
        return [axes[name].get(index, channels.get(name)) for index in range(3 + (name in channels))]

    types |= {name: 'bool' for name in segmentor.output_names if name.startswith(FLAG_PREFIX)}
    return {name: dict(type=types.get(name, 'float32'), shape=shape(name))
            for name in (*segmentor.input_names, *segmentor.output_names)}


def _padding(preprocessor) -> dict:
    options = getattr(preprocessor, 'test_cfg', None)
    if options:
        return dict(options, value=preprocessor.pad_val, inside_the_graph=True)
    return dict(smallest_side=SMALLEST_SIDE, value='edge', inside_the_graph=True)


def _windows(test_cfg: dict) -> dict:
    if test_cfg['mode'] == 'whole':
        return {}
    return dict(crop_size=list(test_cfg['crop_size']), stride=list(test_cfg['stride']), inside_the_graph=True)


def _sets(set_head: SetHead | None) -> dict:
    if isinstance(set_head, KandinskyHead):
        risk = {} if set_head.risk_target is None else dict(alpha=set_head.risk_target.alpha, **set_head.risk_loss)
        return dict(kind='kandinsky', promises=[dict(alpha=set_head.target.alpha, scores='of each class and group')],
                    image_promises=[risk] if risk else [])
    if isinstance(set_head, DilationSetHead):
        radii = [radius if math.isfinite(radius) else str(radius) for radius in set_head.radii.tolist()]
        return dict(kind='dilation', structure=set_head.structure, radii=radii,
                    promises=[dict(alpha=set_head.target.alpha, control=set_head.target.control, coverage=set_head.coverage)])
    if isinstance(set_head, AdaptiveRiskControlHead):
        return dict(kind=set_head.family.kind, thresholds='linear in an embedding of the image', embedding=set_head.embedding.parts,
                    promises=[dict(alpha=set_head.target.alpha, control=set_head.target.control, **set_head.loss)])
    if isinstance(set_head, WeightedRiskControlHead):
        return dict(kind=set_head.family.kind, thresholds='by the likelihood ratio of the image', embedding=set_head.embedding.parts,
                    promises=[dict(alpha=target.alpha, **loss) for target, loss in zip(set_head.targets, set_head.losses)])
    if isinstance(set_head, ConformalRiskControlHead):
        return dict(kind=set_head.family.kind, lambda_hat=(1 - set_head.thresholds).tolist(), promises=[
            dict(alpha=target.alpha, control=target.control, **loss)
            for target, loss in zip(set_head.targets, set_head.losses)])
    return {}
