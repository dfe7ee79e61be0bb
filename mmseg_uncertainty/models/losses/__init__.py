from .flow_enedet_loss import FlowEneDetLoss
from .matthews_correlation_loss import MatthewsCorrelationLoss
from .softmax_focal_loss import SoftmaxFocalLoss
from .top_k_pixel_loss import TopKPixelLoss

__all__ = ['FlowEneDetLoss', 'MatthewsCorrelationLoss', 'SoftmaxFocalLoss', 'TopKPixelLoss']
