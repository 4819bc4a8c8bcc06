"""What a person does with a new source that no tool calls: a file is imported, a letter is sent to an address. Pure."""

import shlex


def in_words(
    *, name: str, provider: str, address: str | None = None, url: str | None = None, secret: str | None = None
) -> str:
    """Return what to tell who has just added such a source."""
    del url, secret  # it has neither
    quoted = shlex.quote(name)
    if provider == "mail":
        return (
            f"address  {address}\n\nIt is shown this once. Whoever knows it can log meetings, so keep it to yourself:"
            " write it into Bcc, never into\nTo or Cc, or forward a letter to it. The person written to becomes the"
            f" contact, the letter the notes.\n\nHow mail gets there: deploy/forms/inbound-mail.md\nWhat a saved letter"
            f" would log: afterhello source test {quoted} LETTER.eml"
        )
    return (
        "Its first line has the questions, every other line is a meeting:\n\n"
        f"  afterhello source import {quoted} FILE.csv --dry-run     what would it log?\n"
        f"  afterhello source import {quoted} FILE.csv\n\nStep by step: deploy/forms/csv.md"
    )
