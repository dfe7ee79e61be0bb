"""Tools run in this process."""
from tests.test_tools.conftest import run_tool

__all__ = ['run_tool']
