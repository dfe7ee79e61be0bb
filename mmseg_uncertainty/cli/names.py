"""Names that the commands accept, written down so that help needs none of the libraries that define them."""
from __future__ import annotations

from collections.abc import Callable, Iterable

from mmseg_uncertainty.runtime.near_names import did_you_mean

EVALUATORS = ('mIoU', 'mFscore', 'macroF1', 'mFishy', 'oIoU', 'IDM', 'ECE', 'OOD-image', 'OOD-local', 'components', 'coverage',
              'bravo', 'decisions')
CORRUPTIONS = ('gaussian_noise', 'shot_noise', 'impulse_noise', 'defocus_blur', 'glass_blur', 'motion_blur', 'zoom_blur', 'snow',
               'frost', 'fog', 'brightness', 'contrast', 'elastic_transform', 'pixelate', 'jpeg_compression', 'speckle_noise',
               'gaussian_blur', 'spatter', 'saturate')
RECIPES = ('temperature', 'clustered', 'local', 'vector', 'matrix', 'ensemble_temperature', 'order_preserving', 'selective',
           'spline', 'crc', 'kandinsky', 'weighted', 'adaptive', 'margins', 'false_alarms', 'misses', 'frame_alarms',
           'selective_risk', 'precision', 'fedu', 'fedu_full', 'fedc', 'fed', 'fed_evidence', 'outliers', 'outliers_evidence',
           'mahalanobis', 'vim', 'knn', 'kl_matching', 'mahalanobis_pp', 'relative_mahalanobis', 'react', 'fdbd', 'residual',
           'neco', 'pnml', 'detectors', 'knn_energy', 'sml', 'baselines')
CACHE_PRECISIONS = ('float16', 'float32')
BENCHMARKS = ('smiyc', 'fishyscapes', 'bravo')
RESCALE = ('auto', 'never', 'always')
LAUNCHERS = ('none', 'pytorch', 'slurm', 'mpi')
CLUSTERS = ('slurm', 'local', 'debug')
RAY = 'ray'
DTYPES = ('float32', 'float16', 'int8')
OPSET = 17
SIZES = ((64, 96), (97, 131), (160, 128))
# Short names of datasets in published tables.
DATASET_ALIASES = dict(
    folder='anomaly_folder', FSLF='fs_lost_found', FSST='fs_static', SA='smiyc_anomaly', SO='smiyc_obstacle', CS='cityscapes')


def one_of(names: Iterable[str]) -> Callable[[str], str]:
    """A type of an argparse option that takes one of these names, and tells the nearest of any other."""
    names = tuple(names)

    def checked(text: str) -> str:
        if text not in names:
            from argparse import ArgumentTypeError
            raise ArgumentTypeError(f'{text!r} is unknown.{did_you_mean(text, names)} Choose from {", ".join(names)}.')
        return text

    return checked
