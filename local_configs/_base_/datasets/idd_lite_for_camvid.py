# Measures a model with the classes of CamVid: its classes that make up one of the seven are added up.
_base_ = './idd_lite.py'
test_dataloader = dict(dataset=dict(model_classes='camvid'))
