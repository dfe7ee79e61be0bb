"""Networks of segmentation_models_pytorch as frozen bases."""
from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.logging import print_log
from mmseg.registry import MODELS
from torch import nn

from .layer_names import DROPOUT, dropped_before, last_convolution
from .libraries import library
from .torch_base import IMAGENET, TorchBase


@MODELS.register_module()
class SegmentationModelsBase(TorchBase):
    """Hold a network of segmentation_models_pytorch.

    Features are the input of the convolution of its segmentation head, and maps are resized as its upsampling does. One
    class means one sigmoid channel. Images are normalized as the pretrained encoder expects, where that can be known
    without fetching anything, else as those of ImageNet.

    Args:
        network: The network, or the name of its architecture such as ``'unet'``; ``None`` with ``path``.
        arguments: Arguments of the architecture, such as ``encoder_name`` and ``classes``.
        path: Folder that its ``save_pretrained`` wrote.
        options: Arguments of :class:`TorchBase` in place of what is known.

    Raises:
        ImportError: segmentation_models_pytorch cannot be imported.
        ValueError: The architecture is unknown, its head ends in an activation, or pretrained weights are asked for.
    """

    def __init__(self,
                 network: nn.Module | str | None = None,
                 arguments: Mapping[str, Any] | None = None,
                 path: str | None = None,
                 **options) -> None:
        filled = isinstance(network, nn.Module)
        arguments = dict(arguments or {})
        if path is not None:
            network, arguments, options = _from_folder(Path(path), options)
        if not isinstance(network, nn.Module):
            classes = options.get('num_classes') or len(options.get('classes') or ()) or arguments.get('classes')
            network = _build(network, dict(arguments, classes=classes))
        classifier = last_convolution(network, 'segmentation_head')
        _check_activation(network)
        encoder = (getattr(network, '_hub_mixin_config', None) or arguments).get('encoder_name', '')
        dropout = getattr(network.decoder, 'dropout', None)
        known = dict(
            num_classes=network.get_submodule(classifier).out_channels,
            features_from=classifier,
            logits_from=None if network.classification_head is None else 0,
            align_corners=_aligns_corners(network),
            size_divisor=network.encoder.output_stride if network.requires_divisible_input_shape else 1,
            dropout_ratio=dropout.p if isinstance(dropout, DROPOUT) else dropped_before(network, classifier))
        if 'mean' not in options:
            known.update(normalization(encoder))
        super().__init__(network, **{**known, **options})
        self.has_weights = filled or options.get('weights') is not None


def normalization(encoder: str) -> dict[str, Any]:
    """How images become inputs of a pretrained encoder: ``mean`` and ``std`` from 0 to 255, ``channel_order``."""
    settings = _settings(encoder)
    if settings is None:
        print_log(f'SegmentationModelsBase: how images for the encoder {encoder!r} are normalized is not known on this '
                  'machine, so they are normalized as those of ImageNet. Say mean and std where it was trained otherwise.',
                  'current')
        return dict(IMAGENET)
    scale = 255 if (settings.get('input_range') or [0, 1])[1] == 1 else 1
    return dict(mean=[scale * value for value in settings['mean']], std=[scale * value for value in settings['std']],
                channel_order=settings.get('input_space', 'RGB').lower())


def _settings(encoder: str) -> Mapping[str, Any] | None:
    encoders = library('segmentation_models_pytorch').encoders
    if encoder.startswith('tu-'):
        try:
            return encoders.get_preprocessing_params(encoder)
        except ValueError:
            return None
    published = encoders.encoders.get(encoder, {}).get('pretrained_settings', {}).get('imagenet')
    if published is None:
        return None
    from huggingface_hub import try_to_load_from_cache
    cached = try_to_load_from_cache(published['repo_id'], 'config.json', revision=published['revision'])
    return json.loads(Path(cached).read_text(encoding='utf-8')) if isinstance(cached, str) else None


def _build(name: str | None, arguments: Mapping[str, Any]) -> nn.Module:
    smp = library('segmentation_models_pytorch')
    architectures = sorted(smp.MODEL_ARCHITECTURES_MAPPING)
    if str(name).lower() not in architectures:
        raise ValueError(f'SegmentationModelsBase: network={name!r} is no architecture of segmentation_models_pytorch; '
                         f'choose from {architectures}.')
    if arguments.get('classes') is None:
        raise ValueError('SegmentationModelsBase: say how many classes the network has, with num_classes or classes.')
    if arguments.get('encoder_weights') is not None:
        raise ValueError(f'SegmentationModelsBase: encoder_weights={arguments["encoder_weights"]!r} would be fetched, and '
                         'nothing is fetched here. Remove it; weights of the base fill the encoder too.')
    return smp.create_model(name, **{**arguments, 'encoder_weights': None})


def _from_folder(folder: Path, options: Mapping[str, Any]) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Architecture, its arguments and options that fill it, from a folder of ``save_pretrained``."""
    file = folder / 'config.json'
    if not file.is_file():
        raise ValueError(f'SegmentationModelsBase: {folder} has no config.json. Give the folder that save_pretrained wrote.')
    arguments = json.loads(file.read_text(encoding='utf-8'))
    name = arguments.pop('_model_class', None)
    arguments['encoder_weights'] = None
    return name, arguments, {'weights': str(folder), **options}


def _aligns_corners(network: nn.Module) -> bool:
    """How the segmentation head resizes what its convolution gives; heads that write it as a call align corners too."""
    upsampling = [module for module in network.segmentation_head.modules() if isinstance(module, nn.Upsample)]
    return bool(upsampling[-1].align_corners) if upsampling else True


def _check_activation(network: nn.Module) -> None:
    name, activation = list(network.segmentation_head.named_children())[-1]
    inner = getattr(activation, 'activation', activation)
    if not isinstance(inner, nn.Identity):
        raise ValueError(f'SegmentationModelsBase: the network ends in {type(inner).__name__} (segmentation_head.{name}), '
                         'and scores need logits. Build it with activation=None; its weights stay the same.')
