"""Schedule and its algebra: values for every step, combined by operators and changed by methods."""

from ratesmith.schedule.base import Schedule
from ratesmith.schedule.combine import Constant, Product, Sequence, Sum
from ratesmith.schedule.extremes import Max, Min
from ratesmith.schedule.pace import KDecay, Power
from ratesmith.schedule.transform import Clip, Hold, Repeat, Shift, Stretch, Take

__all__ = [
    "Clip",
    "Constant",
    "Hold",
    "KDecay",
    "Max",
    "Min",
    "Power",
    "Product",
    "Repeat",
    "Schedule",
    "Sequence",
    "Shift",
    "Stretch",
    "Sum",
    "Take",
]
