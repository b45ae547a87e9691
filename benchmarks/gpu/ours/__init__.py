"""Our side; runs where neither TensorFlow nor what `pipelines` needs is installed."""
