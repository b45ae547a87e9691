"""Several optimizers behind the one `optimizer` that Keras knows of a model."""

import contextlib
from collections.abc import Iterator, Mapping

import keras
import numpy as np
from keras import ops

from gm_keras import backend


@keras.saving.register_keras_serializable("gm_keras")
class OptimizerGroup(keras.optimizers.Optimizer):
    """Named optimizers, each with variables of its own, saved and restored as one.

    Keras' own `MultiOptimizer` gives each variable one optimizer and wants all gradients at once, which
    cannot express phases that follow each other in a step.

    Args:
        optimizers: Name (as in `Phase.optimizer`) to optimizer.
    """

    def __init__(
        self, optimizers: Mapping[str, keras.optimizers.Optimizer], name="optimizer_group"
    ):
        super().__init__(learning_rate=0.0, name=name)
        #: False keeps the weights as they are when `fit` ends: for a training of several calls.
        self.finalizes = True
        self.members = {key: keras.optimizers.get(value) for key, value in optimizers.items()}
        self._followed: dict[str, list[tuple[keras.Variable, keras.Variable]]] = {}

    def __getitem__(self, name: str) -> keras.optimizers.Optimizer:
        return self.members[name]

    @property
    def learning_rate(self):
        """The learning rate, where there is one optimizer; ask a member otherwise."""
        return self._only().learning_rate

    @learning_rate.setter
    def learning_rate(self, value):
        self._only().learning_rate = value

    def _only(self) -> keras.optimizers.Optimizer:
        if len(self.members) != 1:
            raise AttributeError(
                f"this model has several optimizers: use model.optimizer[name], name in {list(self.members)}"
            )
        return next(iter(self.members.values()))

    def check_members(self, variables: Mapping[str, list[keras.Variable]]) -> None:
        """Checks that each optimizer is there once, and has not been built for other variables.

        Raises:
            ValueError: One line that names the phases.
        """
        seen: dict[int, str] = {}
        for name, member in self.members.items():
            if id(member) in seen:
                raise ValueError(
                    f'one optimizer object serves both "{seen[id(member)]}" and "{name}": '
                    "give each an optimizer of its own"
                )
            seen[id(member)] = name
            known = {id(variable) for variable in variables[name]}
            if member.built and known != {id(each) for each in member._trainable_variables}:
                raise ValueError(
                    f'the optimizer "{name}" has been used for another model: give this one a new optimizer'
                )

    def build_members(
        self,
        variables: Mapping[str, list[keras.Variable]],
        statistics: Mapping[str, list[keras.Variable]],
    ) -> None:
        """Builds each optimizer for what it trains.

        Args:
            variables: Of each member, by its name.
            statistics: What follows these without a gradient; a member with `use_ema` averages both.
        """
        if self.built:
            return
        super().build([variable for group in variables.values() for variable in group])
        for name, member in self.members.items():
            pairs = []
            if member.use_ema:
                pairs = self._followed[name] = [
                    (each, self.add_variable_from_reference(each, name="average"))
                    for each in statistics[name]
                ]
            if not member.built:
                member.build(variables[name])
                pairs = [*pairs, *self._pairs(name)]
            # Keras fills them at the first update, and they may be asked for before.
            for variable, average in pairs:
                average.assign(_copied(variable))

    def follow(self, name: str) -> None:
        """Takes the statistics into their averages, after an update by a member: as Keras does with the weights."""
        member = self.members[name]
        pairs = self._followed.get(name, [])
        if not pairs:
            return
        # Keras has counted the update.
        momentum = ops.cast(member.iterations > 1, "float32") * member.ema_momentum
        for variable, average in pairs:
            average.assign(momentum * average + (1.0 - momentum) * variable)
        if frequency := member.ema_overwrite_frequency:
            due = ops.equal(member.iterations % frequency, 0)
            for variable, average in pairs:
                variable.assign(ops.where(due, average, variable))

    def build(self, variables):
        """Does nothing: `GenerativeModel.compile` builds the members."""

    @property
    def variables(self):
        own = list(self._variables)
        return own + [variable for member in self.members.values() for variable in member.variables]

    def save_own_variables(self, store):
        for index, variable in enumerate(self._variables):
            store[str(index)] = keras.ops.convert_to_numpy(variable)

    def load_own_variables(self, store):
        for index, variable in enumerate(self._variables):
            variable.assign(store[str(index)])

    def finalize_variable_values(self, var_list):
        """Puts moving averages in place where a member keeps them, as Keras does when `fit` ends."""
        del var_list
        if not self.finalizes:
            return
        pairs = self.averages()
        with backend.all_or_nothing([variable for variable, _ in pairs]):
            for variable, average in pairs:
                variable.assign(_copied(average))

    def forget(self) -> None:
        """Sets what the members remember of gradients back to zero; rates and averages of weights stay."""
        for member in self.members.values():
            kept = [member._learning_rate]
            if member.use_ema:
                kept += member._model_variables_moving_average
            kept_ids = {id(variable) for variable in kept}
            for variable in member.variables:
                if id(variable) not in kept_ids:
                    variable.assign(np.zeros(variable.shape, variable.dtype))

    def averages(self) -> list[tuple[keras.Variable, keras.Variable]]:
        """The pairs (variable, its exponential moving average) of the members with `use_ema`.

        The variables are what such a member trains, and the statistics that follow.
        """
        return [
            pair
            for name in self.members
            for pair in self._pairs(name) + self._followed.get(name, [])
        ]

    def _pairs(self, name: str) -> list[tuple[keras.Variable, keras.Variable]]:
        """What a member trains, each with its average; nothing of one that keeps none."""
        member = self.members[name]
        if not member.use_ema:
            return []
        averages = member._model_variables_moving_average
        return list(zip(member._trainable_variables, averages, strict=True))

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """Within this context the model's variables hold their moving averages, where there are any."""
        pairs = self.averages() if self.built else []
        raw = [_copied(variable) for variable, _ in pairs]
        try:
            for variable, average in pairs:
                variable.assign(_copied(average))
            yield
        finally:
            for (variable, _), value in zip(pairs, raw, strict=True):
                variable.assign(value)

    def get_config(self):
        members = {
            key: keras.saving.serialize_keras_object(member) for key, member in self.members.items()
        }
        return {"optimizers": members, "name": self.name}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        members = {
            key: keras.saving.deserialize_keras_object(member, custom_objects=custom_objects)
            for key, member in config["optimizers"].items()
        }
        return cls(members, name=config["name"])


def _copied(variable: keras.Variable) -> np.ndarray:
    # On JAX two variables must not share a buffer: a training step gives it away, and would do so twice.
    return np.array(keras.ops.convert_to_numpy(variable))
