"""A trained segmentation model that is held, never changed."""
from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmseg_uncertainty.functional.class_distributions import SOFTMAX, ClassDistribution
from mmseg_uncertainty.functional.ensembles import EnsembleStatistics
from mmseg_uncertainty.label_values import VOID

from .frozen import Frozen
from .layer_maps import LayerReader, find_layer, layer_channels
from .layer_tap import LayerTap, OutputTap, at_least_float32

QUERIES = ('queries:classes', 'queries:masks')
ACTIVATIONS = (nn.Softmax, nn.Softmax2d, nn.Sigmoid)


@dataclass(frozen=True)
class BasePass:
    """What one forward pass of a base model gives for one window of the input.

    Args:
        scores: Output of the model at the size of the window, shape (N, C, H', W').
        native: The output where the classifier computes it, shape (N, C, h, w); ``None`` where that is the same.
        features: Input of the classifier, shape (N, F, h, w); ``None`` where there is no such layer.
        members: What the members of an ensemble say where the classifier works, or ``None``.
        layers: Maps of other layers by the names that were asked for, shape (N, C, h, w) each, of sizes of their own.
    """

    scores: Tensor
    native: Tensor | None = None
    features: Tensor | None = None
    members: EnsembleStatistics | None = None
    layers: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def native_scores(self) -> Tensor:
        """The output where the classifier computes it, shape (N, C, h, w)."""
        return self.scores if self.native is None else self.native


