from .calibration_loop import CalibrationLoop

__all__ = ['CalibrationLoop']
