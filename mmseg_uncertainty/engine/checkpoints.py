"""Reads checkpoints without running what is in them, and says whether they fit a model."""
from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from pickle import UnpicklingError

import torch
from mmengine.runner.checkpoint import CheckpointLoader
from torch import Tensor, nn

from mmseg_uncertainty.runtime.output_files import whole_file

from .plain_pickle import load_plain
from .weight_files import CheckpointError, read_parts

__all__ = ['CheckpointError', 'base_fingerprint', 'check_filled', 'check_fit', 'fill_network', 'is_base',
           'load_checkpoints_safely', 'meta_of', 'read_checkpoint', 'state_dict_of', 'write_checkpoint']

POSTHOC_PREFIXES = ('uncertainty_heads.', 'calibrator.', 'set_head.', 'decisions.')
IGNORED_SUFFIXES = ('num_batches_tracked', )
META_KINDS = dict(dataset_meta=Mapping, fitted_on=Mapping, base_weights=str, usual_ranges=Mapping)
OPTIONAL_KEYS = ('calibrator.centered', )
IGNORED_PREFIXES = ('auxiliary_head.', 'aux_classifier.', 'data_preprocessor.')


def read_checkpoint(path: str | Path, map_location: str | torch.device | None = 'cpu') -> dict:
    """Load a checkpoint of tensors and plain values; nothing in the file is executed.

    A shipped checkpoint may leave out the base model and name the file beside it that holds it (``base_weights`` in its
    ``meta``); both are then read.

    Args:
        path: A file written by ``torch.save`` or of safetensors, or a folder of transformers that holds one.
        map_location: See :func:`torch.load`.

    Raises:
        CheckpointError: The file is missing, is no such file, or holds objects that would run code.
    """
    path = Path(path).expanduser()
    checkpoint = read_parts(path, map_location, _read)
    if 'meta' in checkpoint:
        checkpoint = {**checkpoint, 'meta': meta_of(checkpoint)}
    base_name = meta_of(checkpoint).get('base_weights')
    if base_name is None:
        return checkpoint
    try:
        base = read_parts(path.parent / Path(base_name).name, map_location, _read)
    except CheckpointError as error:
        raise CheckpointError(f'{path} holds its fitted parts alone and names the file of its base model: {error}') from error
    return {**checkpoint, 'state_dict': {**base['state_dict'], **checkpoint['state_dict']}}


def write_checkpoint(path: str | Path, content: Mapping) -> None:
    """Write a checkpoint that appears whole or not at all.

    Args:
        path: The file; its folder exists.
        content: What ``torch.save`` stores.

    Raises:
        OutputError: There is no room, or no permission.
    """
    # torch's own writer says nothing of the disk where that is full.
    written = BytesIO()
    torch.save(dict(content), written)
    with whole_file(path) as partial:
        partial.write_bytes(written.getbuffer())


def _read(path: Path, map_location: str | torch.device | None) -> Mapping:
    try:
        checkpoint = load_plain(path, map_location)
    except OSError as error:
        raise CheckpointError(f'{path} cannot be opened ({error.strerror or error}). Check its permissions.') from error
    except (UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        reason = _reason(error)
        raise CheckpointError(f'{path} is not a checkpoint of tensors and plain values ({reason}). It was not executed. '
                              'Use a file that holds a state_dict, saved with torch.save.') from error
    state = checkpoint.get('state_dict', checkpoint) if isinstance(checkpoint, Mapping) else checkpoint
    if not isinstance(state, Mapping):
        raise CheckpointError(f'{path} holds a {type(state).__name__}, expected a dict of tensors or a dict with the '
                              'key state_dict.')
    odd = next((key for key, value in state.items()
                if not isinstance(key, str) or torch.is_tensor(value) and value.is_complex()), None)
    if odd is not None:
        what = 'complex numbers' if isinstance(odd, str) else 'a tensor whose key is no text'
        raise CheckpointError(f'{path} holds {what} ({odd!r}), as no segmentation model does. Use a file that holds a state_dict, '
                              'saved with torch.save.')
    return checkpoint


def meta_of(checkpoint: Mapping) -> Mapping:
    """What a checkpoint says of itself, without what it says in another form than is written; empty where it says nothing."""
    meta = checkpoint.get('meta')
    if not isinstance(meta, Mapping):
        return {}
    return {key: value for key, value in meta.items() if value is None or isinstance(value, META_KINDS.get(key, object))}


def fill_network(network: nn.Module,
                 path: str | Path,
                 translated: Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]] = dict) -> None:
    """Fill a network from a file of its own tensors; those of heads for training alone may be more or fewer.

    Args:
        network: The network.
        path: The file, or a folder.
        translated: Gives tensors of the file the names of the network.

    Raises:
        CheckpointError: The file cannot be read, or its tensors are not those of the network.
    """
    state = translated(state_dict_of(read_checkpoint(path)))
    own = network.state_dict()
    missing = [key for key in own if key not in state and is_base(key)]
    reshaped = [key for key, value in own.items() if key in state and state[key].shape != value.shape]
    unknown = [key for key in state if key not in own and is_base(key)]
    if missing or reshaped or unknown:
        raise CheckpointError(f'{path} does not fit {type(network).__name__}: {len(missing)} tensors are missing '
                              f'{missing[:2]}, {len(reshaped)} have another shape {reshaped[:2]}, {len(unknown)} have no place '
                              f'{unknown[:2]}. Use the file that was saved from this network.')
    network.load_state_dict(state, strict=False)


