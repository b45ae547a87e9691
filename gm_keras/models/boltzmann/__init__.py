"""Networks of stochastic binary units: Boltzmann machines and Helmholtz machines."""
