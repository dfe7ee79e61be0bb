"""Scores for models that come without, and a choice among those that a model has."""
from __future__ import annotations

from collections.abc import Sequence

from mmengine.config import Config

from mmseg_uncertainty.runtime.near_names import did_you_mean

from .config_files import model_of, type_name
from .load_posthoc import DEFAULT_HEADS, PLAIN_SEGMENTORS

STATELESS = {**DEFAULT_HEADS, 'max_logit': dict(type='MaxLogitHead'), 'gen': dict(type='GENHead')}


def use_heads(config: Config, names: Sequence[str] | None = None) -> None:
    """Give a plain segmentor scores that need no fitting, and keep the named ones of any model.

    Args:
        config: Config to change.
        names: Heads to keep, out of those of the model and :data:`STATELESS`; ``None`` keeps those of the model, and adds
            :data:`~mmseg_uncertainty.apis.load_posthoc.DEFAULT_HEADS` to a plain segmentor.

    Raises:
        ValueError: A name is unknown.
    """
    model = model_of(config)
    if type_name(model.get('type')) in PLAIN_SEGMENTORS:
        model.type, model.uncertainty_heads = 'PosthocSegmentor', dict(DEFAULT_HEADS)
    if names is None:
        return
    known = {**STATELESS, **(model.get('uncertainty_heads') or {})}
    for name in names:
        if name not in known:
            raise ValueError(f'--heads {name}: unknown.{did_you_mean(name, known)} Choose from {", ".join(sorted(known))}.')
    model.uncertainty_heads = {name: known[name] for name in names}
