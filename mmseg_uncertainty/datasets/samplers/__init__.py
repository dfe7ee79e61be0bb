from .numbered_infinite_sampler import Draw, NumberedInfiniteSampler

__all__ = ['Draw', 'NumberedInfiniteSampler']
