"""The tables of the shop, and its sessions."""

from collections.abc import AsyncIterator
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.schema import CreateTable

from . import settings


class Base(DeclarativeBase):
    """Knows all tables."""


class Order(Base):
    """What a customer ordered."""

    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str]
    article: Mapped[str]


class Export(Base):
    """A file that the nightly clean-up deletes one day."""

    __tablename__ = "exports"
    path: Mapped[str] = mapped_column(primary_key=True)
    made_at: Mapped[datetime]  # UTC


sessions = async_sessionmaker(expire_on_commit=False)  # the engine is added at the start


async def engine() -> AsyncIterator[AsyncEngine]:
    """Lives as long as the runner is started; the endpoints use it as well."""
    settings.FOLDER.mkdir(parents=True, exist_ok=True)  # resources are made before the file of the jobs is opened
    made = create_async_engine(f"sqlite+aiosqlite:///{settings.FOLDER}/shop.db")
    try:
        async with made.begin() as connection:
            for table in Base.metadata.sorted_tables:  # create_all() fails where two processes start at once
                await connection.execute(CreateTable(table, if_not_exists=True))
        sessions.configure(bind=made)
        yield made
    finally:
        await made.dispose()


async def session() -> AsyncIterator[AsyncSession]:
    """A transaction for each attempt: committed if the handler returns, else rolled back."""
    async with sessions.begin() as begun:
        yield begun
