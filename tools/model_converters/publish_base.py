"""Shrink a checkpoint to what is shipped: base weights in half precision, fitted heads as they are, compressed."""
from __future__ import annotations

import argparse
import zipfile
from io import BytesIO
from pathlib import Path

import mmseg_uncertainty  # noqa: F401  (connects the host)
import torch
from torch import Tensor

from mmseg_uncertainty.apis import run_command
from mmseg_uncertainty.engine.checkpoints import POSTHOC_PREFIXES, meta_of, read_checkpoint, state_dict_of
from mmseg_uncertainty.runtime.output_files import check_output_file, whole_file

META = ('dataset_meta', 'fitted_on', 'usual_ranges')


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('checkpoint', metavar='CHECKPOINT', help='a training checkpoint')
    parser.add_argument('out', type=Path, metavar='FILE', help='checkpoint to write')
    parser.add_argument('--base', type=Path, help='shipped checkpoint in the same folder, whose weights are not shipped twice')
    return parser.parse_args()


def shipped(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights without auxiliary heads; floats of the base model in half precision.

    Raises:
        ValueError: A weight is beyond the range of half precision.
    """
    kept = {}
    for key, value in state.items():
        if key.startswith('auxiliary_head.'):
            continue
        halved = value.is_floating_point() and not key.startswith(POSTHOC_PREFIXES)
        kept[key] = value.half() if halved else value
        if not kept[key].isfinite().all():
            raise ValueError(f'{key} does not fit half precision: its largest magnitude is {value.abs().max():.3g}.')
    return kept


def beyond_base(state: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Weights that a shipped checkpoint of the base model does not hold already.

    Raises:
        ValueError: The base differs.
    """
    base = state_dict_of(read_checkpoint(path))
    changed = [key for key, value in base.items() if key not in state or not torch.equal(state[key], value)]
    if changed:
        raise ValueError(f'{path} is not the base of this checkpoint: {len(changed)} weights differ, the first is {changed[0]}.')
    return {key: value for key, value in state.items() if key not in base}


def save_compressed(content: dict, path: Path) -> None:
    """Save as ``torch.save`` does, with the records deflated; ``torch.load`` reads both."""
    plain = BytesIO()
    torch.save(content, plain)
    with (whole_file(path) as partial, zipfile.ZipFile(plain) as source,
          zipfile.ZipFile(partial, 'w', zipfile.ZIP_DEFLATED, compresslevel=9) as target):
        for record in source.infolist():
            target.writestr(record.filename, source.read(record))


def main() -> None:
    """Run the tool."""
    args = parse_args()
    check_output_file(args.out, 'out')
    checkpoint = read_checkpoint(args.checkpoint)
    meta = {key: value for key, value in meta_of(checkpoint).items() if key in META}
    known = meta.get('dataset_meta') or {}
    meta['dataset_meta'] = {key: known[key] for key in ('classes', 'palette') if key in known}
    state = shipped(state_dict_of(checkpoint))
    if args.base:
        state, meta['base_weights'] = beyond_base(state, args.base), args.base.name
    content = dict(state_dict=state, meta=meta)
    save_compressed(content, args.out)
    read_checkpoint(args.out)
    print(f'{args.out}: {args.out.stat().st_size / 1e6:.2f} MB')


if __name__ == '__main__':
    run_command(main)
