_base_ = './fed.py'
heads = dict(
    fedc=dict(condition_channels=16),
    fedc_outliers=dict(
        type='FlowEneDetHead', conditional=True, class_condition=False, condition_channels=16, training_pixels=2048,
        flow=dict(kernel_size=1), loss_decode=dict(type='FlowEneDetLoss', mistake_weight=0.05)))
