"""The generator of the reference: pages, OpenAPI document and examples, from the declarations."""
