"""Processes that load data end with the run."""
from types import SimpleNamespace

from torch.utils.data import DataLoader

from mmseg_uncertainty.engine.hooks import DataWorkersHook


def test_persistent_workers_end_with_the_run():
    loader = DataLoader(range(3), num_workers=1, persistent_workers=True)
    assert [int(value) for value in loader] == [0, 1, 2]
    (worker, ) = loader._iterator._workers
    assert worker.is_alive()
    DataWorkersHook().after_run(SimpleNamespace(_train_loop=None, _val_loop=dict(type='ValLoop'),
                                                _test_loop=SimpleNamespace(dataloader=loader)))
    assert not worker.is_alive()
