"""A module whose buffers take whatever size a checkpoint has."""
from __future__ import annotations

from torch import Tensor, nn


class ResizableBuffers(nn.Module):
    """Take over the shape of buffers from the checkpoint instead of refusing another one."""

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *args) -> None:
        for name, buffer in self.named_buffers(recurse=False):
            if prefix + name in state_dict:
                setattr(self, name, buffer.new_empty(state_dict[prefix + name].shape))
        super()._load_from_state_dict(state_dict, prefix, *args)
