from .build import build_named
from .classifier_tap import ClassifierTap, classifier_of
from .frozen import Frozen
from .output_size import output_to_label_size

__all__ = ['ClassifierTap', 'Frozen', 'build_named', 'classifier_of', 'output_to_label_size']
