from .base_keys import name_tensors_as_the_base
from .build import build_named
from .feature_groups import features_name, kept_features, layers_read
from .member_weights import MemberWeights
from .merged_windows import MergedWindows

__all__ = ['MemberWeights', 'MergedWindows', 'build_named', 'features_name', 'kept_features', 'layers_read',
           'name_tensors_as_the_base']
