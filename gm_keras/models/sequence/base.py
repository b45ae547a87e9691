"""What models of text share: characters or bytes as tokens, and likelihoods of windows of them."""

from typing import Any

import numpy as np
from keras import ops

from gm_keras.core import DensityMixin
from gm_keras.core.arguments import checked
from gm_keras.types import PositiveInt

BYTES = "bytes"


class TextMixin(DensityMixin):
    """For models with `vocabulary`, `context`, the field "tokens" and a method `_token_log_probs(tokens)`.

    Their likelihoods are those of the tokens of a window given its first one.
    """

    vocabulary: str
    context: int

    @property
    def data_shape(self) -> tuple[int, ...]:
        return (self.context + 1,)

    @property
    def data_field(self) -> str:
        return "tokens"

    @property
    def vocabulary_size(self) -> int:
        """The number of different tokens."""
        return check_vocabulary(self.vocabulary)

    @property
    def nats_of(self) -> str:
        """What the likelihoods are of."""
        return "discrete"

    @property
    def predicted_tokens(self) -> int:
        """How many tokens of an example `log_prob` is the sum over: all but the first."""
        return self.context

    def _log_prob(self, x, random, conditions):
        return ops.sum(self._token_log_probs(x), axis=-1)

    @checked
    def nats_per_token(self, x: Any, batch_size: PositiveInt = 256) -> float:
        """The mean negative log-probability of a predicted token, in nats.

        Args:
            x: Tokens, integers `(batch, context + 1)`.
            batch_size: How many windows at a time.
        """
        parts = [
            ops.convert_to_numpy(self.log_prob(x[start : start + batch_size]))
            for start in range(0, len(x), batch_size)
        ]
        return -float(np.concatenate(parts).mean()) / self.predicted_tokens

    @checked
    def encode_text(self, text: str) -> np.ndarray:
        """The tokens of a text: int32 `(length,)`.

        Raises:
            ValueError: If a character is not in the vocabulary.
        """
        if self.vocabulary == BYTES:
            return np.frombuffer(text.encode("utf-8"), "uint8").astype("int32")
        numbers = {character: number for number, character in enumerate(self.vocabulary)}
        for place, character in enumerate(text):
            if character not in numbers:
                raise ValueError(
                    f"the character {character!r} (at position {place}) is not in the vocabulary: "
                    f"{self.vocabulary!r}"
                )
        return np.array([numbers[character] for character in text], "int32")

    def decode_text(self, tokens: Any) -> str:
        """The text of tokens `(length,)`; bytes that are no UTF-8 become replacement characters.

        Raises:
            ValueError: If `tokens` is not one sequence of tokens of the vocabulary.
        """
        tokens = np.asarray(tokens)
        size = self.vocabulary_size
        if tokens.ndim != 1 or (tokens.size and tokens.dtype.kind not in "iu"):
            raise ValueError(
                f"expected integers (length,), got {tokens.dtype} {tuple(tokens.shape)}"
            )
        if tokens.size and not 0 <= tokens.min() <= tokens.max() < size:
            raise ValueError(
                f"tokens must be from 0 to {size - 1}, not {tokens.min()} to {tokens.max()}"
            )
        if self.vocabulary == BYTES:
            return bytes(tokens.astype("uint8")).decode("utf-8", errors="replace")
        return "".join(self.vocabulary[token] for token in tokens)

    def _prompt_tokens(self, prompt: str | None) -> np.ndarray:
        """The tokens that a sample begins with: of the prompt, or one newline, or else token 0."""
        if prompt is None:
            newline = self.vocabulary == BYTES or "\n" in self.vocabulary
            return self.encode_text("\n") if newline else np.zeros(1, "int32")
        return self.encode_text(prompt)


def check_vocabulary(vocabulary: str) -> int:
    """Returns the number of different tokens.

    Args:
        vocabulary: The distinct characters in the order of their tokens; or "bytes", 256 values.

    Raises:
        ValueError: If there are fewer than two characters, or one twice.
    """
    if vocabulary == BYTES:
        return 256
    if not isinstance(vocabulary, str) or len(vocabulary) < 2:
        raise ValueError(
            f'vocabulary must be at least two characters, or "{BYTES}", not {vocabulary!r}'
        )
    if len(set(vocabulary)) < len(vocabulary):
        twice = next(each for each in vocabulary if vocabulary.count(each) > 1)
        raise ValueError(f"vocabulary has the character {twice!r} twice")
    return len(vocabulary)
