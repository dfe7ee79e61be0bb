"""Scores and classes of the images of a benchmark, predicted as they are measured."""
from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from mmengine.config import Config

from mmseg_uncertainty.runtime.shipped_files import dataset_configs
from mmseg_uncertainty.submissions import Frame
from mmseg_uncertainty.visualization.uncertainty_figure import prediction_of

from .config_files import change_config, load_config
from .default_heads import use_heads
from .model_index import resolve_model
from .run_config import use_dataset
from .uncertainty_inferencer import MAX_PIXELS, UncertaintyInferencer


class FramePredictor:
    """Predict one score of one model, through the pipeline with which ``test`` measures anomalies.

    Args:
        model: Name of a model, or path of a config.
        checkpoint: Weights of the model and its heads; a named model has its own.
        head: Name of the score.
        changes: Values of the config to change, by their dotted keys.
        device: Where to run; by default the best there is.
        tta: See :class:`~mmseg_uncertainty.models.segmentors.test_time_views.TestTimeViews`.
        max_pixels: Most pixels of one pass, ``None`` for the default.

    Attributes:
        facts: What the scores depend on: names, checksums and options.
    """

    def __init__(self, model: str, checkpoint: str | None, head: str, changes: Mapping | None = None, device: str | None = None,
                 tta: Mapping | None = None, max_pixels: int | None = None) -> None:
        path, weights = resolve_model(model, checkpoint)
        config = load_config(str(path))
        use_heads(config, [head])
        use_dataset(config, Config.fromfile(dataset_configs()['anomaly_folder']))
        change_config(config, changes)
        self.head = head
        self.inferencer = UncertaintyInferencer(config, weights, device, show_progress=False, tta=tta,
                                                max_pixels=max_pixels or MAX_PIXELS)
        facts = self.inferencer.model.provenance
        self.facts = dict(head=head, tta=None if tta is None else dict(tta), config=Path(path).name,
                          checkpoint=facts['checkpoint'], checkpoint_sha256=facts['checkpoint_sha256'],
                          config_sha256=hashlib.sha256(config.pretty_text.encode()).hexdigest())

    @property
    def tells_probabilities(self) -> bool:
        """Whether the score is the probability that a prediction is wrong."""
        return self.inferencer.scales[self.head].units == 'probability'

    def __call__(self, frame: Frame) -> tuple[np.ndarray, np.ndarray]:
        """Scores (H, W), float32, and classes (H, W), integer, at the size of the image.

        Raises:
            DatasetError: The image cannot be read.
        """
        sample = self.inferencer(frame.image, return_datasamples=True)['predictions'][0]
        prediction = prediction_of(sample)
        return prediction.uncertainty[self.head], prediction.labels
