"""What a failed row of `check_estimator` or `check_method` means, and where to look.

One sentence a row. A name that ends in "…" stands for all rows that go on from there with the name
of a site, a variable, a scale or a mode.
"""

from __future__ import annotations

_STRUCTURE = {
    "layer is the sum of its sites": (
        "Outside of a draw the layer is not Σ op(x, E[w]) over its sites: look in its call for a "
        "weight, a scale or a map that belongs to no site. A layer that is no such sum by design "
        "is compared with its own equation instead: the other rows are not for it."
    ),
    "operator linear in the weights, …": (
        "op(x, w) is not J w: look in the operator's call for a bias, a scale or a map that bends."
    ),
    "operator variance, …": (
        "variance(x, v) is not Var[op(x, w)] of independent weights of variance v: hold it against "
        "the call, whose factors it squares, with the same strides and padding."
    ),
    "posterior mean, …": (
        "posterior.mean is not the mean of posterior.distribution(): one of them has another "
        "parameter or another transformation of it."
    ),
    "posterior symmetry, …": (
        "The density differs on the two sides of the mean, and estimators that flip signs rest on "
        "its symmetry: declare symmetric = False, or mend log_prob."
    ),
}
_MOMENTS = {
    "output mean": (
        "The mean of the sampled outputs is not op(x, E[w]): look in the posterior's sample and "
        "local form, and in the estimator, for what shifts a weight or is left out."
    ),
    "output variance": (
        "Outputs vary otherwise than the posterior says (statistic 1: twice the variance, −1: "
        "none): look for σ in place of σ², and for noise that is left out or added twice."
    ),
    "covariance across channels": (
        "Channels of an example do not vary together as declared: look for noise that is shared or "
        "redrawn along the channel axis."
    ),
    "covariance across positions": (
        "Positions of an example do not vary together as couples_positions declares: look for "
        "noise that is drawn once in place of by position, or the other way round."
    ),
    "covariance across examples": (
        "Examples do not vary together as couples_examples declares: look for noise that is drawn "
        "once in place of by example, or the other way round."
    ),
    "output law": (
        "The outputs of normal weights are not normal, whatever mean and variance are: look for "
        "noise that is uniform, cut off, of one sign, or multiplied with itself."
    ),
    "importance weights average to 1": (
        "E[q / r] is not 1: the draw's log_weight is not log q(w) − log r(w) of the weights that "
        "were drawn; look at both densities, and at which is sampled."
    ),
    "steps uncorrelated": (
        "Two steps share noise: look for a sample that is kept, or for noise that does not take "
        "its step from the Noise it is given."
    ),
    "same numbers one by one and in bulk": (
        "A draw alone has other noise than the same draw among many: look for numbers from "
        "elsewhere than the given Noise, such as tf.random."
    ),
}
_GRADIENTS = {
    "loss": (
        "The mean loss is not E[NLL] + KL / N: see the rows on KL and value; where they pass, the "
        "objective weights samples or examples wrongly, or the estimator errs by noise.sample: the "
        "rows on outputs see the first sample alone."
    ),
    "gradient …": (
        "The mean gradient in this variable is not the bound's, so training goes astray: look for "
        "a stop_gradient, a missing or doubled score term, or a baseline that knows its sample."
    ),
    "chain rule …": (
        "The loss' derivative by differences is not the one by automatic differentiation: look for "
        "a gradient that is cut in posterior.mean or variance (NumPy, a kept value, "
        "stop_gradient)."
    ),
    "value unchanged by the score term": (
        "The score term changes nll, whose value has to stay: its value is 0 where log q − "
        "stop_gradient(log q) stands in place of log q."
    ),
    "loss = nll + KL / num_train": (
        "In single draws the loss is not nll + KL / N + penalties: look in the objective for a KL "
        "that is left out, added twice, or divided by something else than N."
    ),
    "KL of the objective": (
        "terms.kl is not the KL of all sites, in nats: look in the objective for a site that is "
        "left out or counted twice, and for a factor."
    ),
    "KL …": (
        "The KL that the ledger counts is not KL(q ‖ p) of this site: look at the closed form "
        "registered for the pair of families, and at log_prob of posterior and prior."
    ),
    "KL noise independent of the outputs": (
        "The Monte-Carlo KL moves with the outputs: its samples are those of the weights; they "
        "need noise of a purpose of their own."
    ),
    "baseline independent of its own sample, …": (
        "A baseline that follows its own sample biases the score-function gradient: leave sample s "
        "out of bₛ, or take earlier steps alone."
    ),
}
_LIMITS = {
    "finite for a row of zeros": (
        "One example of zeros gives NaN or infinity: look for a division by, or a root of, what "
        "vanishes with the inputs; the derivative of √v is infinite at 0."
    ),
    "finite for inputs of zeros": (
        "Inputs of zeros give NaN or infinity: look for a division by, or a root of, what vanishes "
        "with the inputs; the derivative of √v is infinite at 0."
    ),
    "scale → 0 equals Mean": (
        "As the scale vanishes, outputs do not become those of the mean: look for noise that is "
        "not multiplied by the scale, or declare vanishing = False."
    ),
    "finite at scale …": (
        "A scale this small or large gives NaN or infinity: look for an exp, a log or a division "
        "of the scale that leaves float32."
    ),
}
_DRAWS = {
    "a draw repeats its weights": (
        "Two calls in one draw used other weights, so that no function was drawn: take them from "
        "the draw, or refuse the second call where there are none to keep."
    ),
    "a draw replays": (
        "The same coordinates gave other outputs: something random comes from elsewhere than the "
        "given Noise, or a state is kept between draws."
    ),
    "parts of a batch get the noise of the whole": (
        "Half a batch got other noise than it has in the whole: draw by example through the Noise, "
        "which knows the offset, and not by the batch's shape."
    ),
    "noise depends on the coordinates": (
        "Another seed, step, sample or replica, see the note, gave the same outputs: look for a "
        "Noise that is made anew without it."
    ),
    "same numbers eagerly and in …": (
        "Compiled outputs, losses or gradients differ from eager ones: look for Python's or "
        "NumPy's values in the traced code, and for tf.random."
    ),
    "one trace for a fixed shape": (
        "Another seed or step traced the function anew: look for a Python number where a tensor is "
        "given."
    ),
}
_LEDGER = {
    "KL invariant to batch size and retracing": (
        "The KL changes with the batch: look for a sum or mean over examples in it; it is divided "
        "once, by the number of training examples."
    ),
    "KL the same in a graph and eagerly": (
        "The compiled KL is another: look for a value that is fixed when the graph is traced."
    ),
    "ledger replays": (
        "The ledger gives another KL at the same coordinates: something random in the KL comes "
        "from elsewhere than the given Noise."
    ),
    "KL invariant to the number of samples": (
        "The KL changes with S: look for a KL that is added once a sample."
    ),
}
_METHOD = {
    "describe": (
        "describe() is no JSON with the method's name, so that a run cannot say what it was: "
        "return a dict of numbers and texts with method = the class' name."
    ),
    "variables": (
        "variables are made anew at each call, or belong to model, likelihood or optimizer, too: "
        "create them once in build, and list the method's own alone."
    ),
    "number of functions": (
        "functions(S) gave none, or more than were asked for: look how many weights it keeps, and "
        "at the part of them it returns."
    ),
    "functions repeat": (
        "The same seed gave other functions: look for something random that is no function of the "
        "seed."
    ),
    "predict": (
        "predict is not finite, or has not the shape [S, B, …] of the model's outputs: look at its "
        "axes, and at what it does before training."
    ),
    "finite loss": (
        "A step's loss was NaN or infinite: lower the step size, then look for a log or a division "
        "that leaves float32."
    ),
    "finite metrics": (
        "A metric of a step was NaN or infinite although it is no loss: look at its first value, "
        "before there is anything to average."
    ),
    "names of metrics": (
        "Compiled steps name other metrics than eager ones, or averaged names one that no step "
        "gives: return the same names at every step."
    ),
    "example weights": (
        "The loss does not change with the weights of the examples, so that weighted data are "
        "fitted as if they had none: pass weights=batch.weights to the objective."
    ),
    "KL once, over N": (
        "loss is not nll + KL / N: look for a KL that is left out, added once a batch, or divided "
        "by the batch's size."
    ),
    "KL in nats": (
        "The metric kl is not the ledger's: report it whole and in nats, not divided by N and not "
        "times the KL's weight."
    ),
    "restored state": (
        "A checkpoint does not bring back all that a step changes: list it in variables, or keep "
        "it in the archive."
    ),
    "restored functions": (
        "With restored variables the functions are others: they depend on something that is "
        "neither in variables nor in the archive."
    ),
    "continued to the same bits": (
        "Training on from a checkpoint ends elsewhere: look for a counter, a buffer or noise that "
        "is no function of the step."
    ),
    "continued functions": (
        "After going on from a checkpoint the functions are others: they depend on something that "
        "is neither in variables nor in the archive."
    ),
    "one function": (
        "A method whose law is a point gave different functions: look for noise in functions, or "
        "name the law that it has as documented."
    ),
    "posterior mode": (
        "The point reached is not the mode of likelihood and prior: train longer, then look for a "
        "prior counted by batch, and for −ln p(w) not divided by N."
    ),
    "functions differ": (
        "All functions are the same, though the law has a spread: look for a sample that is kept "
        "once, or a step whose noise is left out."
    ),
    "posterior mean": (
        "The functions' mean is not the law's: train longer, then look for a likelihood or prior "
        "counted more or less than once; see exact_posterior and documented."
    ),
    "posterior covariance": (
        "The functions' spread is not the law's: look for noise of the wrong size, a likelihood "
        "counted by batch, and too few steps; a method with a bias of its own documents it."
    ),
}
WORDS = _STRUCTURE | _MOMENTS | _GRADIENTS | _LIMITS | _DRAWS | _LEDGER | _METHOD


def in_words(name: str) -> str:
    """What it means that the row of this name failed, and where to look; "" for unknown rows.

    Args:
      name: of the row.
    """
    if name in WORDS:
        return WORDS[name]
    stems = [stem for stem in WORDS if stem.endswith("…") and name.startswith(stem[:-1])]
    return WORDS[max(stems, key=len)] if stems else ""
