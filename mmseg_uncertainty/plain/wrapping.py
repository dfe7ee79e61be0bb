"""Makes a model that says when to trust it from a network, or from a network and a file."""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmseg.registry import MODELS
from torch import nn

from mmseg_uncertainty.engine.checkpoints import CheckpointError, read_checkpoint
from mmseg_uncertainty.label_values import MOST_CLASSES
from mmseg_uncertainty.models import PosthocSegmentor
from mmseg_uncertainty.models.bases import FrozenBase
from mmseg_uncertainty.models.bases.presets import base_of

from .method_names import calibrator_config, head_configs, set_config
from .posthoc_state import fingerprint
from .uncertainty_model import UncertaintyModel

FUNCTION = '<function>'
PLAIN = (str, int, float, bool, type(None))


def wrap(network: nn.Module | FrozenBase,
         preset: str | None = None,
         classes: Sequence[str] | None = None,
         num_classes: int | None = None,
         heads: Iterable[str] | Mapping[str, str | Mapping] = ('msp', ),
         calibrator: str | Mapping | None = None,
         sets: Mapping | None = None,
         decisions: Mapping[str, Mapping] | None = None,
         **base: Any) -> UncertaintyModel:
    """Freeze a trained network and add what says when to trust it.

    Args:
        network: Maps normalized images (N, 3, H, W) to class logits. It is held, not copied.
        preset: Library whose networks are known, ``'transformers'``, ``'torchvision'`` or ``'smp'``; ``None`` for any other.
        classes: Names of the classes.
        num_classes: Number of classes K, 1 for one sigmoid channel; needed where neither names nor the preset say it.
        heads: Uncertainty maps, by their names: ``'msp'``, ``'energy'``, ``'entropy'``, ``'margin'``, ``'max_logit'`` need
            no fit; ``'sml'``, ``'mahalanobis'``, ``'vim'``, ``'knn'``, ``'fedu'`` and ``'fedc'`` do; see
            :data:`~mmseg_uncertainty.plain.method_names.HEADS`. Or configs by a name of your own.
        calibrator: ``'temperature'``, ``'clustered'``, ``'local'`` or ``'vector'``, or a config.
        sets: Prediction sets, such as ``dict(alpha=0.05)``; see :func:`~mmseg_uncertainty.plain.method_names.set_config`.
        decisions: Flags with a promise by name, such as ``dict(flagged=dict(head='msp', promise='false_alarms', alpha=0.01))``;
            see :class:`~mmseg_uncertainty.models.decisions.FlagThreshold`.
        base: Arguments of :class:`~mmseg_uncertainty.models.bases.TorchBase` or of the preset: ``logits_from``,
            ``features_from``, ``output``, ``align_corners``, ``ignore_index``, ``size_divisor``, …

    Returns:
        A model to fit, predict with and save.

    Raises:
        ValueError: A name is unknown, or a head reads features that the network does not give.

    Examples:
        >>> network = torch.nn.Conv2d(3, 3, kernel_size=1, bias=False)
        >>> weight = torch.nn.init.dirac_(network.weight)  # the logits are the image itself
        >>> model = wrap(network, classes=['road', 'car', 'sky'], heads=['msp', 'entropy'])
        >>> result = model.predict(torch.tensor([0.7, 0.2, 0.1]).log().view(1, 3, 1, 1))
        >>> result.labels.item(), round(result.uncertainty['msp'].item(), 4)
        (0, 0.3)
    """
    named = dict(classes=None if classes is None else list(classes), num_classes=num_classes)
    given = dict(preset=preset) | {name: value for name, value in (named | base).items() if value is not None}
    held = base_of(network, **given)
    if held.num_classes > MOST_CLASSES:
        raise ValueError(f'The network has {held.num_classes} classes, and at most {MOST_CLASSES} can be told apart from '
                         'pixels without a label.')
    configs = dict(heads=head_configs(heads, held), calibrator=calibrator_config(calibrator),
                   sets=set_config(sets, held.num_classes),
                   decisions={name: dict(type='FlagThreshold', **options) for name, options in (decisions or {}).items()})
    posthoc = PosthocSegmentor(configs['heads'], configs['calibrator'], configs['sets'], held,
                               MODELS.build(held.preprocessor() or dict(type='SegDataPreProcessor')),
                               decisions=configs['decisions'])
    _check_features(posthoc)
    return UncertaintyModel(posthoc, plain_values(configs | dict(base=given)))


def load(path: str | Path, network: nn.Module | FrozenBase, **base: Any) -> UncertaintyModel:
    """Wrap a network as a file of :meth:`~mmseg_uncertainty.plain.UncertaintyModel.save` says, with what was fitted.

    Args:
        path: The file; nothing in it is executed.
        network: The network that the file was fitted on, with its weights.
        base: Arguments of :func:`wrap` that are no plain values, such as a function as ``logits_from``.

    Raises:
        CheckpointError: The file cannot be read, or was fitted on another network.

    Examples:
        >>> network = torch.nn.Conv2d(3, 3, kernel_size=1)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     wrap(network, num_classes=3, heads=['msp', 'energy']).save(f'{folder}/model.pth')
        ...     load(f'{folder}/model.pth', network).heads
        ('msp', 'energy')
    """
    content = read_checkpoint(path)
    meta = content.get('meta', {})
    if 'wrap' not in meta:
        raise CheckpointError(f'{path} was not written by UncertaintyModel.save; checkpoints of tools/train.py are read '
                              'with their config by mmseg_uncertainty.UncertaintyInferencer.')
    options = meta['wrap']
    given = {} if isinstance(network, FrozenBase) else options['base'] | base
    missing = [name for name, value in given.items() if value == FUNCTION]
    if missing:
        raise CheckpointError(f'{path}: {", ".join(missing)} was a function, which is not saved; pass it to load again.')
    model = wrap(network, heads=options['heads'], calibrator=options['calibrator'], sets=options['sets'],
                 decisions={name: {key: value for key, value in decision.items() if key != 'type'}
                            for name, decision in options.get('decisions', {}).items()}, **given)
    found, expected = fingerprint(model.posthoc), meta['fitted_on']['base_sha256']
    if found != expected:
        raise CheckpointError(f'{path} was fitted on the network {expected[:12]}, and the weights given are those of '
                              f'{found[:12]}. Give the network it was fitted on, with its weights, or fit again.')
    model.fill(content['state_dict'], meta['fitted_on'], str(path))
    return model


def plain_values(value: Any) -> Any:
    """A config in values that a checkpoint may hold: classes by their names, functions as :data:`FUNCTION`.

    Raises:
        TypeError: An option is nothing of the kind.
    """
    if isinstance(value, Mapping):
        return {str(name): plain_values(entry) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_values(entry) for entry in value]
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, type):
        return value.__name__
    if callable(value):
        return FUNCTION
    raise TypeError(f'An option is a {type(value).__name__}; expected numbers, text, lists and dicts, or a function.')


def _check_features(posthoc: PosthocSegmentor) -> None:
    reading = [name for name, head in posthoc.uncertainty_heads.items() if head.needs_features and head.features_from is None]
    if reading and posthoc.base.features_from is None:
        raise ValueError(f'{", ".join(reading)} read the input of the last layer of the network, and nothing says which '
                         "that is. Name it with features_from='name.of.layer', or choose heads that need logits only, such as "
                         "'fedu' for 'fedc'.")
