"""The sub-network that looks at a neighbourhood."""
from __future__ import annotations

from torch import Tensor, nn


class ContextNetwork(nn.Sequential):
    """Small convolutional map from what a coupling may look at to the parameters of its affine map.

    A 1x1 convolution, a depthwise convolution over the neighbourhood, and two 1x1 convolutions; replicated borders, so
    that maps of any size from 1x1 on are allowed. The last layer starts near zero, which makes the coupling start near
    the identity while gradients still reach every layer.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        hidden_channels: Width.
        kernel_size: Side of the neighbourhood in pixels, odd.
        dropout: Probability with which a hidden channel is dropped in training.
    """

    def __init__(self, in_channels: int, out_channels: int, hidden_channels: int, kernel_size: int,
                 dropout: float) -> None:
        if kernel_size % 2 != 1:
            raise ValueError(f'kernel_size={kernel_size} must be odd, so that maps keep their size.')
        last = nn.Conv2d(hidden_channels, out_channels, 1)
        nn.init.normal_(last.weight, std=1e-2)
        nn.init.zeros_(last.bias)
        super().__init__(
            nn.Conv2d(in_channels, hidden_channels, 1),
            nn.SiLU(),
            nn.Conv2d(hidden_channels, hidden_channels, kernel_size, padding=kernel_size // 2,
                      padding_mode='replicate', groups=hidden_channels),
            nn.Conv2d(hidden_channels, hidden_channels, 1),
            nn.SiLU(),
            nn.Dropout2d(dropout),
            last,
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, h, w) to (N, out_channels, h, w)."""
        return super().forward(x)
