"""Look at thresholds, promises and uncertainty of a model in the browser; the same as ``mmseg-uncertainty app``."""
from mmseg_uncertainty.cli import call, run


def main() -> None:
    """Run the command, and raise its errors."""
    call('app')


if __name__ == '__main__':
    run('app')
