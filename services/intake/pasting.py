"""What a person does with a new source: where its URL goes, and a line to try it with. Pure."""

import shlex
from typing import Final

WHERE: Final = {
    "standard": "Have your code POST the meeting as JSON to the URL, signed as https://www.standardwebhooks.com says:\n"
    "any of its libraries does that with the secret.",
    "typeform": "In Typeform open your form, then Connect > Webhooks > Add a webhook: paste the URL, Save, then Edit,\n"
    "paste the secret into Secret, and switch the webhook on. Send test request should show 202.",
    "tally": "In Tally publish your form, then Integrations > Webhooks > Connect: paste the URL as Endpoint URL,\n"
    "and the secret, if there is one, as Signing secret.",
    "jotform": "In Jotform open your form, then Settings > Integrations > Webhooks: paste the URL and complete the\n"
    "integration. Jotform can prove itself by nothing else, so keep the URL to yourself.",
    "google-forms": "In Google Forms open your form, then More > Apps Script: paste deploy/google-forms.gs, put the\n"
    "URL and the secret at its top, Save, and Run setUp once.",
    "microsoft-forms": "In Power Automate make a flow: When a new response is submitted, Get response details, HTTP:\n"
    "POST to the URL with the header Authorization: Bearer and the secret. The page named below has the body.",
    "formbricks": "In Formbricks open Configuration > Integrations > Manage Webhooks > Add Webhook: paste the URL,\n"
    "choose Response Finished and your survey. It then shows a secret of its own, which replaces this one:\n"
    "afterhello source rotate NAME --secret whsec_...",
    "calcom": "In Cal.com open Settings > Developer > Webhooks > New: paste the URL as Subscriber URL and the secret\n"
    "as Secret, choose the booking events and Meeting ended, and leave the custom payload template off.",
    "calendly": "Calendly makes webhooks through its API alone: POST to https://api.calendly.com/webhook_subscriptions\n"
    "with the URL, and the secret as signing_key. The page named below has the line to paste.",
    "zoom": "In the Zoom App Marketplace open your app, then Features > Access > Event Subscriptions: paste the URL\n"
    "as Event notification endpoint URL. Unless the secret above is the app's Secret Token already, first:\n"
    'afterhello source rotate NAME --secret TOKEN --overlap "0 seconds", and then Validate.',
    "eventbrite": "In Eventbrite open Account Settings > Developer Links > Webhooks > Add Webhook: paste the URL as\n"
    "Payload URL and choose attendee.checked_in. It sends no names: they are fetched with the private token that\n"
    "Eventbrite shows under API Keys. If none is shown above, what it sends is refused until this is run:\n"
    "afterhello source rotate NAME --secret TOKEN",
    "fillout": "In Fillout open your form, then Integrate > Webhook: paste the URL, Test, Finish setup.\n"
    "Fillout can prove itself by nothing else, so keep the URL to yourself.",
}
PAGES: Final = frozenset(WHERE) - {"standard"}  # deploy/forms/ has a page for each
ANYWHERE: Final = "Paste the URL and the secret where your tool asks for its webhook."

_MEETING: Final = '{"owner": {"email": "you@school.example"}, "contact": {"name": "Erin"}, "plan": "demo"}'


def in_words(*, name: str, provider: str, url: str, secret: str | None) -> str:
    """Return what to tell who has just added a source."""
    lines = trial(provider, url=url, secret=secret or "")
    shown = f"url     {url}\nsecret  {secret}" if secret else f"url     {url}"
    where = WHERE.get(provider, ANYWHERE).replace("NAME", shlex.quote(name))
    parts = [shown, "Both are shown this once." if secret else "It is shown this once.", where]
    parts += [f"Step by step: deploy/forms/{provider}.md"] if provider in PAGES else []
    parts += [f"To try it from here:\n\n{lines}"] if lines else []
    return "\n\n".join((*parts, f"What goes where: afterhello source test {shlex.quote(name)} PAYLOAD.json"))


def trial(provider: str, *, url: str, secret: str) -> str | None:
    """Return lines for a shell that send one signed submission; None when the tool itself has to send it."""
    match provider:
        case "standard":
            return "\n".join(
                (
                    f"  body={shlex.quote(_MEETING)}",
                    "  id=try-$(date +%s) at=$(date +%s)",
                    f"  key=$(printf %s {shlex.quote(secret.removeprefix('whsec_'))} | base64 -d | od -An -v -tx1 "
                    "| tr -d ' \\n')",
                    '  sign=$(printf %s "$id.$at.$body" | openssl dgst -sha256 -mac HMAC -macopt hexkey:$key -binary '
                    "| base64)",
                    f"  curl -i {shlex.quote(url)} -H 'Content-Type: application/json' -H \"webhook-id: $id\" \\",
                    '    -H "webhook-timestamp: $at" -H "webhook-signature: v1,$sign" --data-raw "$body"',
                )
            )
        case "typeform":
            return "\n".join(
                (
                    "  # response.json: a submission of your form, as Typeform's test request shows it",
                    f"  sign=$(openssl dgst -sha256 -hmac {shlex.quote(secret)} -binary response.json | base64)",
                    f"  curl -i {shlex.quote(url)} -H 'Content-Type: application/json' \\",
                    '    -H "Typeform-Signature: sha256=$sign" --data-binary @response.json',
                )
            )
    return None
