"""What the tests of layers share: built pairs of a Bayesian layer and its Keras namesake."""

import numpy as np
import tensorflow as tf

import bnn
from bnn.posteriors import MeanFieldNormal


def families(layer_class, posterior):
    """The posterior for every site of a class of layers."""
    names = getattr(layer_class, "family_sites", None) or layer_class.site_initializers
    return {f"{name}_posterior": posterior for name in names}


def bayesian(descriptor, scale=0.3, **arguments):
    """The built Bayesian layer, in a recurrent layer where it is a cell."""
    kind = getattr(bnn.layers, descriptor.layer)
    arguments = {**families(kind, MeanFieldNormal(scale)), **arguments}
    layer = descriptor.wrapped(descriptor.bayesian(**arguments))
    descriptor.apply(layer, descriptor.inputs())
    return layer


def namesake(descriptor, layer, weights):
    """The Keras layer with these weights, and the state of the Bayesian one."""
    plain = descriptor.wrapped(descriptor.namesake())
    descriptor.apply(plain, descriptor.inputs())
    for variable, value in zip(plain.trainable_variables, weights, strict=True):
        variable.assign(value)
    copy_state(plain, layer)
    return plain


def assert_same(got, expected):
    for one, other in zip(tf.nest.flatten(got), tf.nest.flatten(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


def drawn_weights(layer, draw):
    """The weights of a draw in the order of the namesake's."""
    return [draw.weights[site] for site in bnn.sites(layer).values()]


def copy_into(plain, layer, draw):
    """Gives a Keras model the weights of a draw, and the state of the Bayesian one."""
    for variable, value in zip(plain.trainable_variables, drawn_weights(layer, draw), strict=True):
        variable.assign(value)
    copy_state(plain, layer)


def copy_state(plain, layer):
    """Gives a Keras model the moving averages and states of the Bayesian one, but for its seeds."""
    state = zip(plain.non_trainable_variables, layer.non_trainable_variables, strict=True)
    for variable, value in state:
        if variable.dtype.startswith("float"):
            variable.assign(value)
