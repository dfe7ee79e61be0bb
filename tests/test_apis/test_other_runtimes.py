"""Files in other runtimes than ONNX Runtime: OpenVINO, in Python and C++, and the operators that TensorRT knows."""
import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from mmengine.registry import init_default_scope

from mmseg_uncertainty.apis.export_parity import changes, street
from mmseg_uncertainty.apis.exported_segmentor import ExportedSegmentor
from mmseg_uncertainty.apis.onnx_export import export_onnx
from mmseg_uncertainty.runtime.exported_predictor import ExportedPredictor
from mmseg_uncertainty.runtime.onnx_segmentor import OnnxSegmentor
from tests.test_apis.export_models import DEEPLAB, SET_HEAD, balance, posthoc

onnx = pytest.importorskip('onnx', reason='onnx is not installed; pip install "mmseg_uncertainty[onnx]"')
pytest.importorskip('onnxruntime', reason='onnxruntime is not installed')
DECISIONS = dict(flagged=dict(type='FlagThreshold', head='msp'))
MAIN = r'''
#include <fstream>
#include <iostream>

int main() {
    std::vector<uint8_t> rgb(%d * %d * 3);
    std::ifstream("rgb.bin", std::ios::binary).read(reinterpret_cast<char*>(rgb.data()), rgb.size());
    for (int64_t label : labels(rgb, %d, %d)) std::cout << label << ' ';
}
'''
# Of the matrix of TensorRT's ONNX parser (docs/operators.md of onnx-tensorrt), for 8.4.
TENSORRT = {
    'Add', 'And', 'ArgMax', 'AveragePool', 'BatchNormalization', 'Cast', 'Clip', 'Concat', 'Constant', 'ConstantOfShape', 'Conv',
    'ConvTranspose', 'CumSum', 'Div', 'Einsum', 'Equal', 'Erf', 'Exp', 'Expand', 'Flatten', 'Floor', 'Gather', 'GatherElements',
    'Gemm', 'GlobalAveragePool', 'Greater', 'GreaterOrEqual', 'Identity', 'If', 'InstanceNormalization',
    'Less', 'LessOrEqual', 'Log', 'LogSoftmax', 'MatMul', 'Max', 'MaxPool', 'Min', 'Mul', 'Neg', 'Not', 'Or',
    'Pad', 'Pow', 'Range', 'ReduceL2', 'ReduceLogSumExp', 'ReduceMax', 'ReduceMean', 'ReduceMin', 'ReduceSum', 'Relu', 'Reshape',
    'Resize', 'ScatterElements', 'Shape', 'Sigmoid', 'Slice', 'Softmax', 'Softplus', 'Split', 'Sqrt', 'Squeeze', 'Sub', 'Tanh',
    'TopK', 'Transpose', 'Unsqueeze', 'Where'}
LATER = {'LayerNormalization', 'Mod', 'OneHot'}


@pytest.fixture(scope='module', params=[None, DEEPLAB], ids=['SegFormer', 'DeepLabV3+'])
def file(request, tmp_path_factory):
    init_default_scope('mmseg')
    model = posthoc(request.param, set_head=SET_HEAD, decisions=DECISIONS)
    balance(model)
    model.decisions.flagged.threshold.fill_(0.4)
    path = tmp_path_factory.mktemp('runtimes') / 'model.onnx'
    return export_onnx(ExportedSegmentor(model, ['msp', 'energy'], preprocess=True), path)


def test_operators_are_those_of_tensorrt(file):
    graph = onnx.load(str(file)).graph
    assert {node.op_type for node in graph.node} <= TENSORRT | LATER
    assert not any(attribute.HasField('g') for node in graph.node for attribute in node.attribute)


def test_openvino_predicts_the_same(file):
    openvino = pytest.importorskip('openvino', reason='pip install openvino')
    model = openvino.Core().compile_model(str(file), 'CPU', {'INFERENCE_PRECISION_HINT': 'f32'})
    meta = {entry.key: entry.value for entry in onnx.load(str(file)).metadata_props}
    predictor = ExportedPredictor(lambda feeds: [model(feeds)[name] for name in model.outputs], meta)
    rows = changes(OnnxSegmentor(file, show_progress=False).predict, predictor, [street(61, 83), street(96, 128)])
    assert all(row['agreement'] > 0.999 and max(row['difference'].values()) < 1e-3 for row in rows), rows
    assert set(rows[0]['difference']) == {'msp', 'energy', 'flags_flagged', 'set_membership'}


def test_the_documented_program_in_cpp_runs(file):
    if find_spec('openvino') is None or shutil.which('g++') is None:
        pytest.skip('pip install openvino, and a C++ compiler')
    height, width = 61, 83
    page = (Path(__file__).parents[2] / 'docs/prediction.md').read_text(encoding='utf-8')
    program, = re.findall(r'```cpp\n(#include <openvino.*?)```', page, re.DOTALL)
    (file.parent / 'labels.cpp').write_text(program + MAIN % (height, width, height, width), encoding='utf-8')
    image = street(height, width)
    image[..., ::-1].tofile(file.parent / 'rgb.bin')
    folder = Path(find_spec('openvino').origin).parent
    library, = (folder / 'libs').glob('libopenvino.so*')
    subprocess.run(['g++', '-std=c++17', 'labels.cpp', f'-I{folder / "include"}', str(library), f'-Wl,-rpath,{folder / "libs"}',
                    '-o', 'labels'], cwd=file.parent, check=True)
    done = subprocess.run(['./labels'], cwd=file.parent, check=True, capture_output=True, text=True)
    labels = np.array(done.stdout.split(), int).reshape(height, width)
    expected = OnnxSegmentor(file, show_progress=False).predict(image).labels
    assert (labels == expected).mean() > 0.999 and len(np.unique(labels)) > 1
