"""What a person is shown of the values of a field: pictures, drawings, films, sounds and text.

`gm_keras.fields` says which field has which view. Values are those of a batch: pixels in [-1, 1], codes, and so
on. `sheet` puts many examples on one picture (on a film, where they are films); `each` makes of every example
something that a page can show by itself.
"""

from gm_keras.views.one import View, each
from gm_keras.views.sheets import MOST_SHOWN, captioned, sheet
from gm_keras.views.tables import marginals

__all__ = ["MOST_SHOWN", "View", "captioned", "each", "marginals", "sheet"]
