"""The attention LSTM and its training: everything here needs torch."""
