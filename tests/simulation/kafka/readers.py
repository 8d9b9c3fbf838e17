"""`shared.messaging.kafka.consumers` once more, its consumers built on the simulated one."""

from __future__ import annotations

import importlib.util
import sys
from functools import lru_cache
from types import ModuleType

import aiokafka

from shared.messaging.kafka import consumers
from tests.simulation.kafka.consumer import SimulatedConsumer


@lru_cache(maxsize=1)
def readers() -> ModuleType:
    """The module, built once a process."""
    name = "tests.simulation.kafka.reading"
    spec = importlib.util.spec_from_file_location(name, str(consumers.__file__))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    before = aiokafka.AIOKafkaConsumer
    sys.modules[name] = module
    aiokafka.__dict__["AIOKafkaConsumer"] = SimulatedConsumer
    try:
        spec.loader.exec_module(module)
    finally:
        aiokafka.__dict__["AIOKafkaConsumer"] = before
    return module
