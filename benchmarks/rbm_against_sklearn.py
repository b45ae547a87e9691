"""Our RBM against scikit-learn's on the same binary digits: test log-likelihood by the same estimate, and time.

python benchmarks/rbm_against_sklearn.py [hidden units]

Both learn by persistent contrastive divergence; their trainings alternate in one run. Ours begins with a pass over
two batches, in which it is compiled: that time is told apart, as it does not grow with the data. With up to 20 hidden units the likelihood is exact; with more, annealed importance
sampling gives log Z of both, by the same code. Rates and passes were chosen for each on this split.
"""

import json
import statistics
import sys
import time

import keras
import numpy as np
from sklearn.datasets import load_digits
from sklearn.neural_network import BernoulliRBM

from gm_keras.models.boltzmann.rbm import RBM

ROUNDS, SPLIT = 3, 1437
PASSES, RATE = 200, 0.01  # scikit-learn's


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Binary digits to train on and to test with, each `(n, 64)`."""
    x = (load_digits().images >= 8).astype("float32").reshape(-1, 64)
    order = np.random.default_rng(0).permutation(len(x))
    return x[order[:SPLIT]], x[order[SPLIT:]]


def as_images(x: np.ndarray) -> np.ndarray:
    """Bits as images in [-1, 1]."""
    return (2.0 * x - 1.0).reshape(-1, 8, 8, 1).astype("float32")


def ours(hidden: int, train: np.ndarray) -> tuple[RBM, float, float]:
    """Trains our RBM for 100 passes; also returns the seconds of that, and of compiling before."""
    model = RBM((8, 8, 1), hidden=hidden, levels=2, persistent=True, chains=64)
    rate = keras.optimizers.schedules.PolynomialDecay(0.02, 100 * 28, 0.0005)
    model.compile(keras.optimizers.Adam(rate))
    images = as_images(train[: 28 * 50])
    start = time.perf_counter()
    model.fit(images[:100], batch_size=50, verbose=0)
    compiled = time.perf_counter()
    model.fit(images, batch_size=50, epochs=100, verbose=0)
    return model, time.perf_counter() - compiled, compiled - start


def theirs(hidden: int, train: np.ndarray) -> tuple[RBM, float, float]:
    """Trains scikit-learn's, and puts its weights into one of ours, to be measured alike; with the seconds."""
    start = time.perf_counter()
    machine = BernoulliRBM(
        hidden, learning_rate=RATE, batch_size=10, n_iter=PASSES, random_state=0
    ).fit(train)
    seconds = time.perf_counter() - start
    model = RBM((8, 8, 1), hidden=hidden, levels=2)
    model.machine.kernel.assign(machine.components_.T.astype("float32"))
    model.machine.visible_bias.assign(machine.intercept_visible_.astype("float32"))
    model.machine.hidden_bias.assign(machine.intercept_hidden_.astype("float32"))
    return model, seconds, 0.0


def likelihood(model: RBM, test: np.ndarray, hidden: int) -> float:
    """The mean test log-likelihood, in nats."""
    energy = keras.ops.convert_to_numpy(model.free_energy(as_images(test))).mean()
    exact = hidden <= 20
    log_partition = model.exact_log_partition() if exact else model.log_partition(128, 3000)[0]
    return float(-energy - log_partition)


def main(hidden: int) -> None:
    """Prints one row of JSON for each round, and the medians."""
    train, test = digits()
    rows = []
    for number in range(ROUNDS):
        row = {"round": number, "hidden": hidden, "backend": keras.backend.backend()}
        for name, fit in (("ours", ours), ("theirs", theirs)):
            model, seconds, compiling = fit(hidden, train)
            row[f"{name}_seconds"] = round(seconds, 2)
            row[f"{name}_compiling"] = round(compiling, 2)
            row[f"{name}_nats"] = round(likelihood(model, test, hidden), 2)
        row["ratio"] = round(row["theirs_seconds"] / row["ours_seconds"], 2)
        rows.append(row)
        print(json.dumps(row), flush=True)
    for name in ("ours_nats", "theirs_nats", "ratio", "ours_compiling"):
        print(f"median {name}: {statistics.median(row[name] for row in rows)}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 128)
