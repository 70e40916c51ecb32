"""What is known of a container's health, and how it is asked for: values of its record."""

from __future__ import annotations

from lxgit.records import dataclass, replace

STARTING, HEALTHY, UNHEALTHY = "starting", "healthy", "unhealthy"

_KEPT = 5  # results, as Docker keeps them


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """A command that exits with 0 in a container that is well. Times are in seconds."""

    command: tuple[str, ...]
    interval: float = 30.0
    timeout: float = 30.0
    retries: int = 3  # failures in a row that make it unhealthy
    start_period: float = 0.0  # in which failures do not count


@dataclass(frozen=True, slots=True)
class HealthResult:
    """One check. Times are nanoseconds since 1970; a check that took too long has the code -1."""

    begin: int
    end: int
    exit_code: int
    output: str


@dataclass(frozen=True, slots=True)
class Health:
    """What the checks of one life have found so far."""

    status: str = STARTING
    failures: int = 0  # in a row
    log: tuple[HealthResult, ...] = ()  # the last five

    def after(self, result: HealthResult, check: HealthCheck, *, is_starting: bool) -> Health:
        """With one more result; `is_starting` within the start period."""
        log = (*self.log, result)[-_KEPT:]
        if result.exit_code == 0:
            return Health(HEALTHY, 0, log)
        if is_starting and self.status == STARTING:
            return replace(self, log=log)
        failures = self.failures + 1
        status = UNHEALTHY if failures >= check.retries else self.status
        return Health(status, failures, log)
