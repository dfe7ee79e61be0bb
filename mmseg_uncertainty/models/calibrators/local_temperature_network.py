"""The network that gives every pixel its temperature."""
from __future__ import annotations

import torch
from torch import Tensor, nn

from mmseg_uncertainty.functional.local_temperature import mix_branches, positive_temperature, published_temperature

VARIANTS = ('smooth', 'published')
CONVOLUTIONS = dict(kernel_size=5, dilation=2, padding=4, padding_mode='reflect')


class LocalTemperatureNetwork(nn.Module):
    """Nine dilated 5x5 convolutions: four branches and four gates over logits, one branch over the image.

    The smooth variant reads log-probabilities, so that a shift of all logits makes no difference; its gates start at random
    values and its branches at zero, so that the branches differ from the first step on while every temperature is 1. The
    published variant reads logits and starts at zero, where its four branches stay equal for ever and temperatures are 2.

    Args:
        num_classes: Number of classes K.
        variant: ``'smooth'`` or ``'published'``.
        floor: Smallest temperature of the smooth variant, in (0, 1).

    Raises:
        ValueError: The variant is unknown or the floor out of range.
    """

    def __init__(self, num_classes: int, variant: str = 'smooth', floor: float = 0.05) -> None:
        super().__init__()
        if variant not in VARIANTS or not 0 < floor < 1:
            raise ValueError(f'LocalTemperatureNetwork: variant={variant!r} must be one of {VARIANTS}, floor={floor} lie '
                             'strictly between 0 and 1.')
        self.variant, self.floor = variant, floor
        self.branches = nn.Conv2d(num_classes, 4, **CONVOLUTIONS)
        self.gates = nn.Conv2d(num_classes, 3, **CONVOLUTIONS)
        self.image_branch = nn.Conv2d(3, 1, **CONVOLUTIONS)
        self.image_gate = nn.Conv2d(num_classes, 1, **CONVOLUTIONS)
        self.reset(0)

    def reset(self, seed: int) -> None:
        """Start anew; the seed chooses the gates of the smooth variant."""
        generator = torch.Generator().manual_seed(seed)
        for convolution in self.children():
            nn.init.zeros_(convolution.bias)
            nn.init.zeros_(convolution.weight)
        if self.variant == 'smooth':
            for gate in (self.gates, self.image_gate):
                # nn.init takes no generator before torch 2.4.
                gate.weight.data.normal_(0, 0.01, generator=generator)
                gate.bias.data.normal_(0, 1, generator=generator)

    def forward(self, logits: Tensor, images: Tensor) -> Tensor:
        """Temperature of every pixel.

        Args:
            logits: Shape (N, K, H, W).
            images: RGB in [0, 1], shape (N, 3, H, W).

        Returns:
            Shape (N, 1, H, W), positive.
        """
        inputs = logits if self.variant == 'published' else logits.log_softmax(dim=1)
        mixed = mix_branches(self.branches(inputs), self.gates(inputs), self.image_branch(images), self.image_gate(inputs))
        return published_temperature(mixed) if self.variant == 'published' else positive_temperature(mixed, self.floor)
