"""Fit calibrators, prediction sets and scores to any trained model."""
from __future__ import annotations

import argparse

import mmseg_uncertainty.registered  # noqa: F401  (connects the host before configs are read)

from mmseg_uncertainty.apis.fitting import fit
from mmseg_uncertainty.apis.model_index import resolve_model


def execute(args: argparse.Namespace) -> None:
    """Run the command."""
    config, checkpoint = resolve_model(args.model, args.checkpoint)
    out = fit(config, checkpoint, args.add, args.images, args.labels, args.classes, args.out, args.outliers, args.iterations,
              args.calibrator_share, args.alpha, args.work_dir, args.workers, args.cfg_options, args.target)
    print(f'Fitted {", ".join(args.add)}: {out}, with its config {out.with_suffix(".py")}\n'
          f'Next: mmseg-uncertainty infer IMAGE {out.with_suffix(".py")} {out}')
