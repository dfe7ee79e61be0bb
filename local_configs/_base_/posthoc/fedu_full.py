# FED-U at the size of the image, where mistakes are finest. A flow of half the blocks and half the width ranks them as well and
# costs a quarter (docs/study.md).
heads = dict(
    fedu_full=dict(
        type='FlowEneDetHead',
        resolution='output',
        training_pixels=2048,
        flow=dict(kernel_size=1, blocks=2, hidden_channels=16)))
