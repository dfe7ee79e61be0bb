"""Install mmseg_uncertainty; the mmseg stack comes from the extra ``mmseg`` or from an installation already there."""
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent

MMSEG = ['onedl-mmengine==0.10.12', 'onedl-mmcv==2.3.6', 'onedl-mmsegmentation==1.4.2']


class BuildWithModels(build_py):
    """Put configs and shipped models where the installed package looks for models by name."""

    def run(self) -> None:
        """Build."""
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib) / 'mmseg_uncertainty/.mim'
        for name in ('local_configs', 'checkpoints'):
            shutil.copytree(ROOT / name, target / name, dirs_exist_ok=True, ignore=shutil.ignore_patterns('__pycache__'))
        shutil.copy(ROOT / 'model-index.yml', target)


setup(
    name='mmseg_uncertainty',
    version='0.1.0',
    description='Post-hoc uncertainty for any MMSegmentation model',
    long_description=(ROOT / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    python_requires='>=3.10',
    packages=find_packages(include=['mmseg_uncertainty', 'mmseg_uncertainty.*']),
    package_data={'mmseg_uncertainty.app': ['style.css']},
    cmdclass={'build_py': BuildWithModels},
    install_requires=[
        'FrEIA>=0.2', 'imagecorruptions-imaug>=1.1.5', 'matplotlib', 'numba', 'numpy', 'opencv-python', 'scikit-learn', 'scipy',
        'torch', 'tqdm'
    ],
    extras_require={
        'mmseg': MMSEG,
        'slurm': ['submitit'],
        'app': ['gradio==6.31.0'],
        'onnx': ['onnx', 'onnxruntime', 'onnxscript'],
        'tensorboard': ['tensorboard'],
        'mask2former': ['onedl-mmdetection>=3.5.1'],
        'convnext': ['onedl-mmpretrain>=1.3.6', 'torchvision'],
        'bit': ['timm', 'torchvision'],
        'transformers': ['transformers>=5', 'safetensors'],
        'torchvision': ['torchvision'],
        'smp': ['segmentation_models_pytorch>=0.5', 'torchvision'],
        'docs': ['mkdocs-material', 'mkdocstrings[python]'],
        'test': ['hypothesis', 'pytest', 'pytest-xdist'],
    })
