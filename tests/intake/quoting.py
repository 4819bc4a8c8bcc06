"""How mail programs quote what somebody answers: `{}` stands for what they wrote above it."""

QUOTED = {
    "gmail": "{}\n\nOn Tue, Nov 24, 2026 at 3:30\u202fPM Afterhello <hello@school.example>\nwrote:\n\n> Say hello.\n"
    "> Stop these reminders: https://hello.school.example/u/x\n",
    "gmail in Spanish": "{}\n\nEl mar, 24 nov 2026 a las 15:30, Afterhello (<hello@school.example>)\nescribió:\n\n"
    "> Saluda a Erin.\n> stop sending me these mails\n",
    "outlook on the web": "{}\n\n________________________________\nFrom: Afterhello <hello@school.example>\n"
    "Sent: Tuesday, November 24, 2026 3:30 PM\nTo: Ada Lovelace <ada@school.example>\nSubject: Erin\n\n"
    "Say hello. Please stop these reminders: x\n",
    "outlook": "{}\n\nAda Lovelace\nScience, Room 12\n\nFrom: Afterhello <hello@school.example>\n"
    "Sent: Tuesday, November 24, 2026 3:30 PM\nTo: Ada Lovelace <ada@school.example>\nSubject: Erin\n\nSay hello.\n",
    "outlook in Spanish": "{}\n\n________________________________\nDe: Afterhello <hello@school.example>\n"
    "Enviado: martes, 24 de noviembre de 2026 15:30\nPara: Ada <ada@school.example>\nAsunto: Erin\n\nSaluda a Erin.\n",
    "apple mail": "{}\n\n> On Nov 24, 2026, at 3:30 PM, Afterhello <hello@school.example> wrote:\n>\n> Say hello.\n"
    "> Later: x\n",
    "apple mail on a phone": "{}\n\nSent from my iPhone\n\n> On Nov 24, 2026, at 3:30 PM, Afterhello "
    "<hello@school.example> wrote:\n> \n> Say hello\n",
    "thunderbird": "{}\n\n-- \nAda Lovelace\n\nOn 11/24/26 15:30, Afterhello wrote:\n> Say hello to Erin.\n",
    "nothing": "{}\n",
    "with thanks": "{}\n\nThanks so much,\nAda\n",
}
HELLO = "Afterhello &lt;hello@school.example&gt;"
HTML = {
    "gmail": '<div dir="ltr">{}</div><br><div class="gmail_quote"><div dir="ltr" class="gmail_attr">'
    f"On Tue, Nov 24, 2026 at 3:30\u202fPM {HELLO} wrote:<br></div>"
    "<blockquote>Say hello. Stop these reminders.</blockquote></div>",
    "outlook": '<html><head><style>p {{ margin:0 }}</style></head><body><div>{}</div><div id="appendonsend"></div><hr>'
    f'<div id="divRplyFwdMsg"><b>From:</b> {HELLO}<br><b>Sent:</b> Tuesday, November 24, 2026 3:30 PM<br><b>To:</b> '
    "Ada &lt;ada@school.example&gt;<br><b>Subject:</b> Erin</div><div>Please stop.</div></body></html>",
    "apple mail": '<html><body>{}<br id="lineBreakAtBeginningOfMessage"><div><br><blockquote type="cite"><div>'
    f"On Nov 24, 2026, at 3:30\u202fPM, {HELLO} wrote:</div><br><div>Say hello</div></blockquote></div></body></html>",
}
