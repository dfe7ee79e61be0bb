from .energy_head import EnergyHead
from .entropy_head import EntropyHead
from .flow_enedet_head import FlowEneDetHead
from .margin_head import MarginHead
from .max_logit_head import MaxLogitHead
from .mc_dropout_head import MCDropoutHead
from .msp_head import MSPHead
from .score_head import ScoreHead
from .softmax_deviation_head import SoftmaxDeviationHead
from .standardized_max_logit_head import StandardizedMaxLogitHead
from .summary_head import SummaryHead

__all__ = [
    'EnergyHead', 'EntropyHead', 'FlowEneDetHead', 'MCDropoutHead', 'MSPHead', 'MarginHead', 'MaxLogitHead', 'ScoreHead',
    'SoftmaxDeviationHead', 'StandardizedMaxLogitHead', 'SummaryHead'
]
