"""Which version this is."""

from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("celery-slo")
except PackageNotFoundError:  # a checkout on the path, nothing installed
    VERSION = "0+unknown"
