# The released networks, at the classifier's size with 7x7 neighbourhoods; void pixels are ignored as by the exact variant, and
# the statistics of the logits come from the first 50 batches.
_base_ = './scores.py'
heads = dict(
    fedu_published=dict(
        type='FlowEneDetHead', variant='published', statistics_iterations=50, loss_decode=dict(type='FlowEneDetLoss')),
    fedc_published=dict(
        type='FlowEneDetHead',
        conditional=True,
        variant='published',
        statistics_iterations=50,
        loss_decode=dict(type='FlowEneDetLoss')))
