"""Who may do what on which items: the policy, and the dependency by which a route names its action.

`policy` is the one place where rights are written down. A rule that depends on the state of an
item, such as "nobody confirms their own work", stays in the domain that knows the item.
"""

from __future__ import annotations

from shared.runtime.access.policy import POLICY, Action, Reach, Rule, Who, reach

__all__ = ["POLICY", "Action", "Reach", "Rule", "Who", "reach"]
