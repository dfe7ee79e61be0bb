from .energy_head import EnergyHead
from .ensemble_head import EnsembleHead
from .entropy_head import EntropyHead
from .flow_enedet_head import FlowEneDetHead
from .gen_head import GENHead
from .kl_matching_head import KLMatchingHead
from .mahalanobis_head import MahalanobisHead
from .margin_head import MarginHead
from .max_logit_head import MaxLogitHead
from .mc_dropout_head import MCDropoutHead
from .msp_head import MSPHead
from .nearest_neighbor_head import NearestNeighborHead
from .score_head import ScoreHead
from .softmax_deviation_head import SoftmaxDeviationHead
from .standardized_max_logit_head import StandardizedMaxLogitHead
from .summary_head import SummaryHead
from .vim_head import ViMHead

__all__ = [
    'EnergyHead', 'EnsembleHead', 'EntropyHead', 'FlowEneDetHead', 'GENHead', 'KLMatchingHead', 'MCDropoutHead', 'MSPHead', 'MahalanobisHead',
    'MarginHead', 'MaxLogitHead', 'NearestNeighborHead', 'ScoreHead', 'SoftmaxDeviationHead',
    'StandardizedMaxLogitHead', 'SummaryHead', 'ViMHead'
]
