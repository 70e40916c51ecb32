"""Images of OCI: layers, layouts, registries."""
