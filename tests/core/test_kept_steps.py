"""Whatever is raised out of a training, the model holds the values of a whole step, and works."""

import hashlib
import random
import signal
import time

import keras
import numpy as np
import pytest

from gm_keras import backend
from tests import systems

pytestmark = pytest.mark.backend

BATCHES, EPOCHS = 6, 2
#: A game of two networks, so that half a step can be seen; a moving average takes its place when `fit` ends.
SYSTEM = "dcgan"


#: Validation draws noise as well.
BEFORE_VALIDATION = (
    "on_train_begin",
    "on_epoch_begin",
    "on_train_batch_begin",
    "on_train_batch_end",
)


class BrokenError(Exception):
    """What a user's own code raises."""


class Batches(keras.utils.PyDataset):
    """Batches of which the last one is spoilt."""

    def __init__(self, model, spoil):
        super().__init__()
        self.model, self.spoil = model, spoil

    def __len__(self):
        return 4

    def __getitem__(self, index):
        batch = systems.batch(self.model, index)
        return self.spoil(batch) if index == 3 else batch


def digest(model, seeds=True) -> str:
    """The whole state but for the curves: between steps and nowhere else it is one of those of a training."""
    variables = model.variables if seeds else model.weights
    values = [*variables, *model.optimizer.variables]
    content = b"".join(keras.ops.convert_to_numpy(each).tobytes() for each in values)
    return hashlib.sha256(content).hexdigest()


