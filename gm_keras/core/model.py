"""`GenerativeModel`: what every system is, and the one training step that trains them all.

To add a system, subclass it:

* In `__init__`, call `super().__init__(name=name)`, then, in three banners, build the networks (functional
  models, so that every variable exists at once), the state, and keep what the methods need; end with
  `self.setup()`. The constructor's arguments are the configuration: `get_config` is derived from them. Annotate them
  with `gm_keras.types`: by that they are checked, in Python and in `params.yaml`. With `**kwargs` passed on to
  `super().__init__(**kwargs)` a model takes those of its parent as well.
* `phases()` returns the losses and what each updates.
* `sample_batch()` draws; its annotated arguments after the asterisk are the options of `sample`.
* `offers` says what it can do, and each word asks for the hooks below. The mixins of `gm_keras.core` make the public
  methods of them, checks of arguments included; a family's `base` may have written some of them already. Decorate
  further methods that have annotations with `gm_keras.core.arguments.checked`.
* What it is told beside the examples are its `conditions`, by name: a label where it has `num_classes`, anything else
  where it overrides the property (`gm_keras.core.Condition`). They are checked for it; a hook finds them as tensors,
  a loss by `told_in(batch, training)`, and a network gets them by `with_told(conditions, x)`.
* `call` assigns non-trainable variables only; read, compute, and assign last: after `assign` TensorFlow
  reads the new value and JAX the old one.
* Draw noise in losses with `keras.random.<distribution>(..., seed=self.seed_generator)`.

The contract tests (`tests/models/test_contract.py`, `test_compiled.py`) ask for these. Hooks run inside compiled
functions: `x` and `latents` are tensors, `conditions` tensors by name (those left out are not in it), `random` a stream
whose `next()` is the seed of a draw. `label=` and the like stand in none of them.

Of every system:

    phases()                                    list of `Phase`: every trainable variable is in one; `loss(batch, training)`
    inference_networks()                        functional networks by name, for the export; each saved and loaded alone
    num_classes                                 argument and attribute where there are classes; None: a model without
    levels                                      argument and attribute where the values are grey levels; None: any number
    fields, data_field, data_shape, data_range  properties, where a batch is not one image in [-1, 1] or vector of
                                                `image_shape`
    conditions                                  property, where it is told more than its label
    stages                                      where it is trained in parts; `phases()` looks at `self.stage`
    unlabelled                                  where a label of -1 in its batches stands for none

By the words of `offers`, which the recipe repeats as `capabilities` (with "conditional" where it can be told something,
and "classifier" where it can tell classes apart: a model without them does not offer it):

    sampler      sample_batch(n, random, conditions, *, options)
                                                `(n, *data_shape)` in the range of the data; its seed alone decides it
    translator   sample_batch(n, random, conditions, *, options)
                                                `conditions["source"]` is there: `TranslatorMixin`, or the family's base
    density      _log_prob(x, random, conditions)    `(batch,)` nats: `DensityMixin`
                 nats_of                        "discrete", "density" or "relaxed": `levels.LevelsMixin`
    bound        _elbo(x, random, conditions)   `(batch,)` nats, at most log p(x): `BoundMixin`
                 nats_of                        as of a density
                 _log_weights(x, random, conditions, draws)
                                                may be left out; `(draws, batch)`: `importance.ImportanceMixin`
    autoencoder  _encode(x, conditions)         `(batch, *latent shape)`: `AutoencoderMixin`
                 _decode(latents, conditions)   `(batch, *data_shape)`
    latents      _draw_latents(n, seed)         what `sample` decodes: `LatentsMixin`
                 _decode(latents, conditions)   as of an autoencoder
                 latent_prior                   "normal" or "uniform"
                 latent_names                   may be left out; what the first latents are called, if they mean something
    invertible   nothing more                   `decode` inverts `encode`, whatever was learned
    codes        codes(x)                       whole numbers from 0 to `num_codes` - 1
                 num_codes                      how many there are
    classifier   _classify(x, conditions)       `(batch,)`, whole numbers from 0 to `classes` - 1: `ClassifierMixin`
                 classes                        argument and attribute; None: not offered
    trajectory   trajectory(n, *, seed, frames, given)
                                                states, and what is expected of each: two arrays `(frames, n, *data_shape)`
    energy       log_partition(num_chains, num_steps, seed, direction)
                                                log Z and its standard error
                 log_prob_estimate(x, num_samples, *, seed, log_partition, conditions)
                                                likelihoods and their standard errors, each `(batch,)`

Public methods are called as `sample(n, seed=0, label=3)`, `log_prob(x, label=labels)`, `elbo(x, label=labels)`,
`reconstruct(x, label=labels)`, `interpolate(x0, x1, steps, label=labels)`, `translate(source, seed=0)`, `classify(x)`:
each takes the conditions by name, one value for all or one for each example.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from gm_keras import backend
from gm_keras.core.construction import ConstructionMixin
from gm_keras.core.examples import ExamplesMixin, take_examples
from gm_keras.core.optimizers import OptimizerGroup
from gm_keras.core.phase import Phase, unique
from gm_keras.core.sampling import SamplingMixin
from gm_keras.core.statistics import statistics
from gm_keras.core.told import ToldMixin
from gm_keras.fields import scaling
from gm_keras.ops.random import NoiseSeeds

#: Options of Keras' `compile` that hold here; losses and metrics are the model's own.
COMPILE_OPTIONS = ("jit_compile", "run_eagerly", "steps_per_execution")


class GenerativeModel(
    ConstructionMixin, ToldMixin, SamplingMixin, ExamplesMixin, backend.TrainerSeam, keras.Model
):
    """Base class of every system; see the module's text for how to subclass it.

    What `fit` and `evaluate` report: `<phase>_loss` for each phase, further curves of the model, and `loss`, the sum
    of the losses of the present stage's phases, which is what Keras' callbacks look for. Of a model with one phase it
    is the loss; of a game of several networks it says little.
    """

    #: What the model offers besides training; the pipeline asks for these and never for names.
    offers: ClassVar[frozenset[str]] = frozenset({"sampler"})
    #: Training in several parts, one after the other, each with phases of its own; see `enter_stage`.
    stages: Sequence[str] = ("main",)
    num_classes: int | None = None
    #: Whether it learns from examples without a label beside those that have one: -1 in a batch is none.
    unlabelled: ClassVar[bool] = False
    #: Up to so many positions of an example TensorFlow is to compile a training step with XLA on a CPU too
    #: (`benchmarks/NOTES.md` says where that pays).
    fused_positions: ClassVar[float] = 0

    # ---- construction -----------------------------------------------------------------------------

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        take_examples(cls, GenerativeModel)

    def setup(self, logs: Sequence[str] = ()) -> None:
        """Ends a constructor: fixes the phases and the curves that a training reports.

        Args:
            logs: Names of further curves that the losses report with `self.log`.

        Raises:
            ValueError: If a phase updates a variable that the model does not track.
        """
        self.built = True
        if not hasattr(self, "seed_generator"):
            self.seed_generator = NoiseSeeds()
        self.step = self.add_weight(
            shape=(), dtype="int32", initializer="zeros", trainable=False, name="step"
        )
        self.stage = self.stages[0]
        self.phase_list = tuple(self.phases())
        tracked = {id(variable) for variable in self.trainable_variables}
        for phase in self._phases_of_all_stages():
            for variable in phase.variables:
                if id(variable) not in tracked:
                    raise ValueError(
                        f'phase "{phase.name}" of {type(self).__name__} updates {variable.path}, which the '
                        "model does not track: make its network an attribute of the model"
                    )
        self.curves = {
            name: keras.metrics.Mean(name=name)
            for name in [*(f"{each.name}_loss" for each in self._phases_of_all_stages()), *logs]
        }
        self._compiled_calls: dict = {}

    def _phases_of_all_stages(self) -> list[Phase]:
        present, phases = self.stage, []
        for stage in self.stages:
            self.stage = stage
            phases += self.phases()
        self.stage = present
        return phases

    def enter_stage(self, name: str) -> None:
        """Goes on with the phases of another stage of the training; `fit` and `sample` follow.

        Args:
            name: One of `stages`.

        Raises:
            ValueError: If there is no such stage.
        """
        if name not in self.stages:
            raise ValueError(
                f'{type(self).__name__} has no stage "{name}"; its stages are {", ".join(self.stages)}'
            )
        if name == self.stage:
            return
        self.stage = name
        self.phase_list = tuple(self.phases())
        # What was compiled computes the stage before.
        self.train_function = self.test_function = None
        self._compiled_calls = {}

    @property
    def data_shape(self) -> tuple[int, ...]:
        """The shape of one example."""
        return tuple(self._built_with["image_shape"])

    @property
    def data_field(self) -> str:
        """The field of a batch that this model learns: "image", or "features" for vectors."""
        return "image" if len(self.data_shape) == 3 else "features"

    @property
    def fields(self) -> dict[str, tuple[int, ...]]:
        """The fields that a batch must have, and the shape of one example in each; conditions may be added to them."""
        return {self.data_field: self.data_shape}

    @property
    def capabilities(self) -> frozenset[str]:
        """What this model offers, "conditional" included where it is told more than the fields of its batches."""
        more = self.conditions.keys() - self.fields.keys()
        return self.offers | ({"conditional"} if more else frozenset())

    def phases(self) -> list[Phase]:
        """The phases of one training step, in order."""
        raise NotImplementedError(f"{type(self).__name__} must define phases()")

    def inference_networks(self) -> dict[str, keras.Model]:
        """The networks that a trained model is used through, by name; these are exported."""
        raise NotImplementedError(f"{type(self).__name__} must define inference_networks()")

    # ---- compiling and training -------------------------------------------------------------------

    def compile(self, optimizer="adam", *, fresh_batches=False, **options) -> None:
        """Gives every phase its optimizer.

        Args:
            optimizer: One Keras optimizer, or a dictionary with one for each name that the phases use.
            fresh_batches: Each repeat of a phase takes its own part of the batch, as the papers with
                several critic updates do; a batch then holds `repeats` batches end to end. Examples that are left
                over are left out; a last batch of fewer examples than repeats serves each of them as a whole.
            **options: `jit_compile`, `run_eagerly`, `steps_per_execution`, as in Keras.

        Raises:
            ValueError: If the names are not those that the phases use, an optimizer is given twice or has trained
                another model, or an option is none of these.
        """
        wrong = [
            name for name in options if name not in COMPILE_OPTIONS and options[name] is not None
        ]
        if wrong:
            raise ValueError(
                f"{type(self).__name__} takes no {wrong[0]}: it has losses and curves of its own; "
                f"compile takes optimizer, fresh_batches, {', '.join(COMPILE_OPTIONS)}"
            )
        options = {name: options[name] for name in COMPILE_OPTIONS if name in options}
        variables: dict[str, list] = {}
        followers: dict[str, list] = {}
        for phase in self._phases_of_all_stages():
            for found, more in (
                (variables, phase.variables),
                (followers, statistics(phase.networks)),
            ):
                found[phase.optimizer] = unique([*found.get(phase.optimizer, []), *more])
        if not isinstance(optimizer, OptimizerGroup):
            if not isinstance(optimizer, dict):
                if len(variables) > 1:
                    raise ValueError(
                        f"{type(self).__name__} has several optimizers: "
                        f"compile({{name: optimizer}}) with the names {sorted(variables)}"
                    )
                optimizer = {next(iter(variables)): optimizer}
            optimizer = OptimizerGroup(optimizer)
        if set(optimizer.members) != set(variables):
            raise ValueError(
                f"{type(self).__name__} expected optimizers named {sorted(variables)}, "
                f"not {sorted(optimizer.members)}"
            )
        optimizer.check_members(variables)
        super().compile(optimizer=optimizer, **options)
        self.fresh_batches = fresh_batches
        optimizer.build_members(variables, followers)

    def get_compile_config(self) -> dict[str, Any]:
        if not self.compiled:
            return {}
        config = super().get_compile_config()
        kept = ("optimizer", "run_eagerly", "steps_per_execution", "jit_compile")
        return {**{key: config[key] for key in kept}, "fresh_batches": self.fresh_batches}

    def compile_from_config(self, config: dict[str, Any]) -> None:
        self.compile(**keras.saving.deserialize_keras_object(config))

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        return list(self.curves.values())

    def get_metrics_result(self) -> dict[str, Any]:
        """The curves so far, and `loss`: the sum of the losses of the present stage's phases."""
        curves = super().get_metrics_result()
        losses = [curves[f"{phase.name}_loss"] for phase in self.phase_list]
        return {"loss": sum(losses[1:], losses[0]), **curves}

    def in_order(self, logs: Mapping[str, Any]) -> Any:
        """What Keras' methods return without `return_dict`: the loss, then the other curves; alone where it says all."""
        names = [name for name in self.curves if name in logs]
        return logs["loss"] if len(names) == 1 else [logs["loss"], *(logs[each] for each in names)]

    def log(self, name: str, value: Any) -> None:
        """Adds a value to a curve that `setup(logs=...)` declared; for use in losses."""
        self.curves[name].update_state(value)

    def gradient(self, function: Callable, inputs: Any) -> Any:
        """The gradient of `sum(function(inputs))` with respect to `inputs`; differentiable again."""
        return backend.gradient(function, inputs, self._loss_state())

    def _loss_state(self) -> list[keras.Variable]:
        return self.trainable_variables + self.non_trainable_variables + self.metrics_variables

    def _batch(self, data: Any) -> dict[str, Any]:
        batch = self.named_fields(data)
        self.check_fields(batch)
        # PyTorch's trainer hands on what it was given, NumPy arrays too; what no loss asks for is left behind.
        wanted = {**self.fields, **self.conditions}
        batch = {name: ops.convert_to_tensor(batch[name]) for name in wanted}
        kinds = {
            field: "int32" if scaling(field) == "codes" else "float32" for field in self.fields
        }
        cast = {field: ops.cast(batch[field], kind) for field, kind in kinds.items()}
        for name, condition in self.conditions.items():
            values = ops.cast(batch[name], condition.dtype)
            cast[name] = ops.reshape(values, (-1, *condition.shape))
        return cast

    def _part(self, batch: dict[str, Any], turn: Any) -> dict[str, Any]:
        if not self.fresh_batches:
            return batch
        parts = max(phase.repeats for phase in self.phase_list)
        size = next(iter(batch.values())).shape[0] // parts
        if not size:
            return batch
        return {
            key: ops.reshape(value[: parts * size], (parts, size, *value.shape[1:]))[turn]
            for key, value in batch.items()
        }

    def _update(self, phase: Phase, batch: dict[str, Any], turn: Any = 0) -> None:
        variables = phase.variables
        part = self._part(batch, turn)
        loss, gradients = backend.value_and_grad(
            lambda: phase.loss(part, True) * float(phase.every), variables, self._loss_state()
        )
        with backend.no_gradient():
            self.optimizer[phase.optimizer].apply(gradients, variables)
            self.optimizer.follow(phase.optimizer)
        self.curves[f"{phase.name}_loss"].update_state(loss / float(phase.every))

    def _updates(self, phase: Phase, batch: dict[str, Any]) -> None:
        if phase.repeats == 1:
            self._update(phase, batch)
        else:
            state = self._loss_state() + self.optimizer.variables
            backend.repeat(phase.repeats, lambda turn: self._update(phase, batch, turn), state)

    def stateful_train_step(self, data: Any) -> dict[str, Any]:
        """One step of every phase; the backend's seam makes Keras' `train_step` of it."""
        batch = self._batch(data)
        for phase in self.phase_list:
            if phase.every == 1 and phase.when is None:
                self._updates(phase, batch)
            else:
                due = ops.equal(self.step % phase.every, 0)
                backend.run_if(
                    due if phase.when is None else ops.logical_and(due, phase.when()),
                    lambda phase=phase: self._updates(phase, batch),
                    self._loss_state() + self.optimizer.variables,
                )
        self.after_step()
        self.step.assign(self.step + 1)
        return self.get_metrics_result()

    def after_step(self) -> None:
        """Called at the end of each step; for state that follows the weights."""

    def stateful_test_step(self, data: Any) -> dict[str, Any]:
        """The loss of every phase, without updates."""
        batch = self._batch(data)
        for phase in self.phase_list:
            self.curves[f"{phase.name}_loss"].update_state(phase.loss(batch, False))
        return self.get_metrics_result()

    # ---- calls outside training -------------------------------------------------------------------

    def run_compiled(self, function: Callable, *inputs: Any, **static: Any) -> Any:
        """Calls a method on tensors as one compiled function, compiled once for each `static`.

        Args:
            function: A bound method of this model (or a named function kept by it).
            *inputs: Arrays or tensors, or mappings of them.
            **static: Python values that shape the computation; hashable.

        Returns:
            What the function returns, as tensors.
        """
        key = (getattr(function, "__qualname__", repr(function)), tuple(sorted(static.items())))
        if key not in self._compiled_calls:
            self._compiled_calls[key] = backend.compile_function(
                lambda *tensors: function(*tensors, **static), self._loss_state()
            )
        # A callback may call this in the middle of an epoch of `fit`.
        self.sync_state()
        tensors = [
            {name: _as_in_training(each) for name, each in value.items()}
            if isinstance(value, Mapping)
            else _as_in_training(value)
            for value in inputs
        ]
        return self._compiled_calls[key](*tensors)

    # ---- saving -----------------------------------------------------------------------------------

    def save(self, filepath: Any, overwrite: bool = True, **options: Any) -> None:
        """As in Keras: a `.keras` file; weights alone go to `.weights.h5` with `save_weights`."""
        if not str(filepath).endswith(".keras"):
            raise ValueError(
                f'a model is saved as "NAME.keras", not as "{filepath}"; '
                'its weights alone: save_weights("NAME.weights.h5")'
            )
        super().save(filepath, overwrite=overwrite, **options)

    def load_weights(self, filepath: Any, **options: Any) -> None:
        """As in Keras; if the file does not fit, the model stays as it was."""
        stage = self.stage
        try:
            with backend.all_or_nothing(backend.every_variable(self)):
                super().load_weights(filepath, **options)
        except BaseException:
            self.enter_stage(stage)
            raise

    def set_weights(self, weights: Sequence[np.ndarray]) -> None:
        """As in Keras; if they do not fit, the model stays as it was."""
        with backend.all_or_nothing(backend.every_variable(self)):
            super().set_weights(weights)

    def _seed_states(self) -> list[keras.Variable]:
        saved = {id(variable) for variable in self.weights}
        return [
            variable
            for variable in self.variables
            if id(variable) not in saved and "seed_generator_state" in variable.path
        ]

    def save_own_variables(self, store) -> None:
        # Keras saves no seed generator: without these a resumed training would repeat its noise.
        super().save_own_variables(store)
        for index, variable in enumerate(self._seed_states()):
            store[f"seed_{index}"] = ops.convert_to_numpy(variable)
        if len(self.stages) > 1:
            store["stage"] = np.array(self.stages.index(self.stage))

    def load_own_variables(self, store) -> None:
        seeds = self._seed_states()
        for index, variable in enumerate(seeds):
            variable.assign(store[f"seed_{index}"])
        if len(self.stages) > 1:
            self.enter_stage(self.stages[int(np.array(store["stage"]))])
        names = [key for key in store.keys() if not key.startswith(("seed_", "stage"))]  # noqa: SIM118 (an H5 group)
        super().load_own_variables({name: store[name] for name in names})


def _as_in_training(value: Any) -> Any:
    """A tensor with the types that training has: float32, and int32 for whole numbers."""
    if not ops.is_tensor(value):
        value = np.asarray(value)
        if value.dtype.kind == "f" and value.dtype != np.float32:
            value = value.astype("float32")
        elif value.dtype.kind in "biu" and value.dtype.name not in ("int32", "uint32"):
            value = value.astype("int32")
        return ops.convert_to_tensor(value)
    kind = keras.backend.standardize_dtype(value.dtype)
    if kind in ("float64", "float16"):
        return ops.cast(value, "float32")
    return value
