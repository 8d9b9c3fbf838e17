"""What all commands on one aggregate have in common, whatever it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from shared.runtime.idempotent_replies import Replying, no_reply
from shared.runtime.principals import Principal

Store = TypeVar("Store")
Context = TypeVar("Context")
Aggregate = TypeVar("Aggregate")


@dataclass(frozen=True)  # with slots, Python 3.11 cannot build it from a parametrised alias
class Command(Generic[Store, Context, Aggregate]):
    """Who acts on which aggregate, when, and how the change is saved and answered."""

    aggregate_id: str
    store: Store
    context: Context
    by: Principal
    now: datetime  # UTC
    trace: str | None = None  # W3C traceparent
    reply: Replying[Aggregate] = no_reply  # the answer that is stored with the change
