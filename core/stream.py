"""How far the event stream can be trusted: connected since when, read up to where."""

from core.words import duration

MARKER_SECONDS = 10.0  # without a marker: blind, nothing is decided
# An event may reach the broker that much after its time stamp.
ALLOWANCE_SECONDS = 2.0


class StreamState:
    """Connection, marker and gaps of the stream."""

    def __init__(self, started_at: float) -> None:
        self.started_at = started_at
        self.up = False
        self.changed_at = started_at  # when `up` changed
        self.connects = 0
        self.observed_since = 0.0  # end of the last gap; 0 = no gap yet
        self.has_past = (
            False  # the ledger holds attempts of an earlier process: a gap comes before the first connection
        )
        self.marker_at: float | None = None
        self.lag_seconds: float | None = None
        self._unobserved_seconds = 0.0
        self._reason = ""  # why it is not connected, in the broker's or the system's words

    def connect(self, now: float) -> None:
        """The stream flows from here on; what was published before is not seen."""
        if self.up:
            return
        if self.connects:
            self._unobserved_seconds += now - self.changed_at
        if self.connects or self.has_past:
            self.observed_since = now
        self.up = True
        self.connects += 1
        self.changed_at = now

    def disconnect(self, now: float, reason: str = "") -> None:
        """The stream is cut, or could not be connected."""
        self._reason = f": {reason}" if reason else ""
        if self.up:
            self.up = False
            self.changed_at = now

    def mark(self, sent_at: float, now: float) -> None:
        """A marker came back: all that was published before `sent_at` has been read."""
        self.marker_at = max(sent_at, self.marker_at or 0.0)
        self.lag_seconds = max(0.0, now - sent_at)

    def decided_until(self, now: float) -> float | None:
        """Deadlines up to here may be decided; None = none may."""
        if self.blind_reason(now) is not None or self.marker_at is None:
            return None
        return self.marker_at - ALLOWANCE_SECONDS

    def blind_reason(self, now: float) -> str | None:
        """Why nothing can be said, in words; None = we see."""
        if not self.up:
            ago = duration(now - self.changed_at)
            since = f"broker lost {ago} ago" if self.connects else f"broker not reached for {ago}"
            return since + self._reason
        if now - (self.marker_at or self.changed_at) > MARKER_SECONDS:
            return f"event stream behind: no marker for {duration(now - (self.marker_at or self.changed_at))}"
        return None if self.marker_at is not None else "event stream just connected, no marker yet"

    def unobserved_seconds(self, now: float) -> float:
        """Time without a stream since the first connection."""
        current = now - self.changed_at if self.connects and not self.up else 0.0
        return self._unobserved_seconds + current
