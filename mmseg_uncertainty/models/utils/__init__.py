from .build import build_named
from .classifier_tap import ClassifierTap, classifier_of
from .feature_groups import features_name, kept_features
from .frozen import Frozen
from .output_size import output_to_label_size

__all__ = [
    'ClassifierTap', 'Frozen', 'build_named', 'classifier_of', 'features_name', 'kept_features', 'output_to_label_size'
]
