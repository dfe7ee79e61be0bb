"""Scores for models that come without, and a choice among those that a model has."""
from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmengine.config import Config

from mmseg_uncertainty.runtime.near_names import did_you_mean

from .config_files import model_of, type_name
from .load_posthoc import DEFAULT_HEADS, PLAIN_SEGMENTORS

STATELESS = {**DEFAULT_HEADS, 'max_logit': dict(type='MaxLogitHead'), 'gen': dict(type='GENHead')}


def use_heads(config: Config, names: Sequence[str] | None = None) -> None:
    """Give a plain segmentor scores that need no fitting, and keep the named ones of any model.

    Args:
        config: Config to change.
        names: Heads to keep, out of those of the model and :data:`STATELESS`, with the decisions about them and with what a
            sum of scores, a flow or the calibrator reads; ``None`` keeps those of the model, and adds
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
    kept = _with_what_they_read(names, known, model)
    model.uncertainty_heads = {name: known[name] for name in kept}
    if model.get('decisions'):
        model.decisions = {name: decision for name, decision in model.decisions.items() if decision['head'] in kept}


def _with_what_they_read(names: Sequence[str], known: Mapping[str, Mapping], model: Mapping) -> list[str]:
    """The names, and those of heads that a sum of scores, a flow or the calibrator needs beside them."""
    asked = (model.get('calibrator') or {}).get('head')
    kept = dict.fromkeys([*names, *([asked] if asked else [])])
    for name in names:
        for other in (*(known[name].get('heads') or ()), *(known[name].get('evidence') or ())):
            kept.update(dict.fromkeys(_with_what_they_read([other], known, {})))
    return list(kept)
