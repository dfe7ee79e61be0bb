"""The visualizer that draws uncertainty beside the prediction."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import mmcv
import numpy as np
from mmengine.dist import master_only
from mmseg.registry import VISUALIZERS
from mmseg.structures import SegDataSample
from mmseg.visualization import SegLocalVisualizer

from mmseg_uncertainty.runtime.maps_page import draw_maps
from mmseg_uncertainty.runtime.score_ranges import ScoreRanges
from mmseg_uncertainty.runtime.score_scale import ScoreScale

from .uncertainty_figure import prediction_of


@VISUALIZERS.register_module()
class UncertaintyVisualizer(SegLocalVisualizer):
    """Draw input, prediction with legend, mistakes, set sizes and uncertainty maps as one picture.

    The picture goes to every back end of the visualizer: local files, TensorBoard, WandB and what else mmengine knows.
    Samples without uncertainty are drawn as mmseg draws them.

    Args:
        name: Name of the visualizer.
        ranges: Ends of the colour scale by head. Heads not named get their possible range from
            :class:`~mmseg_uncertainty.engine.hooks.UncertaintyVisualizationHook`, or the 1st and 99th percentile of the first map
            that is drawn; all pictures of a run share them.
        columns: Panels in a row; by default 2, or 3 where there are more than 4.
        options: Further arguments of :class:`mmseg.visualization.SegLocalVisualizer`.
    """

    def __init__(self,
                 name: str = 'visualizer',
                 ranges: Mapping[str, Sequence[float]] | None = None,
                 columns: int | None = None,
                 **options) -> None:
        super().__init__(name, **options)
        self.ranges = {name: tuple(limits) for name, limits in (ranges or {}).items()}
        self.scales: dict[str, ScoreScale] = {}
        self.columns = columns

    @master_only
    def add_datasample(self,
                       name: str,
                       image: np.ndarray,
                       data_sample: SegDataSample | None = None,
                       draw_gt: bool = True,
                       draw_pred: bool = True,
                       show: bool = False,
                       wait_time: float = 0,
                       out_file: str | Path | None = None,
                       step: int = 0,
                       **options) -> None:
        """Draw a sample and store the picture.

        Args:
            name: Name of the picture.
            image: Shape (H, W, 3), uint8, RGB.
            data_sample: Result of a model.
            draw_gt: Whether to draw mistakes where labels are known.
            draw_pred: Whether to draw the prediction; without it the sample is drawn as mmseg draws it.
            show: Whether to open a window instead of storing the picture.
            wait_time: Seconds the window stays open, 0 until it is closed.
            out_file: File to write instead of the back ends.
            step: Step to record.
            options: Further arguments of :meth:`mmseg.visualization.SegLocalVisualizer.add_datasample`.
        """
        if data_sample is None or 'uncertainty' not in data_sample or not draw_pred:
            super().add_datasample(name, image, data_sample, draw_gt, draw_pred, show, wait_time, out_file, step,
                                   **options)
            return
        picture = self.draw(image, data_sample, draw_gt)
        if show:
            self.show(picture, win_name=name, wait_time=wait_time)
        if out_file is not None:
            mmcv.imwrite(picture[..., ::-1], str(out_file))
        elif not show:
            self.add_image(name, picture, step)

    def draw(self, image: np.ndarray, data_sample: SegDataSample, draw_gt: bool = True) -> np.ndarray:
        """The picture of a sample, shape (H', W', 3), uint8, RGB; arguments as in :meth:`add_datasample`."""
        if not draw_gt and 'gt_sem_seg' in data_sample:
            data_sample = data_sample.new()
            del data_sample.gt_sem_seg
        prediction = prediction_of(data_sample)
        scales = {name: self.scales.get(name, ScoreScale('raw score')) for name in prediction.uncertainty}
        ranges = ScoreRanges(scales, self.ranges)
        ranges.see(prediction)
        self.ranges = {**self.ranges, **ranges.limits()}
        return draw_maps(image, prediction, self.dataset_meta['classes'], self.dataset_meta['palette'], scales, self.ranges,
                         self.columns)
