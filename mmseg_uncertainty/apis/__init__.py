from .load_posthoc import load_posthoc
from .results_file import results_of_test, versions, write_json
from .results_table import results_table, value_of
from .run_config import NAMED_ERRORS, add_hooks, corrupt_test_images, use_dataset, use_evaluators
from .uncertainty_inferencer import UncertaintyInferencer

__all__ = [
    'NAMED_ERRORS', 'UncertaintyInferencer', 'add_hooks', 'corrupt_test_images', 'load_posthoc', 'results_of_test',
    'results_table', 'use_dataset', 'use_evaluators', 'value_of', 'versions', 'write_json'
]