class Trained:
    """A model, and the digests of its state after each call of the step in a training that nothing stops."""

    def __init__(self, at_once: int):
        backend.set_seed(5)
        self.model = systems.build(SYSTEM)
        self.model.compile(self.model.optimizer, steps_per_execution=at_once)
        size = systems.batch_size(self.model)
        parts = [systems.batch(self.model, seed) for seed in range(BATCHES)]
        self.data = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
        self.options = {"batch_size": size, "epochs": EPOCHS, "shuffle": False, "verbose": 0}
        self.start = self.values()
        self.known = {digest(self.model), digest(self.model, seeds=False)}
        self.fit(keras.callbacks.LambdaCallback(on_train_batch_end=self._note))
        assert len(self.known) == 2 * (1 + EPOCHS * BATCHES // at_once)
        # When a training is over, the averages take their place.
        self._note()

    def _note(self, *_, **__):
        self.model.sync_state()
        self.known |= {digest(self.model), digest(self.model, seeds=False)}

    def values(self) -> list[np.ndarray]:
        return list(systems.state(self.model).values())

    def again(self) -> None:
        """Back to the start."""
        variables = [*self.model.variables, *self.model.optimizer.variables]
        for variable, value in zip(variables, self.start, strict=True):
            variable.assign(value)

    def fit(self, *callbacks, **options):
        data = options.pop("data", self.data)
        return self.model.fit(data, callbacks=list(callbacks), **{**self.options, **options})

    def check(self, seeds=True) -> None:
        assert digest(self.model, seeds) in self.known
        assert np.isfinite(self.model.sample(2)).all()


@pytest.fixture(scope="module", params=[1, 3])
def trained(request) -> Trained:
    return Trained(request.param)


@pytest.fixture(autouse=True)
def _interruptible():
    """As in a terminal: a process that was started in the background ignores Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupted(seconds: float, function, press) -> bool:
    """Calls a function, and interrupts it after so long; whether it was."""
    previous = signal.signal(signal.SIGALRM, press)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        function()
    except KeyboardInterrupt:
        return True
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    return False


def press_once(*_, **__):
    """Ctrl-C."""
    signal.raise_signal(signal.SIGINT)


def press_twice(*_):
    """Ctrl-C by someone impatient: it is raised wherever the program is."""
    signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGINT)


def test_interrupted_at_random_moments(trained):
    # Twice at once breaks TensorFlow itself, once in hundreds of times.
    press = press_once if backend.name == "tensorflow" else press_twice
    interrupt_often(trained, press, 20)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_handler_of_the_users_stays(trained):
    def handler(*_):
        raise BrokenError

    def set_handler(*_, **__):
        signal.signal(signal.SIGINT, handler)

    try:
        trained.again()
        trained.fit(keras.callbacks.LambdaCallback(on_train_begin=set_handler))
        assert signal.getsignal(signal.SIGINT) is handler
        with pytest.raises(BrokenError):
            trained.fit(keras.callbacks.LambdaCallback(on_train_batch_end=press_once))
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def interrupt_often(trained, press, times: int) -> None:
    generator = random.Random(1)
    trained.again()
    started = time.monotonic()
    trained.fit()
    seconds, stopped = time.monotonic() - started, 0
    for _ in range(10 * times):
        if stopped == times:
            break
        trained.again()
        if interrupted(generator.uniform(1e-4, seconds), trained.fit, press):
            stopped += 1
            trained.check()
        else:
            # The machine is less busy than it was.
            seconds *= 0.9
    assert stopped == times


@pytest.mark.parametrize(
    "moment",
    [
        "on_train_begin",
        "on_epoch_begin",
        "on_train_batch_begin",
        "on_train_batch_end",
        "on_test_batch_begin",
        "on_test_batch_end",
        "on_epoch_end",
        "on_train_end",
    ],
)
def test_an_error_of_a_callback(trained, moment):
    def fail(*_, **__):
        raise BrokenError(moment)

    trained.again()
    callback = keras.callbacks.Callback()
    setattr(callback, moment, fail)
    first = {key: value[:16] for key, value in trained.data.items()}
    with pytest.raises(BrokenError, match=moment):
        trained.fit(callback, validation_data=(first["image"], None))
    if moment != "on_train_end":  # there the averages of the weights have taken their place
        trained.check(
            seeds="test" not in moment and moment != "on_epoch_end"
        )  # validation draws noise
    trained.model.train_on_batch(systems.batch(trained.model))


def test_an_error_in_the_data(trained):
    for wrong, message in (
        (lambda batch: {"imgae": batch["image"]}, 'expected a field "image"'),
        (lambda batch: {"image": batch["image"][:, 1:]}, "was built for examples of shape"),
        (lambda batch: {"image": 127.5 * (batch["image"] + 1.0)}, r"in \[-1, 1\]"),
        (lambda batch: {"image": batch["image"] * np.nan}, "NaN"),
    ):
        trained.again()
        with pytest.raises(ValueError, match=message):
            trained.model.fit(Batches(trained.model, wrong), shuffle=False, verbose=0)
        assert np.isfinite(trained.model.sample(2)).all()
        for call in ("evaluate", "train_on_batch", "test_on_batch"):
            trained.again()
            with pytest.raises(ValueError, match=message):
                getattr(trained.model, call)(wrong(systems.batch(trained.model)))
            trained.check()
    with pytest.raises(NotImplementedError):
        trained.model.predict(trained.data["image"])
    trained.check()


def test_a_step_that_fails_on_the_device(trained, monkeypatch):
    """Out of memory, say: the first network is updated, then the graph fails."""
    if backend.name != "tensorflow":
        pytest.skip("JAX's steps have no effects before they end")
    import tensorflow as tf

    model = trained.model
    trained.again()
    discriminator, generator = model.phase_list

    def loss(batch, training):
        value = generator.loss(batch, training)
        with tf.control_dependencies([tf.debugging.Assert(model.step < 4, [model.step.value])]):
            return tf.identity(value)

    monkeypatch.setattr(
        model, "phase_list", (discriminator, type(generator)(**{**vars(generator), "loss": loss}))
    )
    model.train_function = None
    with pytest.raises(tf.errors.InvalidArgumentError):
        trained.fit()
    model.train_function = None
    trained.check()


def test_weights_that_do_not_fit_change_nothing(trained, tmp_path):
    trained.again()
    model, before = trained.model, digest(trained.model)
    weights = model.get_weights()
    with pytest.raises(ValueError, match="shape"):
        model.set_weights([weights[0] + 1.0, *weights[1:-1], weights[-1][..., None, None]])
    assert digest(model) == before
    other = systems.build(SYSTEM, filters=16)
    other.save_weights(tmp_path / "other.weights.h5")
    with pytest.raises(ValueError, match=r"expected|could not be loaded"):
        model.load_weights(tmp_path / "other.weights.h5")
    assert digest(model) == before


def test_sampling_in_the_middle_of_an_epoch(trained):
    drawn = []
    trained.again()
    trained.fit(
        keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda *_, **__: drawn.append(trained.model.sample(2))
        )
    )
    assert not np.array_equal(drawn[0], drawn[-1])
