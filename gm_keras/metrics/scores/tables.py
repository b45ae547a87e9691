"""How near the columns of sampled rows are to those of real ones."""

from gm_keras.metrics.evaluation import Evaluation
from gm_keras.metrics.registry import score
from gm_keras.metrics.tables import Rows, association_distance, marginal_distance


def rows_of(evaluation: Evaluation) -> tuple[Rows, Rows]:
    """The real rows and the sampled ones, by column: the values that the features stand for."""
    table = evaluation.data.columns
    return table.decode(evaluation.real[0]), table.decode(evaluation.samples)


@score(subject="samples", fields={"features"})
def columns(evaluation: Evaluation) -> dict[str, float]:
    """Of a table: the distances of the columns, each by itself and two by two."""
    table = evaluation.data.columns
    if table is None:
        return {}
    real, made = rows_of(evaluation)
    results = evaluation.attempt(
        ("marginal_distance", "marginal_distance_largest"),
        lambda: marginal_distance(table, real, made),
    )
    if len(table.modelled) > 1:
        results |= evaluation.attempt(
            ("association_distance", "association_distance_largest"),
            lambda: association_distance(table, real, made),
        )
    return results
