"""Random numbers: one counter-based generator, the same bits on every backend and under every transform.

Every function takes ``key=``: a key (from :func:`key`, :func:`split` or :func:`fold_in`), whose numbers are a function
of the key alone, or a :class:`Generator`, which gives a fresh key to each call. Without one the default generator
does; :func:`seed` starts it again.

>>> import gpugrad as gg
>>> k = gg.random.key(0)
>>> bool((gg.random.normal((3,), key=k) == gg.random.normal((3,), key=k)).all())
True
>>> gg.random.seed(0)
>>> x = gg.random.normal((3,))
>>> gg.random.seed(0)
>>> bool((gg.random.normal((3,)) == x).all())
True

Sizes come first where everything else has a default, as in ``normal(shape, loc, scale)``; ``shape`` may be left out:
it is then what the parameters broadcast to. Samples are differentiable in tensor parameters, by reparametrisation.
Under ``vmap`` a key that is mapped over gives each item numbers of its own, and any other key gives all items the same.
"""

from gpugrad.random.continuous import bits as bits
from gpugrad.random.continuous import cauchy as cauchy
from gpugrad.random.continuous import exponential as exponential
from gpugrad.random.continuous import gumbel as gumbel
from gpugrad.random.continuous import laplace as laplace
from gpugrad.random.continuous import logistic as logistic
from gpugrad.random.continuous import normal as normal
from gpugrad.random.continuous import truncated_normal as truncated_normal
from gpugrad.random.continuous import uniform as uniform
from gpugrad.random.discrete import bernoulli as bernoulli
from gpugrad.random.discrete import categorical as categorical
from gpugrad.random.discrete import dropout as dropout
from gpugrad.random.discrete import randint as randint
from gpugrad.random.generator import Generator as Generator
from gpugrad.random.generator import default_generator as default_generator
from gpugrad.random.generator import seed as seed
from gpugrad.random.keys import fold_in as fold_in
from gpugrad.random.keys import key as key
from gpugrad.random.keys import split as split
from gpugrad.random.orders import choice as choice
from gpugrad.random.orders import permutation as permutation
from gpugrad.random.orders import shuffle as shuffle

__all__ = [
    "Generator", "bernoulli", "bits", "categorical", "cauchy", "choice", "default_generator", "dropout", "exponential",
    "fold_in", "gumbel", "key", "laplace", "logistic", "normal", "permutation", "randint", "seed", "shuffle", "split",
    "truncated_normal", "uniform",
]  # fmt: skip
