"""Layers that would go wrong silently in a run, or on several replicas."""

from __future__ import annotations

import keras

from bnn.compat import all_layers


def check_layers(model: keras.layers.Layer, num_replicas: int, masks_dropout: bool = False) -> None:
    """Raises ValueError for a model that several replicas cannot train as one device would.

    Stateful recurrent layers are refused everywhere: the examples of a step do not follow on those
    of the step before, and Keras does not count the state among the variables that are saved.
    Keras's BatchNormalization takes its statistics over a replica's share of the batch, and its
    moving averages drift apart. Layers with a Keras `SeedGenerator` (Dropout and the other layers
    of random noise) draw identical masks on all replicas: their generators are copies of one. With
    `masks_dropout` the method draws those of Dropout and its subclasses by itself.
    """
    for layer in all_layers(model):
        if isinstance(layer, keras.layers.RNN) and layer.stateful:
            raise ValueError(
                f"layer {layer.name!r} must not be stateful: a run's examples come in random "
                "order, so that its state would be that of other sequences; use stateful=False."
            )
    if num_replicas == 1:
        return
    for layer in all_layers(model):
        kind = type(layer).__name__
        if isinstance(layer, keras.layers.BatchNormalization):
            raise ValueError(
                f"layer {layer.name!r} ({kind}) cannot be trained on {num_replicas} replicas: its "
                "statistics would be those of each replica's share of the batch. Use "
                "LayerNormalization or GroupNormalization, or run.strategy = @OneDevice()."
            )
        if masks_dropout and isinstance(layer, keras.layers.Dropout):
            continue
        if any(isinstance(part, keras.random.SeedGenerator) for part in vars(layer).values()):
            raise ValueError(
                f"layer {layer.name!r} ({kind}) cannot be trained on {num_replicas} replicas: its "
                "random masks would be the same on all of them. Use random weights in its place, "
                "the method MCDropout() for dropout, or run.strategy = @OneDevice()."
            )
