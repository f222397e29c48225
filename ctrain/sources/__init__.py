"""Where rows come from: read once, from a durable cursor."""
