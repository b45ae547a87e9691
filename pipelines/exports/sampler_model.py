"""The sampler as MLflow serves it: this file is copied beside the model ("models from code").

A request holds the parameters `n` and `seed`, and one for each condition that is a class or a text: -1, or an empty
text, leaves it out. For example: `{"inputs": [[0.0]], "params": {"n": 4, "seed": 3, "label": 7}}`. The inputs are what
else the model is told, one for each sample: of a translator the sources; by name where there are several. Of a model
that is told nothing else the input is not looked at, as MLflow wants one.
"""

import os

import mlflow
import numpy as np
from mlflow.exceptions import MlflowException

# Samples are drawn so many at a time: memory stays bounded whatever number is asked for.
CHUNK = 256


class Sampler(mlflow.pyfunc.PythonModel):
    """Draws from `model.keras`, on the backend that it was trained with unless another one is set."""

    def load_context(self, context):
        """Loads the model in safe mode; MLflow looks for the name `context`."""
        os.environ.setdefault("KERAS_BACKEND", context.model_config["backend"])
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        import keras

        import gm_keras  # noqa: F401 (registers the classes that the file names)

        self.model = keras.saving.load_model(
            context.artifacts["model"], compile=False, safe_mode=True
        )

    def predict(self, context, model_input: np.ndarray, params=None):
        """Returns samples `(n, *shape of one example)` in the range of the training data; of text, `n` strings."""
        params = params or {}
        options = {**context.model_config["options"], "seed": int(params.get("seed", 0))}
        n, told = int(params.get("n", 1)), self._of_params(params)
        arrays = self._of_inputs(model_input)
        if arrays:
            n = len(next(iter(arrays.values())))
        try:
            options = {"batch_size": min(max(n, 1), CHUNK), **options}
            made = self.model.sample(n, **told, **arrays, **options)
        except (ValueError, TypeError) as error:  # the model says what is wrong with a request
            reason = " ".join(str(error).split())
            raise MlflowException.invalid_parameter_value(reason) from None
        if hasattr(self.model, "decode_text"):
            return np.array([self.model.decode_text(row) for row in made])
        return made

    def _of_params(self, params):
        """The conditions that are a class or a text."""
        told = {}
        for name, condition in self.model.conditions.items():
            if condition.text and params.get(name):
                told[name] = str(params[name])
            elif not condition.shape and params.get(name, -1) >= 0:
                told[name] = params[name]
        return told

    def _of_inputs(self, model_input):
        """The conditions that are arrays, one for each sample."""
        conditions = self.model.conditions.items()
        names = [name for name, each in conditions if each.shape and not each.text]
        if isinstance(model_input, dict):
            return {name: np.asarray(model_input[name]) for name in names}
        return {name: np.asarray(model_input, "float32") for name in names[:1]}


mlflow.models.set_model(Sampler())
