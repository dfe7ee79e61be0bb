# The same with features of a layer that the configs name for each base, since classifiers read what tells their own classes apart.
_base_ = './combined.py'
heads = dict(
    deep_knn=dict(type='NearestNeighborHead', neighbor=3, average=True),
    cdnp=dict(type='SumOfScoresHead', heads=['deep_knn', 'energy']),
    deep_mahalanobis=dict(type='MahalanobisHead', normalize=True),
    deep_sum=dict(type='SumOfScoresHead', heads=['deep_mahalanobis', 'energy']))
