"""The exponential function for kernels that numba compiles, many values at a time."""

import math

import numba
import numpy as np

from gm_keras.backend.intrinsics import float_of
from gm_keras.backend.numba_kernels import compiled

_F, _I = numba.float32, numba.int32
_LOG2_E = np.float32(1 / math.log(2))
_SERIES = tuple(np.float32(math.log(2) ** n / math.factorial(n)) for n in range(8))

#: Sums in any order, and no check of each divisor: both would keep loops from running several values at a time.
#: Inlined, so that one piece of code is all there is: else the process that compiles runs another one, with other roundings,
#: than those that find it on disk.
vectorized = compiled(
    numba.njit,
    forceinline=True,
    fastmath={"reassoc", "contract", "arcp", "nsz"},
    error_model="numpy",
)


@vectorized
def exponential(value):
    """e to the power of it: to two, whole part in the exponent's bits, fraction by its series; 1e-7 at most."""
    power = value * _LOG2_E
    # In this order what is not a number stays so.
    power = _F(-126) if power < _F(-126) else power
    power = _F(126) if power > _F(126) else power
    whole = np.floor(power + _F(0.5))
    rest = power - whole
    total = _SERIES[7]
    total = total * rest + _SERIES[6]
    total = total * rest + _SERIES[5]
    total = total * rest + _SERIES[4]
    total = total * rest + _SERIES[3]
    total = total * rest + _SERIES[2]
    total = total * rest + _SERIES[1]
    total = total * rest + _SERIES[0]
    return total * float_of(_I(_I(_I(whole) + _I(127)) << _I(23)))
