from .results_file import results_of_test, versions, write_json
from .results_table import results_table, value_of
from .run_config import NAMED_ERRORS, add_hooks, corrupt_test_images, use_dataset, use_evaluators

__all__ = [
    'NAMED_ERRORS', 'add_hooks', 'corrupt_test_images', 'results_of_test', 'results_table', 'use_dataset',
    'use_evaluators', 'value_of', 'versions', 'write_json'
]
