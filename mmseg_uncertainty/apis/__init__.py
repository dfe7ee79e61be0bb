from mmseg_uncertainty import connected  # noqa: F401

from .cache_options import use_cache
from .command_line import run_command
from .config_files import load_config, type_name
from .distributed import launch
from .fitting import fit
from .load_posthoc import POSTHOC_SEGMENTORS, load_posthoc
from .results_file import results_of_test, versions, write_json
from .results_table import results_table, value_of
from .run_config import add_hooks, corrupt_test_images, use_dataset, use_evaluators
from .sweep_cells import measure_group
from .sweep_jobs import missing_jobs, run_jobs
from .sweep_pictures import plot_sweep
from .sweep_plan import SweepPlan
from .sweep_tables import write_tables
from .uncertainty_inferencer import UncertaintyInferencer

__all__ = [
    'POSTHOC_SEGMENTORS', 'SweepPlan', 'UncertaintyInferencer', 'add_hooks', 'corrupt_test_images', 'fit',
    'launch', 'load_config', 'load_posthoc', 'measure_group', 'missing_jobs', 'plot_sweep', 'results_of_test',
    'results_table', 'run_command', 'run_jobs', 'type_name', 'use_cache', 'use_dataset', 'use_evaluators', 'value_of',
    'versions', 'write_json', 'write_tables'
]
