"""What every test of the notifier can ask for."""

from tests.servers.smtp import mailbox, smtp

__all__ = ["mailbox", "smtp"]
