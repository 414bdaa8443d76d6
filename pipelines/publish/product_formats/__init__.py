"""The footprint of a product in the forms that others ask for: one module a form."""
