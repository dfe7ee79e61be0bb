"""Normalizing flows; imported once a head has one, since FrEIA, on which they stand, takes scipy.stats along."""
from typing import TYPE_CHECKING

from mmseg_uncertainty.lazy_names import lazy_names

if TYPE_CHECKING:
    from .act_norm import ActNorm
    from .affine_coupling import AffineCoupling
    from .class_conditional_gaussian import ClassConditionalGaussian
    from .context_network import ContextNetwork
    from .flow_enedet_flow import FlowEneDetFlow
    from .invertible_convolution import InvertibleConvolution
    from .published_block import PublishedBlock
    from .published_flow import PublishedFlow

_PLACES = {
    'ActNorm': 'act_norm', 'AffineCoupling': 'affine_coupling', 'ClassConditionalGaussian': 'class_conditional_gaussian',
    'ContextNetwork': 'context_network', 'FlowEneDetFlow': 'flow_enedet_flow',
    'InvertibleConvolution': 'invertible_convolution', 'PublishedBlock': 'published_block', 'PublishedFlow': 'published_flow'}
__all__ = [
    'ActNorm', 'AffineCoupling', 'ClassConditionalGaussian', 'ContextNetwork', 'FlowEneDetFlow',
    'InvertibleConvolution', 'PublishedBlock', 'PublishedFlow'
]

__getattr__, __dir__ = lazy_names(__name__, _PLACES, globals())
