"""The lab's U-Net."""
import pytest
import torch
from torch.testing import assert_close

from mmseg_uncertainty.models.backbones import LabUNet


@pytest.mark.parametrize('size', [(1, 1), (16, 16), (17, 31), (37, 53), (48, 20)])
def test_features_have_the_size_of_the_input(size):
    net = LabUNet(base_channels=2).eval()
    features, = net(torch.randn(1, 3, *size))
    assert features.shape == (1, 2, *size)


def test_padding_continues_the_image():
    net = LabUNet(base_channels=2, blocks=2).eval()
    image = torch.rand(1, 3, 6, 7)
    padded = torch.cat([image, image[..., -1:]], dim=-1)
    padded = torch.cat([padded, padded[..., -1:, :], padded[..., -1:, :]], dim=-2)
    assert_close(net(image)[0], net(padded)[0][..., :6, :7])


def test_it_learns_to_copy():
    torch.manual_seed(0)
    net = LabUNet(in_channels=1, base_channels=4, blocks=2)
    classifier = torch.nn.Conv2d(4, 2, 1)
    optimizer = torch.optim.Adam([*net.parameters(), *classifier.parameters()], lr=1e-2)
    for _ in range(40):
        image = (torch.rand(4, 1, 12, 12) > 0.5).float()
        loss = torch.nn.functional.cross_entropy(classifier(net(image)[0]), image[:, 0].long())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.35
