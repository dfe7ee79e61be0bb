"""The U-Net of a public lab course on indoor segmentation."""
from __future__ import annotations

from collections.abc import Sequence

import torch
from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

UNIT = dict(kernel_size=3, padding=1, bias=True, order=('conv', 'act', 'norm'))


@MODELS.register_module()
class LabUNet(BaseModule):
    """U-Net whose units are convolution, ReLU, batch norm, in this order; inputs of any size.

    Ronneberger et al., "U-Net: Convolutional Networks for Biomedical Image Segmentation", MICCAI 2015, in the form of the
    lab course of J. Fix, CentraleSupelec: padded convolutions and nearest-neighbour upsampling. mmseg's own ``UNet``
    normalizes before the ReLU, so weights of one do not fit the other.

    With a 1×1 classifier behind it (``FCNHead`` with ``num_convs=0``), ``blocks=4`` and 14 classes it has 34,527,886
    parameters. Sides that are no multiple of 2 to the power of ``blocks`` are continued by their last row and column on
    the way in and cut on the way out.

    Args:
        in_channels: Channels of the input.
        base_channels: Channels at full resolution; each block doubles them.
        blocks: Times that the encoder halves the resolution.
        norm_cfg: See :class:`mmcv.cnn.ConvModule`.
        init_cfg: See :class:`mmengine.model.BaseModule`.
    """

    def __init__(self,
                 in_channels: int = 3,
                 base_channels: int = 64,
                 blocks: int = 4,
                 norm_cfg: dict | None = None,
                 init_cfg: dict | Sequence[dict] | None = None) -> None:
        super().__init__(init_cfg)
        unit = UNIT | dict(norm_cfg=norm_cfg or dict(type='BN'))
        widths = [base_channels * 2**level for level in range(blocks + 1)]
        inputs = [in_channels, *widths]
        self.base_channels, self.divisor = base_channels, 2**blocks
        self.encoder = nn.ModuleList(
            nn.Sequential(ConvModule(before, after, **unit), ConvModule(after, after, **unit))
            for before, after in zip(inputs, widths[:-1]))
        self.bottom = nn.Sequential(ConvModule(inputs[-2], widths[-1], **unit), ConvModule(widths[-1], widths[-1], **unit))
        self.rise = nn.ModuleList(ConvModule(2 * width, width, **unit) for width in widths[-2::-1])
        self.decoder = nn.ModuleList(
            nn.Sequential(ConvModule(2 * width, width, **unit), ConvModule(width, width, **unit))
            for width in widths[-2::-1])

    def forward(self, image: Tensor) -> tuple[Tensor]:
        """Decode an image to features of its own size.

        Args:
            image: Shape (N, in_channels, H, W).

        Returns:
            One map, shape (N, base_channels, H, W).
        """
        height, width = image.shape[-2:]
        padding = (0, -width % self.divisor, 0, -height % self.divisor)
        deepest, skips = self.encode(F.pad(image, padding, mode='replicate') if any(padding) else image)
        return (self.decode(deepest, skips)[..., :height, :width], )

    def encode(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Encode an image whose sides are multiples of the divisor.

        Returns:
            The deepest features, before the decoder's first unit, and the features that skip to the decoder, from fine to
            coarse.
        """
        skips, features = [], image
        for block in self.encoder:
            skips.append(block(features))
            features = F.max_pool2d(skips[-1], 2)
        return self.bottom[0](features), skips

    def decode(self, deepest: Tensor, skips: Sequence[Tensor]) -> Tensor:
        """Decode what :meth:`encode` returns."""
        features = self.bottom[1](deepest)
        for rise, block, skip in zip(self.rise, self.decoder, reversed(skips)):
            raised = rise(F.interpolate(features, scale_factor=2, mode='nearest'))
            features = block(torch.cat([skip, raised], dim=1))
        return features
