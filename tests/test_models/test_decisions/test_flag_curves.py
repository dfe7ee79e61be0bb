"""The tables of all images in buffers, whatever the order they came in."""
import numpy as np
import pytest
import torch

from mmseg_uncertainty.functional.flag_counts import concatenate_flags, tabulate_flags
from mmseg_uncertainty.models.decisions.flag_curves import FlagCurves

RANDOM = np.random.default_rng(0)


def tables_of(count=4, **options):
    return [tabulate_flags(RANDOM.normal(size=(3, 4)).astype(np.float32), RANDOM.integers(0, 3, (3, 4)), **options)
            for _ in range(count)]


def collected(tables, order):
    """Images 0, 1, … of the units z, y, …, so that neither order is that of the other."""
    curves = FlagCurves()
    for index in order:
        curves.add(tables[index], f'{index}.png', 'zyxw'[index])
    curves.merge_ranks()
    curves.finish()
    return curves


@pytest.mark.parametrize('sizes', [(), (2, ), (4, 1)])
def test_buffers_hold_the_tables_sorted_by_image(sizes):
    tables = tables_of(region_sizes=sizes, bits=12, label_kind='anomaly')
    curves, joined = collected(tables, [2, 0, 3, 1]), concatenate_flags(tables)
    assert curves.units.tolist() == [3, 2, 1, 0] and curves.region_cells.shape == (4, len(sizes))
    loaded = FlagCurves()
    assert loaded.table() is None and not any(len(buffer) for buffer in loaded.buffers())
    loaded.load_state_dict(curves.state_dict())
    for table in (curves.table(), loaded.table()):
        for name in ('image', 'cell', 'counts'):
            np.testing.assert_array_equal(getattr(table, name), getattr(joined, name))
        assert (table.num_images, table.label_kind, table.bits) == (4, 'anomaly', 12)
        assert {size: cells.tolist() for size, cells in table.region_cells.items()} == {
            size: [tables[index].region_cells[size].item() for index in range(4)] for size in sizes}
    assert all(torch.equal(one, other) for one, other in zip(curves.buffers(), collected(tables, range(4)).buffers()))


def test_without_images_there_is_nothing_to_choose_from():
    with pytest.raises(ValueError, match='FlagThreshold: no image was seen'):
        FlagCurves().finish()
    curves = FlagCurves()
    curves.add(tables_of(1)[0], 'a.png', 'a')
    assert curves.names() == ['a.png']
    curves.reset()
    assert curves.names() == []
