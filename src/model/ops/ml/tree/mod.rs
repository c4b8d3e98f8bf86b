//! Ensembles of decision trees: `TreeEnsembleClassifier`, `TreeEnsembleRegressor`, `TreeEnsemble`.
//!
//! In: nodes of either form of attributes. Out: one [`ensemble::Ensemble`] for all, and what the three
//! operators make of its sums.

mod aggregate;
pub(in super::super) mod classifier;
mod ensemble;
mod flat;
pub(in super::super) mod nested;
pub(in super::super) mod regressor;
