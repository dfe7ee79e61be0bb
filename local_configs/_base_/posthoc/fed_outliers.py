# And a flow that leaves mistakes aside, and with them the predicted class, to find outliers.
_base_ = './fed_fine.py'
heads = dict(
    fedc_outliers=dict(
        type='FlowEneDetHead', conditional=True, class_condition=False, scale_factor=2, training_pixels=2048,
        flow=dict(kernel_size=1), loss_decode=dict(type='FlowEneDetLoss', mistake_weight=0.05)))
