"""Export a model with its uncertainty heads to ONNX or TorchScript, and show that an ONNX file computes the same; the same as ``mmseg-uncertainty export``."""
from mmseg_uncertainty.cli import call, run


def main() -> None:
    """Run the command, and raise its errors."""
    call('export')


if __name__ == '__main__':
    run('export')
