from .energy_head import EnergyHead
from .entropy_head import EntropyHead
from .flow_enedet_head import FlowEneDetHead
from .margin_head import MarginHead
from .max_logit_head import MaxLogitHead
from .msp_head import MSPHead
from .score_head import ScoreHead
from .summary_head import SummaryHead

__all__ = [
    'EnergyHead', 'EntropyHead', 'FlowEneDetHead', 'MSPHead', 'MarginHead', 'MaxLogitHead', 'ScoreHead', 'SummaryHead'
]
