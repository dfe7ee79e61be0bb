"""Draws uncertainty while testing."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from mmseg.structures import SegDataSample
from torch import Tensor

from mmseg_uncertainty.engine.bare_model import bare_model
from mmseg_uncertainty.models import PosthocSegmentor
from mmseg_uncertainty.runtime.image_sources import short_part
from mmseg_uncertainty.structures import Grid
from mmseg_uncertainty.visualization.uncertainty_visualizer import UncertaintyVisualizer

# Writers of pictures add what they are of, the step and a suffix.
LONGEST_STEM = 200


@HOOKS.register_module()
class UncertaintyVisualizationHook(Hook):
    """Give every ``interval``-th test image and its result to the visualizer of the run.

    The image is the input of the network, so that rendered and corrupted images are drawn as the model saw them.

    Args:
        interval: Images from one picture to the next.
        most: Most pictures of one test pass, ``None`` for any number.

    Raises:
        ValueError: ``interval`` is below 1.
    """

    def __init__(self, interval: int = 50, most: int | None = None) -> None:
        if interval < 1:
            raise ValueError(f'UncertaintyVisualizationHook: interval={interval} must be at least 1 image.')
        self.interval = interval
        self.most = most
        self._seen = self._drawn = 0

    def before_test_epoch(self, runner: Runner) -> None:
        """Count from zero, and take scales and class names from model and data."""
        self._seen = self._drawn = 0
        model = bare_model(runner)
        visualizer, meta = runner.visualizer, runner.test_dataloader.dataset.metainfo
        if not isinstance(visualizer, UncertaintyVisualizer):
            raise TypeError(f'UncertaintyVisualizationHook draws with an UncertaintyVisualizer, but the config has '
                            f'visualizer=dict(type={type(visualizer).__name__!r}); change its type.')
        if len(meta.get('classes') or ()) == model.num_classes:
            visualizer.dataset_meta = dict(classes=meta['classes'], palette=meta['palette'])
        if isinstance(model, PosthocSegmentor):
            visualizer.scales.update(model.score_scales())

    def after_test_iter(self,
                        runner: Runner,
                        batch_idx: int,
                        data_batch: dict | None = None,
                        outputs: Sequence[SegDataSample] | None = None) -> None:
        """Draw the images of the batch whose turn it is."""
        for network_input, sample in zip(data_batch['inputs'], outputs):
            due = self._seen % self.interval == 0 and (self.most is None or self._drawn < self.most)
            if due:
                name = short_part(Path(sample.metainfo.get('img_path') or f'image_{self._seen:06d}').stem, LONGEST_STEM)
                runner.visualizer.add_datasample(f'test_{name}', image_like(network_input, sample), sample, step=self._seen)
                self._drawn += 1
            self._seen += 1


def image_like(network_input: Tensor, sample: SegDataSample) -> np.ndarray:
    """An unnormalized network input (3, H', W'), BGR, as image (H, W, 3), uint8, RGB, where and as large as the prediction."""
    grid = Grid.of_input(network_input.shape[-2:], dict(sample.metainfo, img_padding_size=(0, 0, 0, 0)), False)
    image = grid.to_image(network_input[None].float(), sample.pred_sem_seg.shape)
    return image[0].flip(0).movedim(0, -1).round().clamp(0, 255).byte().cpu().numpy()
