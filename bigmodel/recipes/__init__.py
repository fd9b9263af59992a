"""What made the models that ship: one readable file each, run as `python -m bigmodel recipe NAME --data DIR`."""
