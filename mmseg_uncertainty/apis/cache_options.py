"""The cache of base model outputs, on the command line."""
from __future__ import annotations

import argparse

from mmengine.config import Config

from mmseg_uncertainty.caching.map_store import PRECISIONS


def add_cache_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--cache`` and what belongs to it."""
    parser.add_argument('--cache', metavar='DIR', help='keep what the base model computes here, and read it again')
    parser.add_argument('--cache-precision', choices=PRECISIONS, default='float16',
                        help='float32 gives the results of a run without cache bit for bit, in twice the space')
    parser.add_argument('--cache-limit', type=float, default=50., metavar='GB',
                        help='how large DIR may grow; default: 50')


def use_cache(config: Config, args: argparse.Namespace) -> None:
    """Add the hook that opens the cache, if one was asked for; call it after the other hooks are in the config."""
    if args.cache:
        hook = dict(type='OutputCacheHook', directory=args.cache, precision=args.cache_precision, limit_gb=args.cache_limit)
        config.custom_hooks = config.get('custom_hooks', []) + [hook]
