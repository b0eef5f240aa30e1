"""Whatever picks actions: null, random, oracle, noisy, scripted, chat."""
