"""Tensors of what a posthoc model adds to its base, and what they were fitted on."""
from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from mmseg_uncertainty.engine.checkpoints import CheckpointError, POSTHOC_PREFIXES, base_fingerprint
from mmseg_uncertainty.models import PosthocSegmentor


def posthoc_state(posthoc: PosthocSegmentor) -> dict[str, Tensor]:
    """Tensors of calibrator, heads and sets by name, on the host; the base model is left out."""
    return {key: value.detach().cpu() for key, value in posthoc.state_dict().items() if key.startswith(POSTHOC_PREFIXES)}


def load_posthoc_state(posthoc: PosthocSegmentor, state: Mapping[str, Tensor], path: str) -> None:
    """Fill calibrator, heads and sets.

    Raises:
        CheckpointError: Tensors are missing or have another shape.
    """
    try:
        result = posthoc.load_state_dict({key: value for key, value in state.items() if key.startswith(POSTHOC_PREFIXES)},
                                         strict=False)
    except RuntimeError as error:
        raise CheckpointError(f'{path} does not fit these heads: {error}') from error
    missing = [key for key in result.missing_keys if key.startswith(POSTHOC_PREFIXES)]
    if missing or result.unexpected_keys:
        raise CheckpointError(f'{path} does not fit these heads: {len(missing)} tensors are missing {missing[:2]}, '
                              f'{len(result.unexpected_keys)} have no place {result.unexpected_keys[:2]}. Wrap the network '
                              'with the heads, calibrator and sets that the file was saved with.')


def fingerprint(posthoc: PosthocSegmentor) -> str:
    """SHA-256 over the tensors of the base model; see :func:`~mmseg_uncertainty.engine.checkpoints.base_fingerprint`."""
    return base_fingerprint(posthoc.state_dict())
