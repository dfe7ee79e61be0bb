"""The build step that puts configs and shipped models into the wheel; pyproject.toml says everything else."""
import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent


class BuildWithModels(build_py):
    """Put configs and models into ``.mim``, where mmengine and the package look for them.

    An editable installation finds them through the links in ``mmseg_uncertainty/.mim``.
    """

    def run(self) -> None:
        """Build."""
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib) / 'mmseg_uncertainty/.mim'
        for source, name in (('local_configs', 'configs'), ('checkpoints', 'checkpoints')):
            shutil.copytree(ROOT / source, target / name, dirs_exist_ok=True, ignore=shutil.ignore_patterns('__pycache__'))
        shutil.copy(ROOT / 'model-index.yml', target)


setup(cmdclass={'build_py': BuildWithModels})
