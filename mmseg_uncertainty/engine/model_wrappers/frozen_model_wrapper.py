"""Wrapper for several processes without gradients."""
from __future__ import annotations

from mmengine.registry import MODEL_WRAPPERS
from torch import nn


@MODEL_WRAPPERS.register_module()
class FrozenModelWrapper(nn.Module):
    """Run a model in several processes where no parameter is trained, as while calibrating.

    ``DistributedDataParallel`` refuses models without trainable parameters. Use as
    ``model_wrapper_cfg=dict(type='FrozenModelWrapper')``.

    Args:
        module: The model.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *args, **kwargs):
        """Call the model."""
        return self.module(*args, **kwargs)

    def train_step(self, *args, **kwargs):
        """Call the model's training step."""
        return self.module.train_step(*args, **kwargs)

    def val_step(self, *args, **kwargs):
        """Call the model's validation step."""
        return self.module.val_step(*args, **kwargs)

    def test_step(self, *args, **kwargs):
        """Call the model's test step."""
        return self.module.test_step(*args, **kwargs)