class FrozenBase(nn.Module, metaclass=ABCMeta):
    """Hold a network, freeze it for good, and say what it is: what posthoc models ask of a base model.

    Subclasses build :attr:`network`, say what its output means, and implement :meth:`scores`. They end their constructor
    with :meth:`freeze`. Checkpoints hold the tensors of the network under the names that they have in it.

    Attributes:
        network: The network.
        num_classes: Number of classes K, 2 for one sigmoid channel.
        out_channels: Channels of the output C.
        distribution: What the output means.
        align_corners: How the model resizes its output.
        features_from: Name in the network of its last layer, whose input are the features; ``None`` where there is none.
        queries_from: Name in the network of what returns the queries of a mask transformer, ``''`` for the network itself;
            ``None`` where there are none. :meth:`queries_of` finds them in its output.
        dropout_ratio: Share of the features that were dropped in training, 0 where nothing is known.
        ignore_index: Label that the model was not trained on.
        classes: Names of the classes, ``None`` where the model does not know them.
        size_divisor: Height and width of the input must be multiples of it.
        has_weights: Whether the network was filled when it was built, so that no checkpoint is needed.
    """

    network: nn.Module
    num_classes: int
    out_channels: int
    distribution: ClassDistribution = SOFTMAX
    align_corners: bool = False
    features_from: str | None = None
    queries_from: str | None = None
    dropout_ratio: float = 0.
    ignore_index: int = VOID
    classes: Sequence[str] | None = None
    size_divisor: int = 1
    has_weights: bool = False

    @abstractmethod
    def scores(self, inputs: Tensor, metas: Sequence[Mapping]) -> Tensor:
        """Output of the network at the size of its input.

        Args:
            inputs: Preprocessed images, shape (N, 3, H', W').
            metas: ``metainfo`` of each image, with the size of this input as ``img_shape`` and ``pad_shape``.

        Returns:
            Shape (N, C, H', W').
        """

    def at_input_size(self, native: Tensor, size: tuple[int, int], metas: Sequence[Mapping]) -> Tensor:
        """The output at the size of the input, from where the classifier computes it."""
        return F.interpolate(native, size=tuple(size), mode='bilinear', align_corners=self.align_corners)

    def preprocessor(self) -> dict | None:
        """Config of a data preprocessor that prepares images as the model expects them, where the model knows that."""
        return None

    def translated(self, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Tensors of a checkpoint under the names of the network, where its library names them otherwise in files."""
        return state

    def forward(self, inputs: Tensor, metas: Sequence[Mapping], layers: Sequence[str] = ()) -> BasePass:
        """One pass without gradients.

        Args:
            inputs: See :meth:`scores`.
            metas: See :meth:`scores`.
            layers: What else is read on the way, see :func:`~mmseg_uncertainty.models.bases.layer_maps.find_layer`; and names
                out of :data:`QUERIES`, class logits (N, Q, K + 1) and mask logits (N, Q, h, w) of the queries.
        """
        size = inputs.shape[2:]
        metas = [dict(meta, img_shape=size, pad_shape=size) for meta in metas]
        reader = LayerReader(self.network, [name for name in layers if name not in QUERIES], type(self).__name__)
        queries = OutputTap(self.query_layer(type(self).__name__) if set(QUERIES) & set(layers) else None)
        with self.frozen.running(), LayerTap(self.classifier) as tap, reader, queries:
            scores = at_least_float32(self.scores(inputs, metas))
        maps = reader.maps(tuple(size)) if layers else {}
        if queries.output is not None:
            maps |= dict(zip(QUERIES, map(at_least_float32, self.queries_of(queries.output))))
        features = tap.input if tap.input is not None and tap.input.dim() == 4 else None
        if tap.output is None or tap.output.shape[:2] != scores.shape[:2] or tap.output.dim() != 4:
            return BasePass(scores, layers=maps)
        return BasePass(scores, tap.output, features, layers=maps)

    def freeze(self) -> None:
        """Take gradients and training mode from the network, once and for all."""
        self.frozen = Frozen([self.network])

    def train(self, mode: bool = True) -> FrozenBase:
        """Stay in evaluation mode, whatever is asked."""
        self.training = mode
        self.network.eval()
        return self

    @property
    def classifier(self) -> nn.Module | None:
        """The layer that :attr:`features_from` names."""
        return None if self.features_from is None else self.network.get_submodule(self.features_from)

    @property
    def feature_channels(self) -> int | None:
        """Channels of the features, ``None`` where there are none."""
        for name in ('in_channels', 'in_features', 'num_features'):
            if hasattr(self.classifier, name):
                return int(getattr(self.classifier, name))
        return None

    def query_layer(self, owner: str) -> nn.Module:
        """The part of the network that returns queries.

        Args:
            owner: Who reads them, for the message.

        Raises:
            TypeError: The network is no mask transformer that is known.
        """
        if self.queries_from is None:
            raise TypeError(f'{owner} reads the masks of single queries, and {type(self.network).__name__} gives none. Use a '
                            'Mask2Former or MaskFormer of mmseg or transformers, or a score of logits.')
        return self.network.get_submodule(self.queries_from)

    def queries_of(self, output: Any) -> tuple[Tensor, Tensor]:
        """Class logits (N, Q, K + 1), the last one "no object", and mask logits (N, Q, h, w).

        Args:
            output: What the layer of :attr:`queries_from` returned.
        """
        raise NotImplementedError

    def layer_channels(self, name: str, owner: str) -> int | None:
        """Channels of what a head reads, ``None`` where the layer does not tell.

        Args:
            name: See :func:`~mmseg_uncertainty.models.bases.layer_maps.find_layer`.
            owner: Who reads it, for the message.

        Raises:
            ValueError: The name leads nowhere.
        """
        return layer_channels(*find_layer(self.network, name, owner))

    def conv_classifier(self, owner: str) -> nn.Conv2d:
        """The classifier of a method that repeats it.

        Args:
            owner: Who needs it, for the message.

        Raises:
            TypeError: The model has no convolution as classifier.
        """
        if not isinstance(self.classifier, nn.Conv2d):
            raise TypeError(f'{owner} needs a base model whose classifier is a Conv2d; that of {type(self).__name__} '
                            f'({type(self.network).__name__}) is {type(self.classifier).__name__}. Name the layer with '
                            'features_from, or choose a method that needs logits only.')
        return self.classifier


def check_output(scores: Tensor, base: FrozenBase, inputs: Tensor) -> None:
    """Check the output of a network that is not known beforehand, at its first pass.

    Args:
        scores: The output.
        base: Whose output it is.
        inputs: What it was computed from.

    Raises:
        ValueError: The number of channels is wrong, or the output holds probabilities instead of logits.
    """
    if scores.dim() != 4 or scores.shape[1] != base.out_channels:
        raise ValueError(f'{type(base).__name__}: the output has the shape {tuple(scores.shape)}, expected (N, '
                         f'{base.out_channels}, H, W). Check num_classes, or say with logits_from where the logits are.')
    low, high = (float(value) for value in scores.detach().aminmax())
    if low < 0 or high > 1 or low == high:
        return
    sums = scores.shape[1] > 1 and torch.allclose(scores.sum(dim=1), scores.new_ones(()), atol=1e-3)
    found = 'sums to 1 over the classes' if sums else 'lies between 0 and 1 everywhere'
    raise ValueError(f'{type(base).__name__}: the output {found}, so it holds probabilities; scores need logits. Remove '
                     f'{_activation(base.network, inputs, scores)} from the network. If these are logits, say check=False.')


def _activation(network: nn.Module, inputs: Tensor, scores: Tensor) -> str:
    """What made probabilities of logits, for a message: the last layer that does, in a second pass."""
    found = []
    hooks = [module.register_forward_hook(lambda _, __, output, name=name: found.append((name, output)))
             for name, module in network.named_modules() if isinstance(module, ACTIVATIONS)]
    try:
        network(inputs)
    finally:
        for hook in hooks:
            hook.remove()
    names = [name for name, output in found if output.shape[:2] == scores.shape[:2] and output.dim() == 4]
    return f'the activation {names[-1]!r}' if names else 'the call of softmax or sigmoid at its end'
