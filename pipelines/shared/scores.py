"""The catalogue of scores: how each is called, what it means, which way is better, how it is written.

The report and `gm-keras compare` read `scores.json` by it, and `metrics/` has what DVC shows of it. It imports
nothing but the standard library.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Better = Literal["lower", "higher", "neither"]
Rank = Literal["best", "tied", ""]

#: Standard errors of a difference within which two scores are not told apart.
APART = 2.0


@dataclass(frozen=True)
class Score:
    """One entry of `scores.json`, for a reader.

    Attributes:
        name: Its key in `scores.json`.
        title: What a page calls it.
        meaning: One line: what it measures.
        better: Which way is better; "neither" where more of it is neither.
        group: The heading under which it stands.
        unit: "" for a number without one.
        share: It lies between 0 and 1, and is written with so many digits that small shares differ.
        compared: It is a column of the leaderboard. What only explains another score is not.
        steers: Its short name among the metrics of DVC, of which there are few: a screen is narrow. "" for what
            nobody steers by.
        given_by: The capability that gives it by construction, whatever was learned: who offers it is no
            rival of the others. "" where none does.
    """

    name: str
    title: str
    meaning: str
    better: Better
    group: str
    unit: str = ""
    share: bool = False
    compared: bool = True
    steers: str = ""
    given_by: str = ""

    def earned_by(self, capabilities: Collection[str]) -> bool:
        """Whether a system with these capabilities has to learn what this score measures."""
        return not self.given_by or self.given_by not in capabilities


@dataclass(frozen=True)
class End:
    """What a score is read by.

    Attributes:
        title: What it is of, where samples or translations are measured.
        of_model: The same where the model itself is measured: its likelihood or its reconstructions.
        of_classes: The same where it reads classes.
    """

    title: str
    of_model: str
    of_classes: str

    def words(self, score: Score) -> str:
        """What stands before the number beside a score."""
        if score.group == CLASSES:
            return self.of_classes
        return self.of_model if score.group in (LIKELIHOOD, RECONSTRUCTION) else self.title.lower()


#: By its name in `calibration.json`: whichever way is better, the first is good and the second is not.
ENDS = {
    "floor": End("Real data", "training data", "given every label"),
    "ceiling": End("Noise", "before training", "most frequent class"),
}

LIKELIHOOD = "Likelihood"
CLASSES = "Classes"
TRANSLATION = "Translation"
RECONSTRUCTION = "Reconstruction"
SAMPLES = "Distance of samples to data"
COVERAGE = "Fidelity and variety"
COLUMNS = "Columns of the table"

_NATS = {"group": LIKELIHOOD, "unit": "nats"}
_LIKELIHOODS = (
    Score(
        "nll_nats",
        "NLL",
        "negative log-likelihood of a test example",
        "lower",
        steers="nll",
        **_NATS,
    ),
    Score(
        "negative_elbo_nats",
        "Negative ELBO",
        "upper bound on the negative log-likelihood of a test example",
        "lower",
        steers="neg_elbo",
        **_NATS,
    ),
    Score(
        "elbo_nats",
        "ELBO",
        "evidence lower bound on the log-likelihood of a test example",
        "higher",
        compared=False,
        **_NATS,
    ),
    Score(
        "nll_estimate_nats",
        "NLL, estimated",
        "estimate of the negative log-likelihood of a test example",
        "lower",
        steers="nll_est",
        **_NATS,
    ),
    Score(
        "nll_estimate_reverse_nats",
        "NLL, estimated in reverse",
        "with log Z annealed in reverse; on average above the truth if that began with exact samples",
        "lower",
        compared=False,
        **_NATS,
    ),
    Score(
        "log_partition_forward_nats",
        "log Z, annealed forward",
        "logarithm of the partition function; on average below the truth",
        "neither",
        compared=False,
        **_NATS,
    ),
    Score(
        "log_partition_reverse_nats",
        "log Z, annealed in reverse",
        "logarithm of the partition function; on average above the truth if it began with exact samples, which only "
        "machines of few hidden units have",
        "neither",
        compared=False,
        **_NATS,
    ),
    Score(
        "bits_per_dim",
        "Bits per dimension",
        "bits that a pixel value costs; of the bound where the likelihood is one",
        "lower",
        LIKELIHOOD,
        "bits",
        steers="bits_dim",
    ),
    Score(
        "nats_per_token",
        "NLL of a token",
        "negative log-likelihood",
        "lower",
        steers="nats_token",
        **_NATS,
    ),
    Score(
        "code_nll_nats",
        "NLL of the codes",
        "of the discrete codes of a test example; with the reconstruction it makes the bound",
        "lower",
        compared=False,
        **_NATS,
    ),
    Score(
        "reconstruction_nats",
        "NLL given the codes",
        "of a test example given its codes",
        "lower",
        compared=False,
        **_NATS,
    ),
    Score(
        "perplexity",
        "Perplexity of the codes",
        "how many codes are in use, as if evenly",
        "neither",
        LIKELIHOOD,
        steers="perplexity",
    ),
)
_CLASSES = (
    Score(
        "accuracy",
        "Accuracy",
        "share of test examples whose class is read right",
        "higher",
        CLASSES,
        share=True,
        steers="accuracy",
    ),
)
# A model that can be inverted gives every example back to the last digit before it has learned anything.
_RECONSTRUCTIONS = {"group": RECONSTRUCTION, "given_by": "invertible"}
_PAIRS = (
    Score(
        "l1",
        "Mean absolute error",
        "between translation and target, on a scale from 0 to 1",
        "lower",
        TRANSLATION,
        share=True,
        steers="l1",
    ),
    Score(
        "psnr",
        "PSNR",
        "of translations against targets",
        "higher",
        TRANSLATION,
        "dB",
        steers="psnr",
    ),
    Score(
        "ssim",
        "SSIM",
        "structural similarity of translation and target",
        "higher",
        TRANSLATION,
        share=True,
        steers="ssim",
    ),
    Score(
        "ms_ssim",
        "MS-SSIM",
        "the same at several scales",
        "higher",
        TRANSLATION,
        share=True,
    ),
    Score(
        "reconstruction_psnr",
        "PSNR of reconstructions",
        "of test examples, encoded and decoded",
        "higher",
        unit="dB",
        steers="rec_psnr",
        **_RECONSTRUCTIONS,
    ),
    Score(
        "reconstruction_ssim",
        "SSIM of reconstructions",
        "structural similarity of example and reconstruction",
        "higher",
        share=True,
        **_RECONSTRUCTIONS,
    ),
    Score(
        "reconstruction_ms_ssim",
        "MS-SSIM of reconstructions",
        "the same at several scales",
        "higher",
        share=True,
        **_RECONSTRUCTIONS,
    ),
)
_DISTANCES = (
    Score(
        "classifier_fid",
        "Classifier FID",
        "Fréchet distance of the features of a classifier; not the Inception FID",
        "lower",
        SAMPLES,
        steers="frechet",
    ),
    Score(
        "classifier_kid",
        "Classifier KID",
        "kernel distance of the features of a classifier, unbiased",
        "lower",
        SAMPLES,
    ),
    Score(
        "classifier_is",
        "Classifier IS",
        "how sure a classifier is of each sample, and how varied its answers; 1 to the number of classes",
        "higher",
        SAMPLES,
    ),
    Score("fid", "FID", "Fréchet distance of Inception features", "lower", SAMPLES, steers="fid"),
    Score("kid", "KID", "kernel distance of Inception features, unbiased", "lower", SAMPLES),
    Score("is", "IS", "Inception score; from 1 to 1,000", "higher", SAMPLES, steers="is"),
    Score(
        "raw_frechet_distance",
        "Fréchet distance",
        "of the data themselves",
        "lower",
        SAMPLES,
        steers="frechet",
    ),
    Score(
        "raw_kernel_distance",
        "Kernel distance",
        "of the data themselves, unbiased",
        "lower",
        SAMPLES,
    ),
    Score(
        "mmd",
        "MMD",
        "maximum mean discrepancy of the data themselves",
        "lower",
        SAMPLES,
        steers="mmd",
    ),
    Score(
        "sliced_wasserstein",
        "Sliced Wasserstein",
        "mean Wasserstein distance along random directions",
        "lower",
        SAMPLES,
        steers="wasserstein",
    ),
)
_SHARES = (
    Score(
        "precision",
        "Precision",
        "share of samples among the real data",
        "higher",
        COVERAGE,
        share=True,
        steers="precision",
    ),
    Score(
        "recall",
        "Recall",
        "share of real data among the samples",
        "higher",
        COVERAGE,
        share=True,
        steers="recall",
    ),
    Score(
        "density",
        "Density",
        "how many real neighbourhoods a sample lies in, against the expected; about 1 for real data",
        "higher",
        COVERAGE,
        share=True,
    ),
    Score(
        "coverage",
        "Coverage",
        "share of real data with a sample in their neighbourhood",
        "higher",
        COVERAGE,
        share=True,
        steers="coverage",
    ),
    Score(
        "authenticity",
        "Authenticity",
        "share of samples that are no near copies of training examples; about that of real data is right",
        "neither",
        COVERAGE,
        share=True,
    ),
    Score(
        "ms_ssim_diversity",
        "MS-SSIM of samples",
        "mean similarity of random pairs of samples; lower is more varied, and noise the lowest",
        "neither",
        COVERAGE,
        share=True,
    ),
    Score(
        "modes",
        "Modes covered",
        "modes of the mixture that samples reach",
        "higher",
        COVERAGE,
        steers="modes",
    ),
    Score(
        "high_quality",
        "High-quality samples",
        "share of samples near a mode of the mixture",
        "higher",
        COVERAGE,
        share=True,
        steers="high_quality",
    ),
)

_OF_TABLES = tuple(
    Score(name, title, meaning, "lower", COLUMNS, share=True, compared=compared, steers=steers)
    for name, title, meaning, compared, steers in (
        (
            "marginal_distance",
            "Marginals",
            "mean distance of a column: Kolmogorov-Smirnov for numbers, total variation for categories",
            True,
            "marginals",
        ),
        (
            "marginal_distance_largest",
            "Marginals, the worst",
            "of the column that is farthest",
            False,
            "",
        ),
        (
            "association_distance",
            "Correlations",
            "mean difference of two columns' association: Pearson, correlation ratio, Cramér's V",
            True,
            "correlations",
        ),
        (
            "association_distance_largest",
            "Correlations, the worst",
            "of the two columns that differ most",
            False,
            "",
        ),
    )
)

# Digits of a metric of DVC: its error says how many are to be believed.
SHOWN = 5
# Below this a score is written with an exponent: that of data of a small scale.
SMALL = 1e-4
# A smaller error of a score that is not small is none.
SMALLEST = 5e-7

#: Every score by its name, in the order of the page.
SCORES: dict[str, Score] = {
    score.name: score
    for score in (*_LIKELIHOODS, *_CLASSES, *_PAIRS, *_OF_TABLES, *_DISTANCES, *_SHARES)
}


def present(metrics: Mapping[str, Any]) -> list[Score]:
    """The scores that a `scores.json` has, in the order of the catalogue."""
    return [score for name, score in SCORES.items() if value_of(metrics, name) is not None]


def value_of(metrics: Mapping[str, Any], name: str) -> float | None:
    """A score as a number; None where it is absent, null or not a finite number."""
    value = metrics.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:  # a whole number of hundreds of digits
        return None


def steering(metrics: Mapping[str, Any], capabilities: Collection[str]) -> dict[str, float]:
    """The few scores that people steer by, as DVC shows them: numbers under short names.

    Args:
        metrics: The content of `scores.json`.
        capabilities: Of the system: what it has by construction is left out.

    Returns:
        First the score by which trainings are compared, then the others in the order of the catalogue.
    """
    primary = (metrics.get("primary") or {}).get("name")
    steered = [
        score.name for score in SCORES.values() if score.steers and score.earned_by(capabilities)
    ]
    names = dict.fromkeys([*([primary] if primary else []), *steered])
    values = {name: value_of(metrics, name) for name in names}
    return {
        _short(name): float(f"{value:.{SHOWN}g}")
        for name, value in values.items()
        if value is not None
    }


def _short(name: str) -> str:
    return (SCORES[name].steers if name in SCORES else "") or name


def error_of(metrics: Mapping[str, Any], name: str) -> float | None:
    """The standard error of a score; None where it has none.

    The negative ELBO has that of the ELBO, whose mirror image it is.
    """
    error = value_of(metrics, f"{name}_stderr")
    if error is None and name == "negative_elbo_nats":
        error = value_of(metrics, "elbo_nats_stderr")
    return error


def parts(
    name: str, value: float, error: float | None = None, most: int | None = None
) -> tuple[str, str | None]:
    """Writes a score and its standard error.

    Of the error one digit is written, or two where it begins with a small one (up to 3.54), and the value to the same
    decimal; without an error four digits of the value, or of a share three decimals.

    Args:
        name: A name in `SCORES`; another one is written as a plain number.
        value: The value.
        error: Its standard error.
        most: Decimals at most: those of what it stands beside. An error of which none is left is not written.

    Returns:
        The value and the error, such as ("21.37", "0.24"); None where there is no error.
    """
    if 0.0 < max(abs(value), error or 0.0) < SMALL:
        texts = (f"{value:.3g}", None if error is None else f"{error:.2g}")
        return tuple(text and text.replace("-", "\N{MINUS SIGN}") for text in texts)
    if error is not None and error >= SMALLEST:
        decimals = _decimals(error, digits=2 if _first_digits(error) < 3.55 else 1)
        if most is not None and decimals > most:
            left = round(error, most) > 0.0
            return _fixed(value, most), _fixed(error, most) if left else None
        return _fixed(value, decimals), _fixed(error, decimals)
    if name == "modes":
        decimals = 0
    elif name in SCORES and SCORES[name].share:
        decimals = 3
    else:
        decimals = _decimals(value, digits=4)
    decimals = decimals if most is None else min(decimals, most)
    return _fixed(value, decimals), None if error is None else "0"


def written(name: str, value: float, error: float | None = None, most: int | None = None) -> str:
    """Writes a score on one line, as `parts` does: for example "21.37 ± 0.24"."""
    text, error_text = parts(name, value, error, most)
    return text if error_text is None else f"{text} ± {error_text}"


def decimals(text: str) -> int:
    """The decimals of a number that `parts` wrote."""
    return len(text.partition(".")[2])


def _first_digits(value: float) -> float:
    return value / 10.0 ** math.floor(math.log10(value))


def _decimals(value: float, digits: int) -> int:
    if value == 0.0:
        return digits - 1
    # More are not read; what they would be needed for is written with an exponent.
    return min(max(digits - 1 - math.floor(math.log10(abs(value))), 0), 6)


def _fixed(value: float, decimals: int) -> str:
    text = f"{value:,.{decimals}f}"
    # A minus sign as wide as a plus; and no minus before a zero.
    if not text.strip("-0.,"):
        text = text.lstrip("-")
    return text.replace("-", "\N{MINUS SIGN}")


def is_better(name: str, value: float, other: float) -> bool:
    """Whether `value` is better than `other`; never where neither way is."""
    better = SCORES[name].better if name in SCORES else "neither"
    return (better == "lower" and value < other) or (better == "higher" and value > other)


def ranks(
    name: str,
    values: Sequence[tuple[float | None, float | None]],
    rivals: Sequence[bool] | None = None,
) -> list[Rank]:
    """Which of several systems is best in one score, and which cannot be told apart from it.

    Args:
        name: The score.
        values: For each system its value and standard error; None where it has none.
        rivals: For each system whether it takes part, as `Score.earned_by` says; by default all do.

    Returns:
        For each system "best", "tied" (within `APART` standard errors of the difference) or "";
        all "" where fewer than two have the score, or neither way is better.
    """
    if rivals is not None:
        values = [
            each if rival else (None, None) for each, rival in zip(values, rivals, strict=True)
        ]
    having = [(value, error) for value, error in values if value is not None]
    better = SCORES[name].better if name in SCORES else "neither"
    if len(having) < 2 or better == "neither":
        return [""] * len(values)
    best, error_of_best = (min if better == "lower" else max)(having, key=lambda each: each[0])

    def rank(value: float | None, error: float | None) -> Rank:
        if value is None:
            return ""
        if value == best:
            return "best"
        apart = APART * math.hypot(error or 0.0, error_of_best or 0.0)
        return "tied" if abs(value - best) <= apart else ""

    return [rank(*each) for each in values]


def measured_with(score: Score, metrics: Mapping[str, Any]) -> tuple:
    """What must be the same for a score of two systems to compare."""
    common = tuple(metrics.get(name) for name in ("data", "data_checksum", "split", "real"))
    if score.group == LIKELIHOOD:
        # Nats of binary images, of grey levels and of real numbers are three different things.
        likelihood = metrics.get("likelihood") or {}
        if likelihood.get("of"):
            facts = ("of", "given", "binarization")
            return (*common, *(likelihood.get(name) for name in facts))
        return (*common, value_of(metrics, "bits_per_dim") is not None)
    if score.group in (SAMPLES, COVERAGE):
        used = metrics.get("extractor") or {}
        return (*common, metrics.get("generated"), used.get("kind"), used.get("sha256"))
    return (*common, metrics.get("generated")) if score.group in (TRANSLATION, COLUMNS) else common


def comparable(score: Score, systems: Sequence[Mapping[str, Any]]) -> bool:
    """Whether all who have a score were measured alike, so that one of them can be the best.

    Args:
        score: The score.
        systems: The `scores.json` of each.
    """
    having = [each for each in systems if value_of(each, score.name) is not None]
    return len({measured_with(score, each) for each in having}) <= 1


#: What is a bound on what its title says where the likelihood is one.
BOUNDED = ("nll_nats", "bits_per_dim", "nats_per_token")
#: What is said of a score that a system has by construction.
BY_CONSTRUCTION = "exact by construction, and so no rival"

#: Why no best value of some scores is marked.
NOT_ALIKE = (
    "there the systems were not measured alike (other examples, other features, or other quantities whose "
    "likelihood it is)"
)
