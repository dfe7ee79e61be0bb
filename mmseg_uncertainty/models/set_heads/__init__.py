from .conformal_risk_control_head import ConformalRiskControlHead
from .kandinsky_head import KandinskyHead
from .set_head import SetHead

__all__ = ['ConformalRiskControlHead', 'KandinskyHead', 'SetHead']
