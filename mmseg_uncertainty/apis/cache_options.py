"""The cache of base model outputs that the commands use."""
from __future__ import annotations

import argparse

from mmengine.config import Config


def use_cache(config: Config, args: argparse.Namespace) -> None:
    """Add the hook that opens the cache, if one was asked for; call it after the other hooks are in the config."""
    if args.cache:
        hook = dict(type='OutputCacheHook', directory=args.cache, precision=args.cache_precision, limit_gb=args.cache_limit)
        config.custom_hooks = config.get('custom_hooks', []) + [hook]
