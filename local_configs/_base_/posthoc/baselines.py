# What flows are compared with, besides the scores that need no fitting: statistics of logits or features, or sampling.
heads = dict(
    standardized_max_logit=dict(type='StandardizedMaxLogitHead'),
    mc_dropout=dict(type='MCDropoutHead', samples=32),
    mahalanobis=dict(type='MahalanobisHead'),
    vim=dict(type='ViMHead'))
