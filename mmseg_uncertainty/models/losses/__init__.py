from .flow_enedet_loss import FlowEneDetLoss

__all__ = ['FlowEneDetLoss']
