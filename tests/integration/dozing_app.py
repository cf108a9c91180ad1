"""A Celery application with one long task, for whoever must end it in the midst."""

import os
import time
from pathlib import Path

from celery import Celery

app = Celery("dozing_app", broker=os.environ["DOZING_BROKER_URL"])
app.conf.broker_connection_retry_on_startup = True


@app.task
def doze(seconds: float, sign: str) -> None:
    """Write a file as sign of having begun, then sleep."""
    Path(sign).touch()
    time.sleep(seconds)
