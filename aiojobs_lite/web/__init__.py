"""A dashboard over a runner: what is wrong, since when, and what to press.

Needs the extra `web`: `pip install "aiojobs_lite[web]"`. Importing this package loads nothing of it.
"""

from aiojobs_lite.web.auth import Role, basic_auth, loopback_only
from aiojobs_lite.web.entrance import jobs_dashboard

__all__ = ["Role", "basic_auth", "jobs_dashboard", "loopback_only"]
