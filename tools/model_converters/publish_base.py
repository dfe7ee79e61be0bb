"""Shrink a checkpoint to what is shipped: base weights in half precision, fitted heads as they are, compressed."""
from __future__ import annotations

import argparse
import os
import zipfile
from pathlib import Path

import mmseg_uncertainty  # noqa: F401  (connects the host)
import torch
from torch import Tensor

from mmseg_uncertainty.engine.checkpoints import POSTHOC_PREFIXES, read_checkpoint, state_dict_of

META = ('dataset_meta', 'fitted_on')


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('checkpoint')
    parser.add_argument('out', type=Path)
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


def save_compressed(content: dict, path: Path) -> None:
    """Save as ``torch.save`` does, with the records deflated; ``torch.load`` reads both."""
    plain, partial = path.with_name(path.name + '.plain'), path.with_name(path.name + '.partial')
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, plain)
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(partial, 'w', zipfile.ZIP_DEFLATED, compresslevel=9) as target:
        for record in source.infolist():
            target.writestr(record.filename, source.read(record))
    plain.unlink()
    os.replace(partial, path)


def main() -> None:
    """Run the tool."""
    args = parse_args()
    checkpoint = read_checkpoint(args.checkpoint)
    meta = {key: checkpoint['meta'][key] for key in META if key in checkpoint.get('meta', {})}
    meta['dataset_meta'] = {key: value for key, value in meta.get('dataset_meta', {}).items() if key in ('classes', 'palette')}
    content = dict(state_dict=shipped(state_dict_of(checkpoint)), meta=meta)
    save_compressed(content, args.out)
    read_checkpoint(args.out)
    print(f'{args.out}: {args.out.stat().st_size / 1e6:.2f} MB')


if __name__ == '__main__':
    main()
