"""What translators share: batches of sources and targets, and being told the source."""

from gm_keras.core import Condition, GenerativeModel, TranslatorMixin


class Translator(TranslatorMixin, GenerativeModel):
    """Makes images of images. A batch has the fields "source" and "target"; a constructor sets `source_shape`.

    There is nothing to sample without a source: `translate(source)` is `sample(n, source=source)`.
    """

    offers = frozenset({"translator"})

    source_shape: tuple[int, ...]

    @property
    def data_field(self):
        return "target"

    @property
    def fields(self):
        return {"source": self.source_shape, "target": self.data_shape}

    @property
    def conditions(self):
        return {"source": Condition.image(self.source_shape)}
