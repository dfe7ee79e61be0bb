"""Measure a model and write one HTML file."""
from .test import execute

__all__ = ['execute']
