"""Games of two players on the plane: why the steps of generative adversarial networks circle or leave, and what cures it.

`games` has the games in closed form, `dirac` the smallest generative adversarial network, with the losses and
penalties of our systems. `methods` are updates of a state, `trajectory` follows them. `spectrum` linearizes an update
at the equilibrium: its eigenvalues say what becomes of a small distance. `closed_forms` has these eigenvalues on paper.

None of it but `dirac` imports Keras.
"""
