from .corruptions import CORRUPTIONS, Corruptions
from .load_labels import LoadLabels
from .render_toy_roads import RenderToyRoads
from .seed_augmentations import SeedAugmentations

__all__ = ['CORRUPTIONS', 'Corruptions', 'LoadLabels', 'RenderToyRoads', 'SeedAugmentations']
