"""The methods: one Keras model with a `train_step` for each paper."""
