from .build import build_named
from .classifier_tap import ClassifierTap
from .output_size import output_to_label_size

__all__ = ['ClassifierTap', 'build_named', 'output_to_label_size']
