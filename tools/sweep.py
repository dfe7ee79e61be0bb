"""Measure models on datasets under corruptions; the same as ``mmseg-uncertainty sweep``."""
from mmseg_uncertainty.cli import call, run


def main() -> None:
    """Run the command, and raise its errors."""
    call('sweep')


if __name__ == '__main__':
    run('sweep')
