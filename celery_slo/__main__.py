"""`python -m celery_slo`."""

from celery_slo import main

main()
