"""Networks of stochastic binary units: Boltzmann machines and Helmholtz machines.

A unit is 0 or 1, with a probability that its neighbours decide; `base` draws layers of them and enumerates small ones.
A Boltzmann machine gives each state an energy, and is trained by the difference between its data and its own chains:
`bipartite` has the two-layer machine's energies and Gibbs steps, exact sums over its hidden states, and the path of
temperatures by which `annealing` and `partition` estimate the partition function, without which there is no likelihood.
A Helmholtz machine has directed layers, and another network that guesses the hidden ones: likelihoods are bounds.

`helmholtz_machine` is the simplest to read, one file with a loop over layers; then `rbm`, with `bipartite` beside it.
"""
