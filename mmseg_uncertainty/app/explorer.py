"""The model of a page and the images that it has predicted."""
from __future__ import annotations

import gradio as gr

from mmseg_uncertainty.apis import UncertaintyInferencer

from .explored_image import ExploredImage, ImageStore

CHOOSE = 'Choose an example or upload an image first.'
FORGOTTEN = 'This image had to make room for others. Choose it again.'


class Explorer:
    """What all tabs look at.

    Args:
        inferencer: The model, loaded once.
    """

    def __init__(self, inferencer: UncertaintyInferencer) -> None:
        self.inferencer, self.store = inferencer, ImageStore(inferencer)
        self.classes, self.palette = inferencer.classes, inferencer.palette
        self.heads = list(inferencer.scales)

    def explored(self, key: str) -> ExploredImage:
        """The image of a key.

        Raises:
            gradio.Error: There is none.
        """
        image = self.store.get(key) if key else None
        if image is None:
            raise gr.Error(FORGOTTEN if key else CHOOSE, print_exception=False)
        return image

    def class_name(self, label: int) -> str:
        """Name of a label."""
        return self.classes[label] if label < len(self.classes) else 'void'
