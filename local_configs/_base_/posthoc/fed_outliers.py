# A flow for unknown objects. It leaves mistakes aside, and with them the predicted class, and sees features relative to their
# image, since outliers have to be found on roads unlike those it is fitted on.
heads = dict(
    fedc_outliers=dict(
        type='FlowEneDetHead',
        conditional=True,
        class_condition=False,
        standardize_features=True,
        scale_factor=2,
        training_pixels=512,
        flow=dict(kernel_size=1),
        loss_decode=dict(type='FlowEneDetLoss', mistake_weight=0.05, inlier_weight=0.2)))
