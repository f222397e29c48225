"""What a policy would have done over history: the engine on a virtual clock, beside simpler strategies."""
