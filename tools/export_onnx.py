"""Export a model to ONNX or TorchScript; the same as ``mmseg-uncertainty export``."""
from mmseg_uncertainty.cli import call, run


def main() -> None:
    """Run the command, and raise its errors."""
    call('export')


if __name__ == '__main__':
    run('export')
