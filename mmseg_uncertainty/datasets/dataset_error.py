"""The error of datasets lives where reading images needs no torch."""
from mmseg_uncertainty.runtime.dataset_error import DatasetError

__all__ = ['DatasetError']
