"""GPT-2 (Radford, Wu, Child, Luan, Amodei & Sutskever 2019, "Language Models are Unsupervised Multitask Learners").

As in the paper and its released model: a transformer decoder with the normalization before each branch and once
more at the end, learned positions, the token embeddings used again for the logits, GELU in its tanh form, initial
weights of standard deviation 0.02, and the projections that end a branch scaled by 1 / sqrt(number of branches).

Differences from the paper: tokens are characters or bytes instead of byte-pair codes; sizes are smaller; position
embeddings start at a standard deviation of 0.02 (0.01 in the released code); dropout is off unless asked for;
weight decay, which the paper does not describe, falls on matrices and embeddings only; samples longer than the context
go on in windows (`gm_keras.decoding.sequences.generate_windows`).
"""

import math
from typing import Annotated, Any

import keras
import numpy as np
from keras import ops
from pydantic import Field

from gm_keras.core import GenerativeModel, Phase
from gm_keras.core.optimizers import OptimizerGroup
from gm_keras.decoding.sequences import generate_windows
from gm_keras.decoding.weights import weights_cast_once
from gm_keras.distributions import categorical
from gm_keras.models.sequence.base import TextMixin, check_vocabulary
from gm_keras.networks.transformer import Transformer
from gm_keras.types import Depth, Flag, Fraction, Mass, NonNegativeFloat, PositiveInt, Width


@keras.saving.register_keras_serializable("gm_keras")
class GPT2(TextMixin, GenerativeModel):
    """Transformer language model of characters or bytes.

    Trained on windows of `context + 1` tokens: each but the first is predicted from those before it.

    Args:
        vocabulary: The distinct characters in the order of their tokens; or "bytes", the 256 byte values.
        context: How many tokens the network sees at most.
        layers: Number of blocks of attention and dense network.
        width: Of the vectors between the blocks.
        heads: Of each attention; must divide the width.
        dropout: Rate, on the embeddings, the attention weights, and the end of each branch.
    """

    offers = frozenset({"sampler", "density"})
    fused_positions = math.inf

    def __init__(
        self,
        vocabulary: Annotated[str, Field(min_length=2)],
        context: Annotated[int, Field(ge=1, le=16_384)] = 64,
        layers: Depth = 4,
        width: Width = 128,
        heads: Width = 4,
        dropout: Fraction = 0.0,
        name: str | None = None,
    ):
        super().__init__(name=name)
        size = check_vocabulary(vocabulary)
        if width % heads:
            raise ValueError(f"heads must divide width, not width={width}, heads={heads}")

        # ---- networks ----
        self.transformer = Transformer(size, context, layers, width, heads, dropout)

        # ---- config ----
        self.vocabulary = vocabulary
        self.context = context
        self.setup()

    def phases(self):
        return [Phase("nll", self._loss, (self.transformer,))]

    def inference_networks(self):
        return {"transformer": self.transformer}

    def compile(self, optimizer="adam", **options):
        """As the base class; weight decay leaves out biases, and the scales of the normalizations."""
        if not isinstance(optimizer, OptimizerGroup):
            optimizer = OptimizerGroup(
                optimizer if isinstance(optimizer, dict) else {"main": optimizer}
            )
        for member in optimizer.members.values():
            if not member.built:
                member.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        super().compile(optimizer, **options)

    def _loss(self, batch, training):
        return -ops.mean(self._token_log_probs(batch["tokens"], training))

    def _token_log_probs(self, tokens, training=False):
        """The log-probability of each token given those before it, the first left out: `(batch, context)`."""
        logits = self.transformer(tokens[:, :-1], training=training)
        return categorical.log_prob(tokens[:, 1:], logits)

    def complete_sampling_options(self, options: dict[str, Any]) -> dict[str, Any]:
        """Fills in the length.

        Raises:
            ValueError: If the prompt is longer, or not of the vocabulary.
        """
        length = self.context + 1 if options["length"] is None else options["length"]
        try:
            given = len(self._prompt_tokens(options["prompt"]))
        except ValueError as error:
            raise ValueError(f"prompt must be of the vocabulary: {error}") from None
        if given > length:
            raise ValueError(f"prompt must have at most {length} tokens (the length), not {given}")
        return {**options, "length": length}

    def sample_batch(
        self,
        n: int,
        random: Any,
        conditions: Any,
        *,
        length: Annotated[int, Field(ge=1, le=1_000_000)] | None = None,
        prompt: Annotated[str, Field(min_length=1)] | None = None,
        temperature: NonNegativeFloat = 1.0,
        top_k: PositiveInt | None = None,
        top_p: Mass | None = None,
        cached: Flag = True,
    ) -> Any:
        """Texts that begin with the prompt.

        Up to the context a token is drawn given all before it; from there on given the last
        `context - context // 2 + 1` to `context` ones, as `generate_windows` says.

        Args:
            n: How many.
            random: A `RandomStream`.
            conditions: None: this model is told nothing.
            length: Number of tokens, the prompt included; by default `context + 1`.
            prompt: A text; by default a newline (the first token where the vocabulary has none).
            temperature: As in `sample_logits`.
            top_k: As in `sample_logits`.
            top_p: As in `sample_logits`.
            cached: Keep the keys and values of the tokens seen; without it the same samples take longer.

        Returns:
            Tokens: int32 `(n, length)`.

        """
        tokens = ops.convert_to_tensor(np.tile(self._prompt_tokens(prompt), (n, 1)))
        options = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
        network, context = self.transformer, self.context
        with weights_cast_once(network):
            return generate_windows(
                network, tokens, length, context, random, cached=cached, **options
            )
