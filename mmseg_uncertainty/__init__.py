"""Post-hoc uncertainty for trained segmentation models; importing this imports nothing else."""
from importlib import import_module

__version__ = '0.1.0'

_PLACES = {
    'RiskMonitor': 'runtime.risk_monitor', 'StreamMonitor': 'runtime.stream_monitor',
    'UncertaintyInferencer': 'apis', 'UncertaintyModel': 'plain', 'evaluate': 'plain', 'evaluate_arrays': 'plain',
    'load': 'plain', 'wrap': 'plain'}
__all__ = ['RiskMonitor', 'StreamMonitor', 'UncertaintyInferencer', 'UncertaintyModel', '__version__', 'evaluate',
           'evaluate_arrays', 'load', 'wrap']


def __getattr__(name: str) -> object:
    if name not in _PLACES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(import_module(f'{__name__}.{_PLACES[name]}'), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PLACES])
