"""Attempts that have just ended: repeated and late events still find them."""

from core.attempt import Attempt

GENERATION = 32_768  # attempts; two generations of 300 bytes each are 20 MB
GENERATION_SECONDS = 300.0


class Recent:
    """Two generations by uuid; the older one goes as a whole."""

    def __init__(self) -> None:
        self._young: dict[str, Attempt] = {}
        self._old: dict[str, Attempt] = {}
        self._forgotten: list[Attempt] = []  # of these, such as have older attempts
        self._since = 0.0

    def put(self, attempt: Attempt) -> None:
        """Remember one that has ended."""
        self._young[attempt.uuid] = attempt
        if len(self._young) >= GENERATION:
            self._turn()

    def get(self, uuid: str) -> Attempt | None:
        """The attempt of that uuid, if it ended not long ago."""
        return self._young.get(uuid) or self._old.get(uuid)

    def forget(self, uuid: str) -> None:
        """It lives again."""
        self._young.pop(uuid, None)
        self._old.pop(uuid, None)

    def tick(self, now: float) -> list[Attempt]:
        """Let a generation go when its time is up; returns who was forgotten since, if it has older attempts."""
        if now - self._since >= GENERATION_SECONDS:
            self._turn()
            self._since = now
        forgotten, self._forgotten = self._forgotten, []
        return forgotten

    def _turn(self) -> None:
        self._forgotten += [attempt for attempt in self._old.values() if attempt.older is not None]
        self._old, self._young = self._young, {}
