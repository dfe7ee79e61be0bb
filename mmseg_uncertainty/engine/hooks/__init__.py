from .best_and_worst_hook import BestAndWorstHook
from .disjoint_areas_hook import DisjointAreasHook
from .fast_inference_hook import FastInferenceHook
from .iteration_seed_hook import IterationSeedHook
from .output_cache_hook import OutputCacheHook
from .posthoc_checkpoint_hook import PosthocCheckpointHook
from .progress_bar_hook import ProgressBarHook
from .run_summary_hook import RunSummaryHook
from .uncertainty_visualization_hook import UncertaintyVisualizationHook

__all__ = [
    'BestAndWorstHook', 'DisjointAreasHook', 'FastInferenceHook', 'IterationSeedHook', 'OutputCacheHook',
    'PosthocCheckpointHook', 'ProgressBarHook', 'RunSummaryHook', 'UncertaintyVisualizationHook'
]
