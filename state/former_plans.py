"""The plans that rollouts ran by before they were amended: the journal speaks of them."""

from __future__ import annotations

from typing import Any, ClassVar

from sqlmodel import Field, SQLModel

from state.columns import table, text_column


class FormerPlanRow(SQLModel, table=True):
    """A plan that a rollout ran by before it was amended."""

    __tablename__: ClassVar[Any] = "former_plan"

    rollout_id: int = Field(primary_key=True, foreign_key="rollout.id")
    digest: str = Field(primary_key=True)
    plan: str = text_column()
    plan_text: str = text_column()


former_plans = table(FormerPlanRow)