def load_checkpoints_safely() -> None:
    """Make mmengine read local checkpoints through :func:`read_checkpoint`; its own loader falls back to pickle."""

    def load_from_local(filename: str, map_location: str | torch.device | None) -> dict:
        return read_checkpoint(filename, map_location)

    CheckpointLoader.register_scheme('', load_from_local, force=True)


def state_dict_of(checkpoint: Mapping) -> dict[str, Tensor]:
    """The tensors of a checkpoint, by key without a leading ``module.``."""
    state = checkpoint.get('state_dict', checkpoint)
    return {key.removeprefix('module.'): value for key, value in state.items() if isinstance(value, Tensor)}


def check_fit(model: nn.Module, state: Mapping[str, Tensor], path: str, need_heads: bool) -> None:
    """Check that a checkpoint fills a posthoc model.

    Args:
        model: A :class:`~mmseg_uncertainty.models.PosthocSegmentor`.
        state: Tensors of the checkpoint.
        path: Where they come from, for messages.
        need_heads: Whether fitted heads must be filled too, as for testing.

    Raises:
        CheckpointError: Tensors of the base model are missing, of another shape or no finite numbers, or a head has none.
    """
    expected = model.state_dict()
    base = {key: value for key, value in expected.items() if is_base(key)}
    missing = [key for key in base if key not in state]
    reshaped = [key for key, value in base.items() if key in state and state[key].shape != value.shape]
    if missing or reshaped:
        raise CheckpointError(f'{path} does not fit the model of this config: {_mismatch(base, state, missing, reshaped)}. '
                              'Use the config this checkpoint was trained with, or a checkpoint of this architecture and '
                              'these classes.')
    lost = [key for key in base if state[key].is_floating_point() and not state[key].isfinite().all()]
    if lost:
        raise CheckpointError(f'{path} holds weights that are no finite numbers, in {len(lost)} of {len(base)} tensors of the base '
                              f'model, the first is {lost[0]}. Its training may have diverged: use an earlier checkpoint.')
    if not need_heads:
        return
    empty = sorted({'.'.join(key.split('.')[:2]) for key in expected if key.startswith(POSTHOC_PREFIXES)
                    and key not in state and not key.endswith(IGNORED_SUFFIXES) and key not in OPTIONAL_KEYS})
    if empty:
        source = '' if path.endswith('.py') else f' --load-from {path}'
        raise CheckpointError(f'{path} has no weights for {", ".join(empty)}. Fit first: `python tools/train.py '
                              f'CONFIG{source}`, then test the checkpoint that it writes.')


def check_filled(model: nn.Module, config: str | None, need_heads: bool) -> None:
    """Check that a posthoc model that no checkpoint fills needs none.

    Args:
        model: A :class:`~mmseg_uncertainty.models.PosthocSegmentor`.
        config: Where it comes from, for messages.
        need_heads: Whether fitted heads must be filled too, as for testing.

    Raises:
        CheckpointError: The base model has random weights, or a head has to be fitted.
    """
    config = config or 'The config'
    if not model.base.has_weights:
        raise CheckpointError(f'{config} has a base model without weights and needs a checkpoint. Give one (--load-from '
                              'BASE.pth for tools/train.py), or name a file with weights or path of the base.')
    if need_heads:
        check_fit(model, {key: value for key, value in model.state_dict().items() if is_base(key)}, config, need_heads)


def base_fingerprint(state: Mapping[str, Tensor]) -> str:
    """SHA-256 over the tensors of the base model, in float32, whatever else the checkpoint holds."""
    digest = hashlib.sha256()
    for key in sorted(filter(is_base, state)):
        value = state[key]
        value = value.float() if value.is_floating_point() else value
        digest.update(f'{key} {tuple(value.shape)}'.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def is_base(key: str) -> bool:
    """Whether a tensor of this key belongs to the base model and decides its outputs."""
    return not (key.startswith(POSTHOC_PREFIXES + IGNORED_PREFIXES) or key.endswith(IGNORED_SUFFIXES))


def _mismatch(base: Mapping[str, Tensor], state: Mapping[str, Tensor], missing: list[str], reshaped: list[str]) -> str:
    def parts() -> Iterator[str]:
        if missing:
            yield f'{len(missing)} of {len(base)} tensors of the base model are missing, the first is {missing[0]}'
        if reshaped:
            key = next((key for key in reshaped if 'conv_seg' in key), reshaped[0])
            yield (f'{len(reshaped)} have another shape, such as {key}: {tuple(state[key].shape)} in the file, '
                   f'{tuple(base[key].shape)} in the model')
    return '; '.join(parts())


def _reason(error: Exception) -> str:
    """The line of PyTorch's message that says what is wrong."""
    lines = [line.strip() for line in str(error).split('\n') if line.strip()]
    told = [line for line in lines if 'but got' in line or 'Unsupported' in line]
    return (told or lines or [type(error).__name__])[0]
