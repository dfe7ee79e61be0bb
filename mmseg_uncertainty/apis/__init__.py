from .cache_options import add_cache_options, use_cache
from .command_line import run_command
from .distributed import launch
from .load_posthoc import load_posthoc
from .results_file import results_of_test, versions, write_json
from .results_table import results_table, value_of
from .run_config import add_hooks, corrupt_test_images, use_dataset, use_evaluators
from .uncertainty_inferencer import UncertaintyInferencer

__all__ = [
    'UncertaintyInferencer', 'add_cache_options', 'add_hooks', 'corrupt_test_images', 'launch', 'load_posthoc',
    'results_of_test', 'results_table', 'run_command', 'use_cache', 'use_dataset', 'use_evaluators', 'value_of', 'versions',
    'write_json'
]
