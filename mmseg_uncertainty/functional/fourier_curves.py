"""Nested closed curves around a centre, with Fourier series for radii, fitted to similar nonconformity."""
from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .annuli import polar_coordinates, search_annuli


def fit_fourier_curves(features: np.ndarray,
                       num_groups: int,
                       order: int = 2,
                       iterations: int = 200,
                       seed: int = 0) -> dict[str, np.ndarray]:
    r"""Fit nested curves :math:`r_k(t) = \sum_{j \le k} e^{a_{j0} + \sum_m a_{jm} \cos mt + b_{jm} \sin mt}`.

    The paper names such curves and publishes no recipe. Here they start at the best annuli and minimize the variance of
    the features within soft groups, whose borders sharpen as the fit goes on.

    Args:
        features: Shape (H, W, F), finite.
        num_groups: Number of groups, at least 1; there is one curve less.
        order: Highest frequency; 0 keeps circles.
        iterations: Steps of the optimizer.
        seed: Seed of the small deformation that the fit starts from.

    Returns:
        ``centre``, shape (2,), and ``coefficients``, shape (num_groups - 1, 2 * order + 1).

    Raises:
        FloatingPointError: The fit diverged.
    """
    centre, radii = search_annuli(features, num_groups)
    if num_groups == 1:
        return dict(centre=np.array(centre), coefficients=np.empty((0, 2 * order + 1)))
    generator = torch.Generator().manual_seed(seed)
    coefficients = torch.zeros(num_groups - 1, 2 * order + 1, dtype=torch.float64)
    coefficients[:, 0] = torch.from_numpy(np.diff(radii, prepend=0).clip(min=1e-3)).log()
    coefficients[:, 1:] = 0.01 * torch.randn(coefficients[:, 1:].shape, generator=generator, dtype=torch.float64)
    position = torch.tensor(centre, dtype=torch.float64)
    points = torch.from_numpy(features.reshape(-1, features.shape[-1])).double()
    points = (points - points.mean(0)) / points.std(0).clamp(min=1e-9)
    parameters = [coefficients.requires_grad_(), position.requires_grad_()]
    optimizer = torch.optim.Adam([dict(params=parameters[:1], lr=0.02), dict(params=parameters[1:], lr=0.1)])
    softness = np.geomspace(0.05, 0.005, iterations) * max(features.shape[:2])
    for width in softness:
        optimizer.zero_grad()
        memberships = _soft_groups(features.shape[:2], *parameters, width)
        _within_variance(points, memberships).backward()
        optimizer.step()
    fitted = dict(centre=position.detach().numpy(), coefficients=coefficients.detach().numpy())
    if not all(np.isfinite(values).all() for values in fitted.values()):
        raise FloatingPointError('fit_fourier_curves: the curves became NaN or infinite, so every pixel would fall into one '
                                 "group. Check the features, or choose grouping='annuli'.")
    return fitted


def fourier_group_map(size: tuple[int, int], curves: dict[str, np.ndarray]) -> np.ndarray:
    """Group of each pixel: how many curves lie between it and the centre.

    Args:
        size: Height and width.
        curves: Result of :func:`fit_fourier_curves`.

    Returns:
        Shape (H, W), int64.

    Examples:
        >>> circle = dict(centre=np.zeros(2), coefficients=np.log([[1.2]]))  # one curve, of radius 1.2
        >>> fourier_group_map((3, 3), circle).tolist()
        [[1, 0, 1], [0, 0, 0], [1, 0, 1]]
    """
    distance, angle = polar_coordinates(size, tuple(curves['centre']))
    radii = _radii(torch.from_numpy(angle), torch.from_numpy(curves['coefficients'])).numpy()
    return (distance[..., None] >= radii).sum(axis=-1)


def _radii(angle: Tensor, coefficients: Tensor) -> Tensor:
    """Radii of all curves in each direction, shape (\\*, curves)."""
    frequency = torch.arange(1, coefficients.shape[1] // 2 + 1, dtype=angle.dtype)
    waves = angle.unsqueeze(-1) * frequency
    basis = torch.cat([torch.ones_like(angle).unsqueeze(-1), waves.cos(), waves.sin()], dim=-1)
    return (basis @ coefficients.T).exp().cumsum(dim=-1)


def _soft_groups(size: tuple[int, int], coefficients: Tensor, centre: Tensor, width: float) -> Tensor:
    """Membership of each pixel in each group, shape (P, groups), summing to 1."""
    x = torch.arange(size[1], dtype=torch.float64) - size[1] // 2 - centre[0]
    y = size[0] // 2 - torch.arange(size[0], dtype=torch.float64) - centre[1]
    x, y = (part.flatten() for part in torch.meshgrid(x, y, indexing='xy'))
    distance = (x**2 + y**2 + 1e-9).sqrt()
    # The gradient of atan2 at the very centre is NaN in some releases of torch.
    angle = torch.atan2(y, torch.where((x == 0) & (y == 0), 1.0, x))
    beyond = ((distance.unsqueeze(-1) - _radii(angle, coefficients)) / width).sigmoid()
    edges = torch.cat([torch.ones_like(beyond[:, :1]), beyond, torch.zeros_like(beyond[:, :1])], dim=1)
    return edges[:, :-1] - edges[:, 1:]


def _within_variance(points: Tensor, memberships: Tensor) -> Tensor:
    mass = memberships.sum(0) + 1e-6
    means = memberships.T @ points / mass.unsqueeze(-1)
    return 1 - (mass.unsqueeze(-1) * means**2).sum() / len(points)
