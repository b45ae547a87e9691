"""Sampling one token after the other in one compiled loop.

A network takes part through methods with these names:

* `initial_cache(batch, length)`: what it keeps of the tokens seen, before the first; tensors, nested in tuples;
* `step(tokens, position, cache) -> (logits, cache)`: one token for each sequence, int32 `(batch,)`, at a position
  from 0, and the logits `(batch, vocabulary)` of the next ones;
* `prefill(tokens) -> cache`, for windows alone: the cache after all of `(batch, context)` tokens;
* `resized(cache, length) -> cache`, for windows alone: with room for the first `length` positions, and what it holds of them.
"""

from collections.abc import Callable
from typing import Any

from keras import ops

from gm_keras import backend
from gm_keras.decoding.sampling import check_sampling, sample_logits
from gm_keras.ops.random import RandomStream

# A step costs as much as its cache has room. Room grows so many times on the way to the context, as each size is
# a loop to compile, and by no less than so many positions, as for fewer the rest of a step costs more.
_SIZES, _LEAST_ROOM = 4, 64


def generate(network: Any, prompt: Any, length: int, random: RandomStream, **sampling: Any) -> Any:
    """Continues prompts with a network that remembers all that its cache was made for.

    Args:
        network: See the module's text.
        prompt: int32 `(batch, at least 1)`.
        length: Of the result, the prompt included.
        random: Token number t is drawn with `random.at(t)`.
        **sampling: Those of `sample_logits`.

    Returns:
        int32 `(batch, length)`.
    """
    known = _check(prompt, length, sampling)
    tokens = _padded(prompt, length)

    def body(position, state):
        tokens, cache = state
        logits, cache = network.step(_column(tokens, position), position, cache)
        drawn = sample_logits(logits, random.at(position + 1), **sampling)
        given = _column(tokens, position + 1)
        return _with_column(
            tokens, position + 1, ops.where(position + 1 < known, given, drawn)
        ), cache

    cache = network.initial_cache(prompt.shape[0], length)
    return backend.fused(lambda: ops.fori_loop(0, length - 1, body, (tokens, cache))[0])()


def generate_windows(
    network: Any,
    prompt: Any,
    length: int,
    context: int,
    random: RandomStream,
    *,
    cached: bool = True,
    **sampling: Any,
) -> Any:
    """Continues prompts with a network whose positions end at `context`.

    Up to there a token is drawn given all before it. Where the window is full, its older half is dropped
    and the rest moves to the front, so that from then on a token is drawn given the last
    `context - context // 2 + 1` to `context` ones. With positions counted from the start of the window nothing
    computed for the old window holds in the new one: one call (`prefill`) computes it anew.

    Args:
        network: See the module's text; where `cached` is False, a call from int32 `(batch, context)` to logits.
        prompt: int32 `(batch, at least 1)`.
        length: Of the result, the prompt included.
        context: Of the network.
        random: Token number t is drawn with `random.at(t)`.
        cached: Without it, each token takes a call of the network on its whole window: the same tokens, slower.
        **sampling: Those of `sample_logits`.

    Returns:
        int32 `(batch, length)`.
    """
    known = _check(prompt, length, sampling)
    batch, stride = prompt.shape[0], max(context // 2, 1)
    first, last = (max(0, -(-(token - context) // stride)) for token in (known, length - 1))
    tokens = _padded(prompt, max(length, last * stride + context + 1))
    # Where a window goes on and ends; of several in one loop, where all but the first go on: none may be cut shorter.
    earliest, furthest = max(known - 1 - first * stride, 0), length - 1 - last * stride
    if last > first:
        earliest, furthest = max(earliest, context - stride), context
    rooms = [room for room in _rooms(context) if room > earliest]
    rooms = [room for at, room in enumerate(rooms) if at == 0 or rooms[at - 1] < furthest]

    def window(start, tokens):
        return ops.slice(tokens, (0, start), (batch, context))

    def call(start, tokens, position, cache):
        logits = network(window(start, tokens), training=False)
        return ops.squeeze(
            ops.slice(logits, (0, position, 0), (batch, 1, logits.shape[2])), 1
        ), cache

    def step(start, tokens, position, cache):
        return network.step(_column(tokens, start + position), position, cache)

    next_logits: Callable = step if cached else call

    def fill(number, tokens):
        start = number * stride
        begin = ops.maximum(known - 1 - start, ops.where(number > 0, context - stride, 0))
        end = ops.minimum(context, length - 1 - start)

        def body(position, state):
            tokens, cache = state
            logits, cache = next_logits(start, tokens, position, cache)
            place = start + position + 1
            drawn = sample_logits(logits, random.at(place), **sampling)
            return _with_column(tokens, place, drawn), cache

        if not cached:
            return ops.fori_loop(begin, end, body, (tokens, ()))[0]
        if last == 0 and known == 1:
            cache = network.initial_cache(batch, rooms[0])
        else:
            cache = network.prefill(window(start, tokens))
        for room in rooms:
            cache = network.resized(cache, room)
            stop = ops.minimum(end, room)
            tokens, cache = ops.fori_loop(begin, stop, body, (tokens, cache))
            begin = ops.maximum(begin, stop)
        return tokens

    def run():
        if first == last:
            return fill(first, tokens)
        return ops.fori_loop(first, last + 1, fill, tokens)

    return backend.fused(run)()[:, :length]


def _check(prompt, length, sampling) -> int:
    check_sampling(**sampling)
    known = prompt.shape[1]
    if not 1 <= known <= length:
        raise ValueError(
            f"the prompt must have from 1 to {length} tokens (the length to generate), not {known}"
        )
    return known


def _rooms(context) -> list[int]:
    """The sizes of the cache on the way to the context."""
    sizes = max(1, min(_SIZES, context // _LEAST_ROOM))
    return [-(-context * (number + 1) // sizes) for number in range(sizes)]


def _padded(prompt, length):
    return ops.pad(ops.cast(prompt, "int32"), ((0, 0), (0, length - prompt.shape[1])))


def _column(tokens, index):
    return ops.squeeze(ops.slice(tokens, (0, index), (tokens.shape[0], 1)), 1)


def _with_column(tokens, index, column):
    return ops.slice_update(tokens, (0, index), ops.expand_dims(column, 1))
