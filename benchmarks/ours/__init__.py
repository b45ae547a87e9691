"""gm_keras as its users run it; runs in the environment of the project."""
