from .energy_head import EnergyHead
from .ensemble_head import EnsembleHead
from .entropy_head import EntropyHead
from .fdbd_head import FDBDHead
from .flow_enedet_head import FlowEneDetHead
from .gen_head import GENHead
from .kl_matching_head import KLMatchingHead
from .mahalanobis_head import MahalanobisHead
from .margin_head import MarginHead
from .maskomaly_head import MaskomalyHead
from .max_logit_head import MaxLogitHead
from .mc_dropout_head import MCDropoutHead
from .msp_head import MSPHead
from .nearest_neighbor_head import NearestNeighborHead
from .neco_head import NECOHead
from .pnml_head import PNMLHead
from .rba_head import RbAHead
from .react_head import ReActHead
from .residual_head import ResidualHead
from .scale_head import SCALEHead
from .score_head import ScoreHead
from .softmax_deviation_head import SoftmaxDeviationHead
from .standardized_max_logit_head import StandardizedMaxLogitHead
from .sum_of_scores_head import SumOfScoresHead
from .summary_head import SummaryHead
from .vim_head import ViMHead

__all__ = [
    'EnergyHead', 'EnsembleHead', 'EntropyHead', 'FDBDHead', 'FlowEneDetHead', 'GENHead', 'KLMatchingHead',
    'MCDropoutHead', 'MSPHead', 'MahalanobisHead', 'MarginHead', 'MaskomalyHead', 'MaxLogitHead', 'NECOHead',
    'NearestNeighborHead', 'PNMLHead', 'RbAHead', 'ReActHead', 'ResidualHead', 'SCALEHead', 'ScoreHead',
    'SoftmaxDeviationHead', 'StandardizedMaxLogitHead', 'SumOfScoresHead', 'SummaryHead', 'ViMHead'
]
