"""Attempts that have just ended: repeated and late events still find them."""

from core.attempt import Attempt

GENERATION = 32_768  # attempts; two generations of 300 bytes each are 20 MB
GENERATION_SECONDS = 300.0


class Recent:
    """Two generations by uuid; the older one goes as a whole."""

    def __init__(self) -> None:
        self._young: dict[str, Attempt] = {}
        self._old: dict[str, Attempt] = {}
        self._since = 0.0

    def put(self, attempt: Attempt) -> None:
        """Remember one that has ended."""
        self._young[attempt.uuid] = attempt
        if len(self._young) >= GENERATION:
            self._old, self._young = self._young, {}

    def get(self, uuid: str) -> Attempt | None:
        """The attempt of that uuid, if it ended not long ago."""
        return self._young.get(uuid) or self._old.get(uuid)

    def forget(self, uuid: str) -> None:
        """It lives again."""
        self._young.pop(uuid, None)
        self._old.pop(uuid, None)

    def tick(self, now: float) -> None:
        """Let a generation go when its time is up."""
        if now - self._since >= GENERATION_SECONDS:
            self._old, self._young = self._young, {}
            self._since = now
