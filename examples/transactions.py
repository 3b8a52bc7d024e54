"""A user and the job of the welcome mail are committed together: run `uvicorn examples.transactions:app`.

curl -X POST "localhost:8000/users?email=a@example.org"
curl -X POST "localhost:8000/users?email=a@example.org"   # refused, and no mail is sent
curl localhost:8000/users
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Response
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from aiojobs_lite import JobRunner, PerAttempt, injected


class Base(DeclarativeBase):
    """Knows all tables."""


class User(Base):
    """A person who signed up."""

    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    is_welcomed: Mapped[bool] = mapped_column(default=False)


sessions = async_sessionmaker(expire_on_commit=False)  # the engine is added at the start


async def session() -> AsyncIterator[AsyncSession]:
    """A transaction for each attempt: committed if the handler returns, else rolled back."""
    async with sessions.begin() as begun:
        yield begun


runner = JobRunner("app.db", deps={AsyncSession: PerAttempt(session)})


@runner.job
async def welcome(user_id: int, *, session: AsyncSession = injected) -> None:
    user = await session.get_one(User, user_id)  # it is there: it was committed together with this job
    user.is_welcomed = True  # here: talk to your mail server


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    engine = create_async_engine("sqlite+aiosqlite:///app.db")  # the file of the jobs
    sessions.configure(bind=engine)
    async with runner:
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)
app.add_exception_handler(IntegrityError, lambda _request, _error: Response("the address is known", 409))


@app.post("/users", status_code=201)
async def sign_up(email: str) -> int:
    async with sessions.begin() as session:  # both rows are committed, or none
        user = User(email=email)
        session.add(user)
        await session.flush()  # gives the user an id
        await runner.enqueue_in(session, welcome, user_id=user.id)
        return user.id


@app.get("/users")
async def users() -> dict[str, bool]:
    async with sessions() as session:
        return {user.email: user.is_welcomed for user in await session.scalars(select(User))}
