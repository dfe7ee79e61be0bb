"""Look at thresholds, promises and uncertainty of a model in the browser."""
from __future__ import annotations

import argparse
from pathlib import Path

from mmseg_uncertainty.app.serve import forbid_telemetry, serve

forbid_telemetry()

import mmseg_uncertainty.registered  # noqa: E402,F401  (connects the host before configs are read)

from mmseg_uncertainty.apis import UncertaintyInferencer, run_command  # noqa: E402
from mmseg_uncertainty.app.held_out_examples import folder_examples, test_examples  # noqa: E402

DEFAULT_MODEL = 'segformer_b0_toy_roads_FED_CRC'


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('model', metavar='CONFIG|NAME', nargs='?', default=DEFAULT_MODEL,
                        help='a config or the name of a model in model-index.yml')
    parser.add_argument('checkpoint', nargs='?', help='of a config; a named model has its own')
    parser.add_argument('--examples', metavar='DIR', help='example images; default: test images of the config')
    parser.add_argument('--num-examples', type=int, default=6, metavar='N', help='how many of them; default: %(default)s')
    parser.add_argument('--port', type=port, metavar='N', help='from 1 to 65535; default: the first free one from 7860')
    parser.add_argument('--device', help='such as cpu or cuda:0; default: the best there is')
    parser.add_argument('--share', action='store_true', help='open a public tunnel; anyone who has the address can use it')
    parser.add_argument('--debug', action='store_true', help='show the traceback of errors')
    return parser.parse_args()


def port(text: str) -> int:
    """Parse the number of a port."""
    if not (text.isdecimal() and 0 < int(text) < 2**16):
        raise argparse.ArgumentTypeError(f'{text!r} is no port, expected a number from 1 to 65535')
    return int(text)


def main() -> None:
    """Run the tool."""
    args = parse_args()
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


if __name__ == '__main__':
    run_command(main)
