"""Small folders of images and labels."""
import pytest

from tests.test_datasets.small_files import write_image, write_labels


@pytest.fixture
def anomaly_folder(tmp_path):
    """``images/`` and ``labels/`` with three frames."""
    for index in range(3):
        write_image(tmp_path / f'images/frame{index}.png', seed=index)
        write_labels(tmp_path / f'labels/frame{index}.png')
    return tmp_path
