"""Problems in Persian: a catalogue shared by all services, to which each adds its own."""

from shared.runtime.persian.catalogue import SHARED
from shared.runtime.persian.language import ENGLISH, PERSIAN, preferred
from shared.runtime.persian.translation import Catalogue, Persian, isolated

__all__ = ["ENGLISH", "PERSIAN", "SHARED", "Catalogue", "Persian", "isolated", "preferred"]
