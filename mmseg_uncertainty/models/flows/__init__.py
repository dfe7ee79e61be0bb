from .act_norm import ActNorm
from .affine_coupling import AffineCoupling
from .class_conditional_gaussian import ClassConditionalGaussian
from .context_network import ContextNetwork
from .flow_enedet_flow import FlowEneDetFlow
from .invertible_convolution import InvertibleConvolution
from .published_block import PublishedBlock
from .published_flow import PublishedFlow

__all__ = [
    'ActNorm', 'AffineCoupling', 'ClassConditionalGaussian', 'ContextNetwork', 'FlowEneDetFlow',
    'InvertibleConvolution', 'PublishedBlock', 'PublishedFlow'
]
