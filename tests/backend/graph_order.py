"""Finds reads and updates of a variable that TensorFlow's executed graphs leave in any order.

Run as a program it examines steps of the named systems, by default of all, in every stage:
`KERAS_BACKEND=tensorflow python -m tests.backend.graph_order [SYSTEM...]`.
"""

import collections
import functools
import itertools
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import tensorflow as tf

_READS = {"ReadVariableOp", "ResourceGather", "VariableShape", "While", "StatelessWhile"}
# What hands a variable on without touching it.
_PASSES = {"Identity", "Enter", "Exit", "Switch", "Merge", "NextIteration"}


def executed_graphs(function: Callable[[], object]) -> list[tf.compat.v1.GraphDef]:
    """Calls a function; the graphs, as they were run, of the compiled functions in it."""
    with tempfile.TemporaryDirectory() as folder:
        writer = tf.summary.create_file_writer(folder)
        tf.summary.trace_on(graph=True, profiler=False)
        function()
        with writer.as_default():
            tf.summary.trace_export("trace", step=0)
        writer.close()
        metadata = tf.compat.v1.RunMetadata()
        for record in tf.data.TFRecordDataset(list(map(str, Path(folder).iterdir()))):
            for value in tf.compat.v1.Event.FromString(record.numpy()).summary.value:
                metadata.MergeFromString(value.tensor.string_val[0])
    return [graph for each in metadata.function_graphs for graph in each.partition_graphs]


def unordered(graph: tf.compat.v1.GraphDef) -> list[tuple[str, str]]:
    """The pairs of operations on one variable, not both reads, of which neither waits for the other."""
    nodes = {node.name: node for node in graph.node}
    inputs = {name: [_source(each) for each in node.input] for name, node in nodes.items()}
    # Operations of one loop are compared within a turn.
    turn = {
        name: [] if nodes[name].op == "NextIteration" else each for name, each in inputs.items()
    }
    loops = _loops(nodes, turn)
    before = _ancestors(turn)
    # The end of a loop waits for the last turn.
    whole = {name: list(each) for name, each in turn.items()}
    for name, node in nodes.items():
        if node.op == "Exit":
            for each in before[name]:
                if nodes[each].op == "NextIteration" and loops[each] == loops[inputs[name][0]]:
                    whole[name] += inputs[each]
    before_whole = _ancestors(whole)

    accesses = collections.defaultdict(set)
    for name, node in nodes.items():
        if node.op not in _PASSES:
            for each in node.input:
                if not each.startswith("^"):
                    for variable in _variables(nodes, _source(each)):
                        accesses[variable].add(name)
    found = []
    for names in accesses.values():
        for one, other in itertools.combinations(sorted(names), 2):
            if {nodes[one].op, nodes[other].op} <= _READS:
                continue
            known = before if loops[one] == loops[other] else before_whole
            if one not in known[other] and other not in known[one]:
                found.append((one, other))
    return found


def _source(name: str) -> str:
    return name.removeprefix("^").partition(":")[0]


def _sorted(inputs: dict[str, list[str]]) -> Iterable[str]:
    done, stack = set(), list(inputs)
    while stack:
        name = stack[-1]
        waits = [each for each in inputs[name] if each not in done] if name not in done else []
        if waits:
            stack += waits
            continue
        stack.pop()
        if name not in done:
            done.add(name)
            yield name


def _ancestors(inputs: dict[str, list[str]]) -> dict[str, set[str]]:
    result = {}
    for name in _sorted(inputs):
        result[name] = set(inputs[name]).union(*(result[each] for each in inputs[name]))
    return result


def _loops(nodes: dict, turn: dict[str, list[str]]) -> dict[str, tuple]:
    """The loops around each operation, from the outermost."""
    result = {}
    for name in _sorted(turn):
        around = max((result[each] for each in turn[name]), key=len, default=())
        if nodes[name].op == "Enter":
            around = (*around, nodes[name].attr["frame_name"].s)
        elif nodes[name].op == "Exit":
            around = around[:-1]
        result[name] = around
    for name, node in nodes.items():
        if node.op == "NextIteration":
            result[name] = result[_source(node.input[0])]
    return result


def _variables(nodes: dict, name: str) -> set[str]:
    """The arguments that are variables of which an operation's output is one."""
    result, stack, seen = set(), [name], set()
    while stack:
        name = stack.pop()
        node = nodes[name]
        if node.op == "VarHandleOp" or (
            node.op == "_Arg" and node.attr["T"].type == tf.resource.as_datatype_enum
        ):
            result.add(name)
        elif node.op in _PASSES and name not in seen:
            seen.add(name)
            data = [_source(each) for each in node.input if not each.startswith("^")]
            stack += data if node.op == "Merge" else data[:1]
    return result


def main(*names: str) -> int:
    """Examines training and test steps, alone and in loops; returns the number of pairs without an order."""
    from gm_keras import registry
    from tests.systems import batch, build

    total = 0
    for name in names or registry.names():
        model = build(name)
        for stage in model.stages:
            model.enter_stage(stage)
            model.steps_per_execution = 2
            data = batch(model)
            options = {"batch_size": len(next(iter(data.values()))), "verbose": 0}
            for run, arguments in (
                (model.train_on_batch, {}),
                (model.fit, options),
                (model.test_on_batch, {}),
                (model.evaluate, options),
            ):
                model.train_function = model.test_function = None
                graphs = executed_graphs(functools.partial(run, data, **arguments))
                pairs = [pair for graph in graphs for pair in unordered(graph)]
                total += len(pairs)
                print(name, stage, run.__name__, f"{len(graphs)} graphs:", pairs or "ordered")
    return total


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) > 0)
