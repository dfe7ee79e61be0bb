"""What all tabs of the page are made of."""
from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import gradio as gr

from . import page_link
from .explorer import Explorer

LIVE = dict(show_progress='hidden', trigger_mode='always_last', api_visibility='private')


@dataclass(frozen=True)
class Linked:
    """A value that a link keeps.

    Args:
        part: The control whose value it is.
        read: Reads it from the query of a link, by its name there; ``None`` where the link has none that can be used.
        into: What takes it when a page is opened, by default the control.
    """

    part: gr.components.Component
    read: Callable[[Mapping[str, str], str], Any]
    into: gr.components.Component | None = None


class Tab(ABC):
    """A tab over one predicted image.

    Args:
        explorer: The model and its images.

    Attributes:
        linked: What links keep of the tab, by name, once it is built.
    """

    name: ClassVar[str]

    def __init__(self, explorer: Explorer) -> None:
        self.explorer, self.inferencer = explorer, explorer.inferencer
        self.linked: dict[str, Linked] = {}

    def build(self, key: gr.State) -> dict:
        """Add the tab to the page that is being built.

        Args:
            key: Key of the image that is shown.

        Returns:
            Event that draws the tab for another image, as arguments of a listener.
        """
        with gr.Tab(self.name, id=self.name, elem_id=f'tab-{self.name.lower()}') as tab:
            redraw = self.content(key)
        tab.select(None, None, None, js=page_link.keep_word('tab', self.name), api_visibility='private')
        return redraw | LIVE

    @abstractmethod
    def content(self, key: gr.State) -> dict:
        """The controls of the tab; see :meth:`build`."""


def cleared(draw: Callable, outputs: int) -> Callable:
    """A function that draws an image, and clears its outputs where there is none."""

    def drawn(key: str, *options) -> tuple:
        return draw(key, *options) if key else (None, ) * outputs

    return drawn
