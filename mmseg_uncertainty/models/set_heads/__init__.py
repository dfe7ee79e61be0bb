from .adaptive_risk_control_head import AdaptiveRiskControlHead
from .conformal_risk_control_head import ConformalRiskControlHead
from .dilation_set_head import DilationSetHead
from .kandinsky_head import KandinskyHead
from .set_head import SetHead
from .weighted_risk_control_head import WeightedRiskControlHead

__all__ = ['AdaptiveRiskControlHead', 'ConformalRiskControlHead', 'DilationSetHead', 'KandinskyHead', 'SetHead',
           'WeightedRiskControlHead']
