"""The demo: a Celery application on the documented queues, its workers, and a day that makes trouble."""
