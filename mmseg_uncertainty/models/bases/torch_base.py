"""Any network of PyTorch as a frozen base."""
from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.utils import get_object_from_string
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmseg_uncertainty.functional.class_distributions import class_distribution
from mmseg_uncertainty.functional.compiled import is_compiling
from mmseg_uncertainty.label_values import PADDING, VOID
from mmseg_uncertainty.runtime.near_names import did_you_mean

from .frozen_base import FrozenBase, check_output

IMAGENET = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])


@MODELS.register_module()
class TorchBase(FrozenBase):
    """Hold a network that maps images (N, 3, H, W) to class logits.

    Args:
        network: The network; or a config of a registered one; or a function that builds it, by itself, by its dotted name
            ('package.module.function') or by its file ('file.py:function'), which is called with ``arguments``.
        num_classes: Number of classes K; ``None`` counts ``classes``.
        classes: Names of the classes.
        arguments: Keyword arguments of the function that builds the network.
        logits_from: Where in the output of the network the logits are: a key of a dict, the name of an attribute, an index of
            a tuple, or a function of the output; ``None`` where the output is the logits.
        features_from: Dotted name of the network's last layer, whose input are the features; ``None`` where no method shall
            read features.
        output: What the output means, out of :data:`~mmseg_uncertainty.functional.class_distributions.DISTRIBUTIONS`; by
            default ``'sigmoid'`` for one channel, else ``'softmax'``.
        threshold: Decision threshold of ``output='sigmoid'``.
        align_corners: How logits that are smaller than the image are resized, and native maps with them.
        ignore_index: Label that the network was not trained on.
        dropout_ratio: Share of the features that were dropped in training.
        mean: Mean of the pixels from 0 to 255, in the order of the channels; ``None`` leaves images as they are, 0 to 255.
        std: Their standard deviation.
        channel_order: Order of the channels that the network expects, ``'rgb'`` or ``'bgr'``.
        size_divisor: Height and width of the input must be multiples of it; inputs are padded.
        weights: Local file, or folder of transformers, that fills the network; ``None`` where a checkpoint of the run does.
        check: Whether the first pass refuses an output that looks like probabilities.

    Raises:
        ValueError: The number of classes is not known, a name does not lead to a layer, or an option is out of range.
    """

    def __init__(self,
                 network: nn.Module | Mapping | Callable[..., nn.Module] | str,
                 num_classes: int | None = None,
                 classes: Sequence[str] | None = None,
                 arguments: Mapping[str, Any] | None = None,
                 logits_from: str | int | Callable[[Any], Tensor] | None = None,
                 features_from: str | None = None,
                 output: str | None = None,
                 threshold: float = 0.5,
                 align_corners: bool = False,
                 ignore_index: int = VOID,
                 dropout_ratio: float = 0.,
                 mean: Sequence[float] | None = None,
                 std: Sequence[float] | None = None,
                 channel_order: str = 'rgb',
                 size_divisor: int = 1,
                 weights: str | None = None,
                 check: bool = True) -> None:
        super().__init__()
        self.has_weights = isinstance(network, nn.Module)
        self.network = build_network(network, arguments or {})
        if num_classes is None and classes is None:
            raise ValueError(f'{type(self).__name__}: say how many classes the network has, with num_classes or classes.')
        if num_classes is not None and classes is not None and len(classes) != max(num_classes, 2):
            raise ValueError(f'{type(self).__name__}: num_classes={num_classes}, and classes names {len(classes)}.')
        self.classes = None if classes is None else list(classes)
        output = ('sigmoid' if num_classes == 1 else 'softmax') if output is None else output
        self.num_classes = max(len(classes) if num_classes is None else num_classes, 2)
        self.out_channels = 1 if output == 'sigmoid' else self.num_classes
        self.distribution = class_distribution(output, threshold)
        self.logits_from, self.features_from = logits_from, features_from
        self.align_corners, self.ignore_index, self.dropout_ratio = align_corners, ignore_index, dropout_ratio
        if channel_order not in ('rgb', 'bgr'):
            raise ValueError(f"{type(self).__name__}: channel_order={channel_order!r}; choose 'rgb' or 'bgr'.")
        self.mean, self.std, self.channel_order, self.size_divisor = mean, std, channel_order, size_divisor
        self._check_layer()
        if weights is not None:
            from mmseg_uncertainty.engine.checkpoints import fill_network
            fill_network(self.network, weights, self.translated)
            self.has_weights = True
        self._is_checked = not check
        self.freeze()

    def _check_layer(self) -> None:
        names = dict(self.network.named_modules())
        if self.features_from is not None and self.features_from not in names:
            raise ValueError(f'{type(self).__name__}: features_from={self.features_from!r} names no layer of '
                             f'{type(self.network).__name__}.{did_you_mean(self.features_from, names, most=3)}')

    def scores(self, inputs: Tensor, metas: Sequence[Mapping]) -> Tensor:
        """See :meth:`FrozenBase.scores`."""
        logits = self.logits_of(self.run_network(inputs))
        if not self._is_checked and not (is_compiling() or torch.jit.is_tracing()):
            check_output(logits, self, inputs)
            self._is_checked = True
        return logits if logits.shape[2:] == inputs.shape[2:] else self.at_input_size(logits, inputs.shape[2:], metas)

    def run_network(self, inputs: Tensor) -> Any:
        """What the network returns for preprocessed images (N, 3, H', W')."""
        return self.network(inputs)

    def logits_of(self, output: Any) -> Tensor:
        """The logits in what the network returns.

        Raises:
            TypeError: They are not where ``logits_from`` says.
        """
        place, found = self.logits_from, output
        try:
            if callable(place):
                found = place(output)
            elif isinstance(place, str):
                found = output[place] if isinstance(output, Mapping) else getattr(output, place)
            elif place is not None:
                found = output[place]
        except (KeyError, AttributeError, IndexError, TypeError):
            found = None
        if not isinstance(found, torch.Tensor):
            there = list(output) if isinstance(output, Mapping) else type(output).__name__
            raise TypeError(f'{type(self).__name__}: no logits at logits_from={place!r} of the output of '
                            f'{type(self.network).__name__}; it returns {there}.')
        return found

    def preprocessor(self) -> dict | None:
        """Images are normalized and padded as the network expects them; see :meth:`FrozenBase.preprocessor`."""
        normalization = {} if self.mean is None else dict(mean=list(self.mean), std=list(self.std))
        padding = dict(test_cfg=dict(size_divisor=self.size_divisor)) if self.size_divisor > 1 else {}
        return dict(type='SegDataPreProcessor', bgr_to_rgb=self.channel_order == 'rgb', pad_val=0, seg_pad_val=PADDING,
                    size_divisor=self.size_divisor, **normalization, **padding)


