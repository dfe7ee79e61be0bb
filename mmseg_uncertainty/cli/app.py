"""Look at thresholds, promises and uncertainty of a model in the browser."""
from __future__ import annotations

import argparse
from pathlib import Path

from mmseg_uncertainty.app.serve import forbid_telemetry, serve

forbid_telemetry()

import mmseg_uncertainty.registered  # noqa: E402,F401  (connects the host before configs are read)

from mmseg_uncertainty.apis import UncertaintyInferencer  # noqa: E402
from mmseg_uncertainty.app.held_out_examples import folder_examples, test_examples  # noqa: E402


def execute(args: argparse.Namespace) -> None:
    """Run the command."""
    try:
        from mmseg_uncertainty.app.uncertainty_app import UncertaintyApp
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f'The app needs {error.name}, which is not installed. Run `pip install '
                                  '"mmseg_uncertainty[app]"`.', name=error.name) from error
    inferencer = UncertaintyInferencer(args.model, args.checkpoint, args.device, show_progress=False)
    calibration = inferencer.model.calibrated_on
    examples = (folder_examples(args.examples, args.num_examples, calibration) if args.examples else
                test_examples(inferencer.cfg, args.num_examples, calibration))
    app = UncertaintyApp(inferencer, examples, Path(args.model).stem)
    page = serve(app, args.port, args.share)
    print(f'Open {page.share_url or page.local_url} (stop with Ctrl+C)', flush=True)
    page.block_thread()
