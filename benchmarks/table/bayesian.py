"""KerasTuner's BayesianOptimization with the same numbers in a fraction of the time.

KerasTuner asks its Gaussian process for one point at a time, some 10,000 times a trial, and scikit-learn checks and
converts every one: at 162 trials that is nine tenths of a prediction's time. At 486 trials the fits come first, each of
some hundred likelihoods, for which scikit-learn finds the distances anew and inverts a matrix by solving for all its
columns.
"""

import math
from typing import Any, Self

import keras_tuner
import numpy as np
import numpy.typing as npt
from scipy.linalg.lapack import dpotrf, dpotri, dpotrs, dtrtrs
from scipy.spatial.distance import cdist
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Matern

Array = npt.NDArray[np.float64]


def matern(distances: Array) -> Array:
    """Returns Matérn's kernel with ν = 2.5 of distances in units of the length scale, times √5."""
    return (1 + distances + distances**2 / 3) * np.exp(-distances)


def matern_gradient(distances: Array) -> Array:
    """Returns its derivative by the logarithm of the length scale."""
    return distances**2 / 3 * (1 + distances) * np.exp(-distances)


class QuickGaussianProcess(GaussianProcessRegressor):
    """A Gaussian process of KerasTuner's kernel, for the ways in which KerasTuner calls it."""

    def fit(self, X: Array, y: Array) -> Self:  # noqa: N803 - the name is scikit-learn's
        self._distances = math.sqrt(5) * cdist(X, X)
        super().fit(X, y)
        self._scaled = self.X_train_ / self.kernel_.length_scale
        self._lower = np.asfortranarray(self.L_)
        return self

    def log_marginal_likelihood(
        self, theta: Array | None = None, eval_gradient: bool = False, clone_kernel: bool = True
    ) -> Any:
        if theta is None or not eval_gradient:
            return super().log_marginal_likelihood(theta, eval_gradient, clone_kernel)
        self.kernel_.theta = theta
        distances = self._distances / self.kernel_.length_scale
        lower, failed = dpotrf(matern(distances) + self.alpha * np.eye(len(distances)), lower=1)
        if failed:
            return -np.inf, np.zeros(1)
        weights, _ = dpotrs(lower, self.y_train_, lower=1)
        fit = -0.5 * self.y_train_ @ weights
        value = fit - np.log(np.diag(lower)).sum() - len(distances) / 2 * math.log(2 * math.pi)
        change = matern_gradient(distances)
        inverse, _ = dpotri(lower, lower=1)  # one triangle, the other is zero; so is the diagonal of the change
        return value, np.array([0.5 * weights @ change @ weights - np.vdot(inverse, change)])

    def predict(self, X: Array, return_std: bool = False, return_cov: bool = False) -> Any:  # noqa: N803
        if not return_std or not hasattr(self, "_scaled"):
            return super().predict(X, return_std, return_cov)
        kernel = matern(math.sqrt(5) * cdist(X / self.kernel_.length_scale, self._scaled))
        mean = self._y_train_std * (kernel @ self.alpha_) + self._y_train_mean
        explained, _ = dtrtrs(self._lower, kernel.T, lower=1)
        variance = np.maximum(1 - np.einsum("ij,ji->i", explained.T, explained), 0)
        return mean, np.sqrt(variance * self._y_train_std**2)


class BayesianOptimizationOracle(keras_tuner.oracles.BayesianOptimizationOracle):
    """KerasTuner's oracle with that Gaussian process; all else is KerasTuner's."""

    def _make_gpr(self) -> QuickGaussianProcess:
        theirs = super()._make_gpr()
        if not isinstance(theirs.kernel, Matern) or theirs.kernel.nu != 2.5:
            raise TypeError(f"KerasTuner's kernel was Matérn's with ν = 2.5. Received: {theirs.kernel}")
        return QuickGaussianProcess(**theirs.get_params(deep=False))
