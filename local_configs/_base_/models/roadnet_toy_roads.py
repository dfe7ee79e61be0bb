# A network of plain PyTorch, docs/examples/road_net.py. Its weights are the checkpoint of the run.
model = dict(base=dict(
    type='TorchBase',
    network='{{ fileDirname }}/../../../docs/examples/road_net.py:RoadNet',
    arguments=dict(classes=8),
    classes=('road', 'pavement', 'building', 'sky', 'vegetation', 'car', 'person', 'pole'),
    logits_from='logits',
    features_from='classifier',
    dropout_ratio=0.1,
    mean=[127.] * 3,
    std=[64.] * 3))
test_scale = None
