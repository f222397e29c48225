"""The history of the schema, applied by ``ctrain.store.upgrade``."""
