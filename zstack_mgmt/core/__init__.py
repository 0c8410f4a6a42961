"""The core: what an API and a resource are, who calls, values and errors. It knows no HTTP and no SQL."""
