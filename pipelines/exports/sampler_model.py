"""The sampler as MLflow serves it: this file is copied beside the model ("models from code").

A request holds the parameters `n`, `seed` and `label`; its input is not looked at, as MLflow wants one.
For example: `{"inputs": [[0.0]], "params": {"n": 4, "seed": 3}}`. Of a translator the inputs are the sources.
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
        n, label = int(params.get("n", 1)), int(params.get("label", -1))
        try:
            if "translator" in self.model.capabilities:
                sources = np.asarray(model_input, "float32")
                return np.asarray(self.model.translate(sources, **options))
            options = {"batch_size": min(max(n, 1), CHUNK), **options}
            if label >= 0:
                options["label"] = label
            made = self.model.sample(n, **options)
        except (ValueError, TypeError) as error:  # the model says what is wrong with a request
            reason = " ".join(str(error).split())
            raise MlflowException.invalid_parameter_value(reason) from None
        if hasattr(self.model, "decode_text"):
            return np.array([self.model.decode_text(row) for row in made])
        return made


mlflow.models.set_model(Sampler())