def build_network(network: nn.Module | Mapping | Callable[..., nn.Module] | str, arguments: Mapping[str, Any]) -> nn.Module:
    """A network from whatever describes it; see :class:`TorchBase`.

    Raises:
        ImportError: A dotted name leads nowhere.
        TypeError: What was built is no module.
    """
    if isinstance(network, Mapping):
        return MODELS.build({**network, **arguments})
    if isinstance(network, str):
        network = named_object(network)
    if not isinstance(network, nn.Module):
        network = network(**arguments)
    if not isinstance(network, nn.Module):
        raise TypeError(f'TorchBase: a network must be a torch.nn.Module, found {type(network).__name__}.')
    return network


def named_object(name: str) -> Callable[..., nn.Module]:
    """A function or class by its dotted name, or by file and name, ``'folder/file.py:Name'``.

    Raises:
        ImportError: The name leads nowhere.
    """
    file, _, own = name.rpartition(':')
    if file.endswith('.py'):
        if not Path(file).is_file():
            raise ImportError(f'TorchBase: network={name!r}: there is no file {file}. Check the path, which starts in the '
                              'folder where the command runs.')
        spec = importlib.util.spec_from_file_location(Path(file).stem, file)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found = getattr(module, own, None)
    else:
        found = get_object_from_string(name)
    if found is None:
        raise ImportError(f'TorchBase: network={name!r} cannot be imported. Give the dotted name of a function or class that '
                          "builds it, such as 'package.module.build', or a file and a name, 'file.py:build'.")
    return found
