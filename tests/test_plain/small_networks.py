"""Networks and images small enough for tests."""
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

CLASSES = ['road', 'tree', 'sky']
FLOW = dict(fedu=dict(training_pixels=64, flow=dict(kernel_size=1, blocks=2, hidden_channels=4)))


def small_network(classes=3, seed=0):
    """Logits at half the size of the image; its last layer is named ``2``."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, stride=2), nn.ReLU(), nn.Conv2d(8, classes, 1))
    with torch.no_grad():
        network[2].weight *= 8
    return network


def small_images(count=12, size=(16, 20), seed=0, classes=3):
    """Images and labels that the small network is right about more often than not."""
    generator = torch.Generator().manual_seed(seed)
    images = 3 * torch.randn(count, 3, *size, generator=generator)
    with torch.no_grad():
        logits = nn.functional.interpolate(small_network(classes)(images), size=size, mode='bilinear')
    # Labels are drawn at twice the temperature: the network is overconfident by that factor.
    probabilities = (logits / 2).softmax(dim=1).permute(0, 2, 3, 1).reshape(-1, classes)
    labels = torch.multinomial(probabilities, 1, generator=generator).view(count, *size)
    labels[:, :2] = 255
    return images, labels


def small_loader(images, labels, batch_size=4, **options):
    return DataLoader(TensorDataset(images, labels), batch_size=batch_size, **options)
