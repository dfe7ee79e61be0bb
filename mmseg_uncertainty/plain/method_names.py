"""Short names of heads, calibrators and prediction sets, and the configs that they stand for."""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mmseg_uncertainty.models.bases import FrozenBase
from mmseg_uncertainty.runtime.near_names import did_you_mean

FLOW = dict(type='FlowEneDetHead', training_pixels=2048, flow=dict(kernel_size=1))
HEADS: dict[str, dict] = {
    'msp': dict(type='MSPHead'),
    'max_logit': dict(type='MaxLogitHead'),
    'energy': dict(type='EnergyHead'),
    'entropy': dict(type='EntropyHead'),
    'margin': dict(type='MarginHead'),
    'gen': dict(type='GENHead'),
    'kl_matching': dict(type='KLMatchingHead'),
    'sml': dict(type='StandardizedMaxLogitHead'),
    'softmax_deviation': dict(type='SoftmaxDeviationHead'),
    'mcd': dict(type='MCDropoutHead', samples=32),
    'mahalanobis': dict(type='MahalanobisHead'),
    'vim': dict(type='ViMHead'),
    'knn': dict(type='NearestNeighborHead'),
    'mahalanobis_pp': dict(type='MahalanobisHead', normalize=True),
    'relative_mahalanobis': dict(type='MahalanobisHead', relative=True),
    'react': dict(type='ReActHead'),
    'scale': dict(type='SCALEHead'),
    'fdbd': dict(type='FDBDHead'),
    'residual': dict(type='ResidualHead'),
    'neco': dict(type='NECOHead'),
    'pnml': dict(type='PNMLHead'),
    'rba': dict(type='RbAHead'),
    'maskomaly': dict(type='MaskomalyHead'),
    'knn_energy': dict(type='SumOfScoresHead', heads=['knn', 'energy']),
    'fedu': FLOW,
    'fedu_full': FLOW | dict(resolution='output', flow=dict(kernel_size=1, blocks=2, hidden_channels=16)),
    'fedc': FLOW | dict(conditional=True),
    'fed_evidence': FLOW | dict(evidence=['knn', 'mahalanobis_pp']),
}
"""Heads by name; flows as ``local_configs/_base_/posthoc/fed.py`` has them."""

CALIBRATORS: dict[str, dict] = {
    'temperature': dict(type='TemperatureScaling'),
    'clustered': dict(type='ClusteredTemperatureScaling', num_clusters=4, assignment='soft'),
    'local': dict(type='LocalTemperatureScaling'),
    'vector': dict(type='VectorScaling'),
    'matrix': dict(type='MatrixScaling'),
    'ensemble_temperature': dict(type='EnsembleTemperatureScaling'),
    'order_preserving': dict(type='OrderPreservingScaling', classwise=True),
    'selective': dict(type='SelectiveScaling'),
    'spline': dict(type='SplineCalibration'),
}
SETS: dict[str, dict] = {
    'crc': dict(type='ConformalRiskControlHead', control='crc'),
    'rcps': dict(type='ConformalRiskControlHead', control='rcps'),
    'ltt': dict(type='ConformalRiskControlHead', control='ltt'),
    'kandinsky': dict(type='KandinskyHead'),
    'weighted': dict(type='WeightedRiskControlHead'),
    'adaptive': dict(type='AdaptiveRiskControlHead'),
    'margins': dict(type='DilationSetHead'),
}
RISK_OPTIONS = ('alpha', 'loss', 'class_weights', 'coverage', 'label')
MOST_POOLED_CHANNELS = 32


def head_configs(heads: Iterable[str] | Mapping[str, str | Mapping], base: FrozenBase | None = None) -> dict[str, dict]:
    """Configs of heads by name.

    Args:
        heads: Names out of :data:`HEADS`; or configs by a name of your own, where a string is such a name too and a config
            without ``type`` changes options of the head of that name.
        base: The base model they read, from which the width of a flow's condition follows.

    Raises:
        ValueError: A name is unknown.
    """
    if isinstance(heads, str):
        heads = [heads]
    named = heads if isinstance(heads, Mapping) else {name: name for name in heads}
    configs = {name: _head_config(name, config) for name, config in named.items()}
    for config in configs.values():
        channels = None if base is None else base.feature_channels
        if config.get('conditional') and channels is not None:
            config.setdefault('condition_channels', _largest_divisor(channels, MOST_POOLED_CHANNELS))
    return configs


def calibrator_config(calibrator: str | Mapping | None) -> dict | None:
    """Config of a calibrator from a name out of :data:`CALIBRATORS` or a config.

    Raises:
        ValueError: The name is unknown.
    """
    if calibrator is None:
        return None
    return dict(calibrator) if isinstance(calibrator, Mapping) else dict(_named(CALIBRATORS, calibrator, 'calibrator'))


def set_config(sets: Mapping | None, num_classes: int) -> dict | None:
    """Config of a set head.

    Args:
        sets: ``alpha``; ``method`` out of :data:`SETS`, ``'crc'`` by default; with risk control ``loss`` and its options,
            see :func:`~mmseg_uncertainty.functional.conformal_losses.image_loss`; all else are options of the head. Or a
            config with ``type``.
        num_classes: Number of classes K.

    Raises:
        ValueError: ``alpha`` is missing, or the method is unknown.
    """
    if sets is None:
        return None
    if 'type' in sets:
        return dict(num_classes=num_classes) | dict(sets)
    options = dict(sets)
    if 'alpha' not in options:
        raise ValueError(f'sets={dict(sets)} has no alpha; say how much may be lost, for instance sets=dict(alpha=0.05).')
    config = _named(SETS, options.pop('method', 'crc'), 'method of sets') | dict(num_classes=num_classes)
    if config['type'] in ('KandinskyHead', 'DilationSetHead'):
        return config | options
    risk = {name: options.pop(name) for name in RISK_OPTIONS if name in options}
    return config | dict(risks=[risk]) | options


def _head_config(name: str, config: str | Mapping) -> dict:
    if isinstance(config, str):
        return dict(_named(HEADS, config, 'head'))
    return dict(config) if 'type' in config else _named(HEADS, name, 'head') | config


def _named(known: Mapping[str, dict], name: Any, kind: str) -> dict:
    if name not in known:
        hint = did_you_mean(str(name), known, cutoff=0.4, shown=repr)
        raise ValueError(f'The {kind} {name!r} is unknown.{hint} Choose from {", ".join(known)}, or give a config.')
    return known[name]


def _largest_divisor(number: int, most: int) -> int:
    return max(divisor for divisor in range(1, most + 1) if number % divisor == 0)
