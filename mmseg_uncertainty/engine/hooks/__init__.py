from .best_and_worst_hook import BestAndWorstHook
from .data_workers_hook import DataWorkersHook
from .disjoint_areas_hook import DisjointAreasHook
from .fast_inference_hook import FastInferenceHook
from .held_out_hook import HeldOutHook
from .iteration_seed_hook import IterationSeedHook
from .matching_data_hook import MatchingDataHook
from .output_cache_hook import OutputCacheHook
from .posthoc_checkpoint_hook import PosthocCheckpointHook
from .progress_bar_hook import ProgressBarHook
from .run_summary_hook import RunSummaryHook
from .save_on_interrupt_hook import SaveOnInterruptHook
from .uncertainty_visualization_hook import UncertaintyVisualizationHook

__all__ = [
    'BestAndWorstHook', 'DataWorkersHook', 'DisjointAreasHook', 'FastInferenceHook', 'HeldOutHook', 'IterationSeedHook',
    'MatchingDataHook', 'OutputCacheHook', 'PosthocCheckpointHook', 'ProgressBarHook', 'RunSummaryHook',
    'SaveOnInterruptHook', 'UncertaintyVisualizationHook'
]
