from .corruptions import CORRUPTIONS, Corruptions
from .load_labels import LoadLabels
from .render_toy_roads import RenderToyRoads

__all__ = ['CORRUPTIONS', 'Corruptions', 'LoadLabels', 'RenderToyRoads']
