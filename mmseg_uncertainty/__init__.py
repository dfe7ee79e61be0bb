"""Post-hoc uncertainty for trained segmentation models; importing this imports nothing else."""
from .lazy_names import lazy_names

__version__ = '0.1.0'

_PLACES = {
    'RiskMonitor': 'runtime.risk_monitor', 'StreamMonitor': 'runtime.stream_monitor',
    'UncertaintyInferencer': 'apis', 'UncertaintyModel': 'plain', 'evaluate': 'plain', 'evaluate_arrays': 'plain',
    'load': 'plain', 'wrap': 'plain'}
__all__ = ['RiskMonitor', 'StreamMonitor', 'UncertaintyInferencer', 'UncertaintyModel', '__version__', 'evaluate',
           'evaluate_arrays', 'load', 'wrap']

__getattr__, __dir__ = lazy_names(__name__, _PLACES, globals())
