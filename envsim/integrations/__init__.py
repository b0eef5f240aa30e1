"""Other people's benchmarks, trainers and formats as envsim speaks them; one package or module each."""
