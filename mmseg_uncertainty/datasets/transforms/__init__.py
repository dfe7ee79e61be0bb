from .corruptions import CORRUPTIONS, Corruptions
from .keep_region import KeepRegion
from .load_bravo_labels import LoadBravoLabels
from .load_distances import LoadDistances
from .load_instance_colors import LoadInstanceColors
from .load_labels import LoadLabels
from .mark_inliers import MarkInliers
from .mask_object_dropout import MaskObjectDropout
from .paste_outliers import PasteOutliers
from .render_toy_roads import RenderToyRoads
from .seed_augmentations import SeedAugmentations

__all__ = [
    'Corruptions', 'CORRUPTIONS', 'KeepRegion', 'LoadBravoLabels', 'LoadDistances', 'LoadInstanceColors', 'LoadLabels',
    'MarkInliers', 'MaskObjectDropout', 'PasteOutliers', 'RenderToyRoads', 'SeedAugmentations'
]
