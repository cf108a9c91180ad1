"""One HTTP address that we ask or tell, and how it may be shown."""

from urllib.parse import unquote, urlsplit, urlunsplit

import requests
from requests.auth import HTTPBasicAuth

TIMEOUT_SECONDS = 5.0


class AddressError(ValueError):
    """What was configured is no HTTP address; the message leaves it out, for it may hold a password."""


class EndpointError(Exception):
    """The other side cannot be reached or refuses; the message says why and holds no secret."""

    def __init__(self, reason: str, answer: str = "") -> None:
        super().__init__(reason)
        self.answer = answer  # the text beside a refusal; it may repeat a secret path, so mind where it is shown


class Endpoint:
    """One HTTP address. User and password travel in the header and stand in no message."""

    def __init__(self, url: str, path: str = "", *, is_outside: bool = False) -> None:
        """Add `path` to the address. An outside one may lie behind a proxy, and its own path counts as a secret.

        Raises:
            AddressError: it is no address.
        """
        try:
            parts = urlsplit(url)
            has_host = parts.hostname is not None and parts.port != 0
        except ValueError:
            has_host = False
        if not has_host or parts.scheme not in {"http", "https"}:
            raise AddressError("not an HTTP address; expected http://host:port or https://host:port")
        host = parts.netloc.rpartition("@")[2]
        full_path = parts.path.rstrip("/") + path if path else parts.path
        self._url = urlunsplit((parts.scheme, host, full_path, parts.query, ""))
        self._auth = None
        if parts.username is not None:
            self._auth = HTTPBasicAuth(unquote(parts.username).encode(), unquote(parts.password or "").encode())
        # "" switches off what the environment sets: our own servers are not behind the proxy for the outside world.
        self._proxies = None if is_outside else dict.fromkeys(("http", "https", "all"), "")
        shown_path = parts.path.rstrip("/")
        if is_outside:
            shown_path = "/***" if parts.query or shown_path else ""
        self.shown = f"{parts.scheme}://{host}{shown_path}"

    def get(self) -> bytes:
        """Fetch the content.

        Raises:
            EndpointError: no answer, or not a good one.
        """
        return self._ask("GET", None)

    def post(self, body: bytes) -> None:
        """Hand over JSON.

        Raises:
            EndpointError: it was not taken, or we cannot know.
        """
        self._ask("POST", body)

    def _ask(self, method: str, body: bytes | None) -> bytes:
        try:
            answer = requests.request(
                method,
                self._url,
                data=body,
                auth=self._auth,
                headers={"Content-Type": "application/json", "User-Agent": "celery-slo"},
                timeout=TIMEOUT_SECONDS,
                proxies=self._proxies,
                allow_redirects=False,  # a redirected POST arrives as a GET, and its 200 would look like a delivery
            )
        except requests.Timeout as error:
            raise EndpointError(f"no answer within {TIMEOUT_SECONDS:g} s") from error
        except requests.RequestException as error:
            raise EndpointError(_root_cause(error)) from error
        if not requests.codes.ok <= answer.status_code < requests.codes.multiple_choices:
            raise EndpointError(f"HTTP {answer.status_code}", answer.text)
        return answer.content


def _root_cause(error: BaseException) -> str:
    """Say what the operating system said. The layers above it put the whole address into their messages."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return type(error).__name__
