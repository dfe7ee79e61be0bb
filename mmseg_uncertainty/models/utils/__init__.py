from .build import build_named
from .class_scores import MASK_HEADS, check_mask_head, class_logits
from .classifier_tap import ClassifierTap, at_least_float32, classifier_of
from .feature_groups import features_name, kept_features
from .frozen import Frozen
from .member_weights import MemberWeights
from .output_size import output_to_label_size

__all__ = [
    'ClassifierTap', 'Frozen', 'MASK_HEADS', 'MemberWeights', 'at_least_float32', 'build_named', 'check_mask_head',
    'class_logits', 'classifier_of', 'features_name', 'kept_features', 'output_to_label_size'
]
