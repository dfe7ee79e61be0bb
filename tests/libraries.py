"""Fixtures of libraries that tests may have."""
import importlib
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

BESIDE = Path(sys.prefix) / 'torchvision'
SCHEMA = '(Tensor boxes, Tensor scores, float threshold) -> Tensor'


@pytest.fixture(scope='module')
def torchvision():
    """The library; where its operators do not load, placeholders that are never called let it be imported."""
    path, library = list(sys.path), None
    if find_spec('torchvision') is None:
        sys.path.append(str(BESIDE))
    if find_spec('torchvision') is None:
        pytest.skip('torchvision is not installed; make extras')
    try:
        try:
            module = importlib.import_module('torchvision')
        except RuntimeError:
            for name in [name for name in sys.modules if name.partition('.')[0] == 'torchvision']:
                del sys.modules[name]
            library = torch.library.Library('torchvision', 'DEF')
            for name in ('nms', 'qnms'):
                library.define(name + SCHEMA)
            module = importlib.import_module('torchvision')
        yield module
    finally:
        sys.path[:] = path


@pytest.fixture(scope='module')
def smp(torchvision):
    """segmentation_models_pytorch."""
    return pytest.importorskip('segmentation_models_pytorch', reason='make extras')


@pytest.fixture
def offline(monkeypatch):
    """Fail where anything opens a connection."""
    import socket

    def refuse(*_, **__):
        raise AssertionError('something was to be fetched')

    monkeypatch.setattr(socket.socket, 'connect', refuse)
    monkeypatch.setattr(socket, 'getaddrinfo', refuse)
