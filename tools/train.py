"""Train a base model, or fit uncertainty heads to a frozen one; the same as ``mmseg-uncertainty train``."""
from mmseg_uncertainty.cli import call, run


def main() -> None:
    """Run the command, and raise its errors."""
    call('train')


if __name__ == '__main__':
    run('train')
