"""Turn a checkpoint of the released FlowEneDet into one of this project."""
from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import mmseg_uncertainty  # noqa: F401  (connects the host)
import torch
from torch import Tensor

from mmseg_uncertainty.apis import run_command
from mmseg_uncertainty.engine.checkpoints import read_checkpoint, state_dict_of
from mmseg_uncertainty.runtime.output_files import check_output_file, whole_file

FLOW = 'decode_head.flow_model.'
LAYERS = {'an': {'shift': 'shift', 'log_scale': 'gate'},
          'cn': {'shift': 'condition_shift', 'log_scale': 'condition_gate'},
          'ic': {'weight': 'mixing'},
          'imap': {'weight': 'attention.weight', 'bias': 'attention.bias', 's': 'keep_gate'}}
BASE = {'mu': 'mean', 'w': 'prior', 'U': 'factor'}
DERIVED = re.compile(r'post_processor\.|flow_model\.(an|cn)\.\d+\.initialized')


@dataclass
class Conversion:
    """A converted checkpoint.

    Args:
        state_dict: Weights by the names of this project.
        blocks: Number of blocks L.
        condition_channels: Channels P of the condition, 0 for the unconditional detector.
        num_classes: Number of classes K.
        notes: What did not fit, a sentence each.
    """

    state_dict: dict[str, Tensor]
    blocks: int
    condition_channels: int
    num_classes: int
    notes: list[str] = field(default_factory=list)

    def head_config(self) -> dict:
        """Config of the head that loads the weights."""
        config = dict(type='FlowEneDetHead', variant='published', num_classes=self.num_classes,
                      conditional=self.condition_channels > 0, flow=dict(blocks=self.blocks))
        return {**config, 'condition_channels': self.condition_channels} if self.condition_channels else config


def convert(source: Mapping[str, Tensor], name: str) -> Conversion:
    """Rename the weights of a released checkpoint.

    Args:
        source: State dict of the released model, or of its detector alone.
        name: Name of the head in ``uncertainty_heads``.

    Raises:
        ValueError: It is no FlowEneDet checkpoint, parts of the detector are missing, or its tied networks differ.
    """
    blocks = sorted({int(key.split('.')[3]) for key in source if key.startswith(f'{FLOW}rnvp.')})
    if not blocks or blocks != list(range(len(blocks))):
        raise ValueError(f'This is no checkpoint of a released FlowEneDet: expected keys {FLOW}rnvp.0 to rnvp.L-1, '
                         f'found blocks {blocks} among {len(source)} keys.')
    channels, classes = _take(source, f'{FLOW}cn.0.shift').shape[1], len(_take(source, 'decode_head.class_means'))
    result = Conversion({}, len(blocks), channels, classes)
    used = _convert_detector(source, result, f'uncertainty_heads.{name}.')
    for key, value in source.items():
        if key in used or DERIVED.search(key):
            continue
        if key.startswith('decode_head.flow_model') or key.startswith('decode_head.post'):
            result.notes.append(f'{key} {tuple(value.shape)} belongs to no layer of the released network and is left out.')
        else:
            result.state_dict[key] = value
    if not any(key.startswith('backbone.') for key in source):
        result.notes.append('There is no backbone in this checkpoint: it holds the detector only, load it next to a base '
                            'model.')
    return result


def _convert_detector(source: Mapping[str, Tensor], result: Conversion, prefix: str) -> set[str]:
    used = {'decode_head.class_means', 'decode_head.class_vars'}
    target = result.state_dict
    target[f'{prefix}statistics.means'] = _take(source, 'decode_head.class_means')
    target[f'{prefix}statistics.variances'] = _take(source, 'decode_head.class_vars')
    target[f'{prefix}statistics.fitted'] = torch.tensor(True)
    target[f'{prefix}flow.initialized'] = torch.tensor(True)
    for old, new in BASE.items():
        used.add(f'{FLOW}p_z.{old}')
        target[f'{prefix}flow.{new}'] = _take(source, f'{FLOW}p_z.{old}')
    for block in range(result.blocks):
        used |= _convert_block(source, result, block, f'{prefix}flow.blocks.{block}.')
    return used


def _convert_block(source: Mapping[str, Tensor], result: Conversion, block: int, prefix: str) -> set[str]:
    used = set()
    for layer, names in LAYERS.items():
        for old, new in names.items():
            key = f'{FLOW}{layer}.{block}.{old}'
            used.add(key)
            value = _take(source, key)
            if new == 'keep_gate':
                value = value.unsqueeze(-1)
            if new == 'condition_gate':
                value = value.reshape(1, result.condition_channels, 1, 1)
            result.state_dict[prefix + new] = value
    for layer in (0, 2, 5):
        for kind in ('weight', 'bias'):
            scale, shift = (f'{FLOW}rnvp.{block}.{network}.{layer}.{kind}' for network in 'st')
            used |= {scale, shift}
            value = _take(source, scale)
            if shift in source and not torch.equal(value, source[shift]):
                raise ValueError(f'{shift} differs from {scale}. In the released network they are the same layer; a '
                                 'checkpoint with separate networks comes from changed code and cannot be represented.')
            result.state_dict[f'{prefix}network.{layer}.{kind}'] = value
    return used | _check_masks(source, block)


def _check_masks(source: Mapping[str, Tensor], block: int) -> set[str]:
    expected = [float(block % 2), float(1 - block % 2)]
    keys = {f'{FLOW}{layer}.{block}.M' for layer in ('rnvp', 'imap')}
    for key in keys & source.keys():
        if source[key].flatten().tolist() != expected:
            raise ValueError(f'{key} is {source[key].flatten().tolist()}, the released network has {expected} there.')
    return keys


def _take(source: Mapping[str, Tensor], key: str) -> Tensor:
    if key not in source:
        raise ValueError(f'{key} is missing. A released FlowEneDet checkpoint has it; was the file cut or saved from '
                         'another method?')
    return source[key]


def main() -> None:
    """Convert one file and say which config loads it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('source', type=Path, help='checkpoint of the released code, or its state dict')
    parser.add_argument('target', type=Path, help='file to write')
    parser.add_argument('--name', default='fed', help='name of the head in uncertainty_heads (default: fed)')
    arguments = parser.parse_args()
    check_output_file(arguments.target, 'target')
    conversion = convert(state_dict_of(read_checkpoint(arguments.source)), arguments.name)
    with whole_file(arguments.target) as partial:
        torch.save({'state_dict': conversion.state_dict, 'meta': {}}, partial)
    for note in conversion.notes:
        print(f'note: {note}')
    print(f'{arguments.target}: {len(conversion.state_dict)} entries. Head config:\n'
          f'uncertainty_heads = dict({arguments.name}={conversion.head_config()})')


if __name__ == '__main__':
    run_command(main)
