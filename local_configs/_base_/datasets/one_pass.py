# Each image once, as it is: for what is fitted by statistics.
one_pass = dict(
    batch_size=1,
    num_workers=1,
    persistent_workers=False,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False))
