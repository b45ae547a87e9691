"""The sampler as MLflow serves it: this file is copied beside the model ("models from code").

A request holds the parameters `n` and `seed`, and one for each condition that is a class or a text: -1, or an empty
text, leaves it out. For example: `{"inputs": [[0.0]], "params": {"n": 4, "seed": 3, "label": 7}}`. The inputs are what
else the model is told, one for each sample: of a translator the sources; by name where there are several. Of a model
that is told nothing else the input is not looked at, as MLflow wants one.

Samples are answered as numbers, with `"format": "png"` each as a PNG in base64. A model of a table answers rows, by the
columns' names, and with `"format": "array"` the features that it learned. Other parameters are refused.
"""

import base64
import logging
import os
import re
from pathlib import Path

import mlflow
import numpy as np
from mlflow.exceptions import MlflowException

# Samples are drawn so many at a time: memory stays bounded whatever number is asked for.
CHUNK = 256
PARAMETERS = ("n", "seed", "format")
FORMATS = ("array", "png", "rows")
# What can be shown as a picture of its own.
SHOWN = ("pictures", "masks", "volumes", "films")


class RefuseUnknown(logging.Filter):
    """Refuses parameters that a model does not know.

    MLflow takes them out of a request before the model sees it, and writes a line into the server's log: this is what
    notices that line. It would be of no use below the level at which that line is written.

    Args:
        known: The parameters of one model; lines about another one pass.
    """

    def __init__(self, known):
        super().__init__()
        self.known = set(known)

    def filter(self, record):
        """Raises where the line tells of unknown parameters."""
        unknown, _, supported = record.getMessage().partition(". Supported params are:")
        if unknown.startswith("Unrecognized params") and self.known == _quoted(supported):
            names = ", ".join(sorted(_quoted(unknown)))
            raise _refused(f"unknown parameter {names}: expected {', '.join(sorted(self.known))}")
        return True


def _quoted(text):
    return set(re.findall(r"'([^']*)'", text.partition(". To enable")[0]))


def _refused(reason):
    return MlflowException.invalid_parameter_value(" ".join(str(reason).split()))


class Sampler(mlflow.pyfunc.PythonModel):
    """Draws from `model.keras`, on the backend that it was trained with unless another one is set."""

    #: The columns, where the model makes rows of a table.
    table = None

    def load_context(self, context):
        """Loads the model in safe mode; MLflow looks for the name `context`."""
        os.environ.setdefault("KERAS_BACKEND", context.model_config["backend"])
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        import keras

        import gm_keras  # noqa: F401 (registers the classes that the file names)

        self.model = keras.saving.load_model(
            context.artifacts["model"], compile=False, safe_mode=True
        )
        if "table" in context.artifacts:
            from gm_keras.fields.table import Table
            from gm_keras.reading import read_json

            self.table = Table.read(read_json(Path(context.artifacts["table"])))
        self.refuse_unknown()

    def refuse_unknown(self):
        """Has unknown parameters of requests refused."""
        told = [name for name, each in self.model.conditions.items() if each.is_class or each.text]
        checks = logging.getLogger("mlflow.models.utils")
        checks.addFilter(RefuseUnknown([*PARAMETERS, *told]))
        if not checks.isEnabledFor(logging.WARNING):
            checks.setLevel(logging.WARNING)

    def predict(self, context, model_input: np.ndarray, params=None):
        """Returns samples `(n, *shape of one example)` in the range of the training data; of text, `n` strings.

        As PNG they are `n` strings too, and of a table a data frame of `n` rows.
        """
        params = params or {}
        form = params.get("format", "array" if self.table is None else "rows")
        if form not in FORMATS:
            raise _refused(f"format {form!r}: expected {', '.join(FORMATS[:-1])} or {FORMATS[-1]}")
        options = {**context.model_config["options"], "seed": int(params.get("seed", 0))}
        n, told = int(params.get("n", 1)), self._of_params(params)
        arrays = self._of_inputs(model_input)
        if arrays:
            n = len(next(iter(arrays.values())))
        if form == "rows" and "label" in self.model.conditions and "label" not in told and n > 0:
            # As often as in the data, so that the column is like the others.
            told["label"] = self._of_table().draw_labels(n, options["seed"])
        try:
            options = {"batch_size": min(max(n, 1), CHUNK), **options}
            if form == "png":
                self._check_pictures()
            if form == "rows":
                self._of_table()
            made = self.model.sample(n, **told, **arrays, **options)
        except (ValueError, TypeError) as error:  # the model says what is wrong with a request
            raise _refused(error) from None
        if form == "png":
            return self._pictures(made)
        if form == "rows":
            return self._rows(made, told.get("label"))
        if hasattr(self.model, "decode_text"):
            return np.array([self.model.decode_text(row) for row in made])
        return made

    def _of_table(self):
        if self.table is None:
            raise _refused(
                f"format 'rows': this model makes no rows of a table, but {self.model.data_field}"
            )
        return self.table

    def _rows(self, made, labels):
        import pandas as pd

        labels = None if labels is None else np.broadcast_to(labels, len(made))
        return pd.DataFrame(self._of_table().restored(made, labels))

    def _check_pictures(self):
        from gm_keras.views.sheets import view_of

        shape = (0, *self.model.data_shape)
        if view_of(self.model.data_field, np.zeros(shape)) not in SHOWN:
            raise _refused(
                f"format 'png': this model makes no pictures, but {self.model.data_field}"
            )

    def _pictures(self, made):
        """Each sample as a PNG of its own size, in base64."""
        from gm_keras.views.one import each

        views = each(self.model.data_field, made, size=1)
        return np.array([base64.b64encode(view.content).decode() for view in views])

    def _of_params(self, params):
        """The conditions that are a class or a text."""
        told = {}
        for name, condition in self.model.conditions.items():
            if condition.text and params.get(name):
                told[name] = str(params[name])
            elif condition.is_class and params.get(name, -1) >= 0:
                told[name] = params[name]
        return told

    def _of_inputs(self, model_input):
        """The conditions that are arrays, one for each sample."""
        conditions = self.model.conditions.items()
        names = [name for name, each in conditions if not (each.is_class or each.text)]
        if isinstance(model_input, dict):
            return {name: np.asarray(model_input[name]) for name in names}
        return {name: np.asarray(model_input, "float32") for name in names[:1]}


mlflow.models.set_model(Sampler())
