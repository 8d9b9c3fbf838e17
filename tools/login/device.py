"""Wait until a person has confirmed the code in a browser: RFC 8628, 3.5."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from shared.runtime.clocks import MachineClock
from tools.login.errors import COMMAND, CodeExpired, ProviderUnavailable
from tools.login.provider import DeviceCode, Provider, StillPending, Tokens, TooFast

_SLOWER_SECONDS: Final = 5.0


def wait_for_tokens(
    provider: Provider, code: DeviceCode, clock: MachineClock, sleep: Callable[[float], None]
) -> Tokens:
    """The tokens, once the person has agreed; `sleep` waits that many seconds.

    A provider that does not answer is asked again, half as often each time, until the code
    expires. Raises Denied, CodeExpired or another LoginError.
    """
    interval = code.interval
    deadline = clock.monotonic() + code.expires_in
    while clock.monotonic() + interval <= deadline:
        sleep(interval)
        try:
            return provider.device_tokens(code)
        except TooFast:
            interval += _SLOWER_SECONDS
        except StillPending:
            pass
        except ProviderUnavailable:
            interval *= 2
    raise CodeExpired(f"nobody confirmed the code in time; run `{COMMAND}` for a new one")
