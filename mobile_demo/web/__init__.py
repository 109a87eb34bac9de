"""The demo's page: serving it, who may see it, and the live picture."""
