"""Predict classes and uncertainty for an image, a folder, a pattern or a video; the same as ``mmseg-uncertainty infer``."""
from mmseg_uncertainty.cli import call, run


def main() -> None:
    """Run the command, and raise its errors."""
    call('infer')


if __name__ == '__main__':
    run('infer')
