"""Mail, by an SMTP server. A plain def runs in a thread, so smtplib may block."""

import smtplib
from dataclasses import dataclass
from email.message import EmailMessage

from aiojobs_lite import Abandon, JobContext, Jobs, injected

jobs = Jobs()


@dataclass
class Smtp:
    """The server that takes our mail."""

    host: str
    port: int


@jobs.job(name="mail.send", max_attempts=8, timeout="1m", concurrency=4)
def send(to: str, subject: str, text: str, *, ctx: JobContext = injected, smtp: Smtp = injected) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "shop@example.org", to, subject
    message["Message-ID"] = f"<{ctx.key}@example.org>"  # the same in each attempt: a second copy is seen as such
    message.set_content(text)
    try:
        with smtplib.SMTP(smtp.host, smtp.port, timeout=10) as server:
            server.send_message(message)
    except smtplib.SMTPRecipientsRefused as error:
        code, answer = error.recipients[to]
        if code >= 500:
            raise Abandon(f"{code} {answer.decode()}") from error  # another attempt cannot help
        raise
