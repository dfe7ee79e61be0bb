"""What commands and programs call; a name is imported once it is asked for, so that a prediction does not wait for sweeps."""
from typing import TYPE_CHECKING

from mmseg_uncertainty import connected  # noqa: F401
from mmseg_uncertainty.lazy_names import lazy_names

# Functions that are named as their modules would be hidden by them, were they not here from the start.
from .load_posthoc import POSTHOC_SEGMENTORS, load_posthoc
from .results_table import results_table, value_of

if TYPE_CHECKING:
    from .cache_options import use_cache
    from .command_line import run_command
    from .config_files import load_config, type_name
    from .distributed import launch
    from .fitting import fit
    from .results_file import results_of_test, versions, write_json
    from .run_config import add_hooks, corrupt_test_images, use_dataset, use_evaluators
    from .sweep_cells import measure_group
    from .sweep_jobs import missing_jobs, run_jobs
    from .sweep_pictures import plot_sweep
    from .sweep_plan import SweepPlan
    from .sweep_tables import write_tables
    from .uncertainty_inferencer import UncertaintyInferencer

_PLACES = {
    'SweepPlan': 'sweep_plan', 'UncertaintyInferencer': 'uncertainty_inferencer', 'add_hooks': 'run_config',
    'corrupt_test_images': 'run_config', 'fit': 'fitting', 'launch': 'distributed', 'load_config': 'config_files',
    'measure_group': 'sweep_cells', 'missing_jobs': 'sweep_jobs', 'plot_sweep': 'sweep_pictures',
    'results_of_test': 'results_file', 'run_command': 'command_line', 'run_jobs': 'sweep_jobs', 'type_name': 'config_files',
    'use_cache': 'cache_options', 'use_dataset': 'run_config', 'use_evaluators': 'run_config', 'versions': 'results_file',
    'write_json': 'results_file', 'write_tables': 'sweep_tables'}
__all__ = [
    'POSTHOC_SEGMENTORS', 'SweepPlan', 'UncertaintyInferencer', 'add_hooks', 'corrupt_test_images', 'fit',
    'launch', 'load_config', 'load_posthoc', 'measure_group', 'missing_jobs', 'plot_sweep', 'results_of_test',
    'results_table', 'run_command', 'run_jobs', 'type_name', 'use_cache', 'use_dataset', 'use_evaluators', 'value_of',
    'versions', 'write_json', 'write_tables'
]

__getattr__, __dir__ = lazy_names(__name__, _PLACES, globals())
