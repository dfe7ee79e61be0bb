"""Measure how well a model's uncertainty finds its mistakes and unknown objects; the same as ``mmseg-uncertainty test``."""
from mmseg_uncertainty.cli import call, run


def main() -> None:
    """Run the command, and raise its errors."""
    call('test')


if __name__ == '__main__':
    run('test')
