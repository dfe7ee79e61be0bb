"""Segmentation networks of torchvision as frozen bases."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmseg.registry import MODELS
from torch import nn

from .layer_names import dropped_before, last_convolution
from .libraries import library
from .torch_base import IMAGENET, TorchBase


@MODELS.register_module()
class TorchvisionBase(TorchBase):
    """Hold DeepLabV3, FCN or LR-ASPP of torchvision.

    Logits are the output ``'out'``. Features are the input of the last convolution; LR-ASPP adds up two classifiers, so it
    has none. Images are normalized as those of ImageNet.

    Args:
        network: The network, or the name of its builder such as ``'deeplabv3_resnet50'``; nothing is ever fetched.
        num_classes: Number of classes of a network that is built; by default the 21 of Pascal VOC.
        arguments: Further arguments of the builder.
        options: Arguments of :class:`TorchBase` in place of what is known.

    Raises:
        ImportError: torchvision cannot be imported.
        ValueError: The builder is unknown, or pretrained weights are asked for.
    """

    def __init__(self,
                 network: nn.Module | str,
                 num_classes: int | None = None,
                 arguments: Mapping[str, Any] | None = None,
                 **options) -> None:
        known: dict[str, Any] = dict(IMAGENET, logits_from='out')
        filled = isinstance(network, nn.Module)
        if not filled:
            _check_builder(network, arguments or {})
            if num_classes is None and not options.get('classes'):
                known['classes'] = voc_classes(network)
            count = num_classes or len(options.get('classes') or known['classes'])
            network = library('torchvision').models.get_model(network, **{
                **(arguments or {}), 'weights': None, 'weights_backbone': None, 'num_classes': count})
        last = last_convolution(network, 'classifier')
        known['num_classes'] = network.get_submodule(last).out_channels if num_classes is None else num_classes
        if not hasattr(network.classifier, 'low_classifier'):
            known.update(features_from=last, dropout_ratio=dropped_before(network, last))
        super().__init__(network, **{**known, **options})
        self.has_weights = filled or options.get('weights') is not None


def voc_classes(builder: str) -> list[str]:
    """Names of the 21 classes that torchvision's published weights of a builder know."""
    return list(library('torchvision').models.get_model_weights(builder).DEFAULT.meta['categories'])


def _check_builder(name: str, arguments: Mapping[str, Any]) -> None:
    models = library('torchvision').models
    builders = models.list_models(models.segmentation)
    if name not in builders:
        raise ValueError(f'TorchvisionBase: network={name!r} is no segmentation network of torchvision; choose from '
                         f'{builders}.')
    asked = next((key for key in ('weights', 'weights_backbone') if arguments.get(key) is not None), None)
    if asked is not None:
        raise ValueError(f'TorchvisionBase: {asked}={arguments[asked]!r} would be fetched, and nothing is fetched here. Give '
                         'a file at hand as weights of the base.')
