"""Install mmseg_uncertainty; the mmseg stack comes from the extra ``mmseg`` or from an installation already there."""
from pathlib import Path

from setuptools import find_packages, setup

MMSEG = ['onedl-mmengine==0.10.12', 'onedl-mmcv==2.3.6', 'onedl-mmsegmentation==1.4.2']

setup(
    name='mmseg_uncertainty',
    version='0.1.0',
    description='Post-hoc uncertainty for any MMSegmentation model',
    long_description=Path(__file__).with_name('README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    python_requires='>=3.10',
    packages=find_packages(include=['mmseg_uncertainty', 'mmseg_uncertainty.*']),
    install_requires=[
        'FrEIA>=0.2', 'imagecorruptions-imaug>=1.1.5', 'matplotlib', 'numpy', 'scikit-learn', 'scipy', 'torch', 'tqdm'
    ],
    extras_require={
        'mmseg': MMSEG,
        'slurm': ['submitit'],
        'onnx': ['onnx', 'onnxruntime'],
        'test': ['hypothesis', 'pytest'],
    })
