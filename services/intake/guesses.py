"""Which field a question is about, by its title in English or Spanish. Pure; a table to read and to add to."""

import re
import unicodedata
from collections.abc import Collection
from typing import Final, NamedTuple

from services.intake.answers import Kind


class Guess(NamedTuple):
    """A question of one of these kinds whose tidied title fits is taken to be about this field."""

    field: str
    kinds: Collection[Kind]
    title: re.Pattern[str]


TEXT: Final[Collection[Kind]] = ("text", "choice", "hidden", "number")
LINE: Final[Collection[Kind]] = ("text", "choice", "hidden")
MAIL: Final[Collection[Kind]] = ("email", "text", "hidden")
DAY: Final[Collection[Kind]] = ("date", "text", "hidden")
PHONE: Final[Collection[Kind]] = ("phone", "text", "hidden", "number")
LINK: Final[Collection[Kind]] = ("url", "text", "hidden")
PERSON: Final = r"(contact|person|colleague|connection|educator|friend)"
PERSONA: Final = r"(contacto|persona|colega|companer[oa]|educador[a]?)"
THEIR: Final = rf"(their|his|her|(the |this |new )?{PERSON} ?s?)"
YOUR: Final = r"(your|my|su|tu|mi|owner s?|vuestro)"
EMAIL: Final = r"(e ?mail|mail address|correo)"
TELEPHONE: Final = r"(phone|mobile|cell|telephone|whatsapp|telefono|movil|celular)"
EVENT: Final = r"(event|conference|ed ?camp|meet ?up|chat|webinar|session|workshop|congress)"
EVENTO: Final = r"(evento|congreso|conferencia|encuentro|jornadas?|taller|webinario|chat|ed ?camp)"


def _guess(field: str, kinds: Collection[Kind], *titles: str) -> Guess:
    return Guess(field, kinds, re.compile("|".join(f"(?:{title})" for title in titles)))


# In this order: what says clearly whose it is comes before what only says what it is. Whether the contact agreed to be
# written to (`contact.consent`) is never guessed.
GUESSES: Final = (
    _guess(
        "contact.email",
        MAIL,
        rf"\b{THEIR} {EMAIL}",
        rf"{EMAIL} (address )?(of|for) (the|your new|this|{PERSON})",
        rf"\b{EMAIL}( electronico)? de(l| la| tu| su)? (nuev[oa] )?{PERSONA}",
        rf"^{PERSONA} {EMAIL}",
    ),
    _guess(
        "owner.email",
        MAIL,
        rf"\b{YOUR} (own |school |work |propio )?{EMAIL}",
        r"^respondent e ?mail",
        r"^log ?in e ?mail",
    ),
    _guess(
        "contact.phone",
        PHONE,
        rf"\b{THEIR} ({TELEPHONE}|number)",
        rf"\b{TELEPHONE} (number )?(of|for) (the|{PERSON})",
        rf"\b{TELEPHONE} de(l| la| tu| su)? {PERSONA}",
        rf"^{PERSONA} {TELEPHONE}",
    ),
    _guess("owner.phone", PHONE, rf"\b{YOUR} (numero de )?({TELEPHONE}|number)"),
    _guess(
        "contact.name",
        TEXT,
        r"^whom? (else )?(did|have|had) (you|we|i) (just |first )?(meet|met|talk|spoke|speak|see|connect)",
        r"^whom? (else )?(did|have|had) (you|we|i) (just |first )?(chat|run into|bump into|get to know|sit)",
        r"^whom? (you|i|we) (met|talked|spoke|saw|connected)",
        r"^whom? was it( with)?$",
        r"^whom?( did)?$",
        rf"\b{THEIR} (full |first |given )?name",
        r"name of (the |your |this )?(new )?(person|contact|colleague|educator|new|who)",
        rf"^({PERSON}|someone|somebody)s? (that |who |whom )?(you|i|we) (have )?(met|talked|spoke)",
        r"^(person|people|educator)s? met$",
        rf"^(new )?{PERSON}( name)?$",
        r"^a quien(es)? (has |ha |acabas de )?(conoc|encontr)",
        r"^con quien(es)? (has |ha )?(habla|te |se |conversa|estuv)",
        r"^(a )?quien$",
        rf"\bnombre (completo )?(de(l| la| tu| su)?) (nuev[oa] )?{PERSONA}",
        rf"^(nuev[oa] )?{PERSONA}( nombre)?$",
        rf"\b{PERSONA} que (has |ha )?(conoc|encontr)",
    ),
    _guess(
        "owner.name",
        TEXT,
        rf"\b{YOUR} (full |first |own |given )?(name|nombre)\b",
        r"^who are you$",
        r"^quien (eres|es usted)$",
    ),
    _guess(
        "contact.links",
        LINK,
        rf"\b{THEIR} (links?|web ?site|web ?page|profile|linkedin|twitter|bluesky|mastodon|social)",
        r"^(links?|linkedin|bluesky|mastodon|web ?site|profile|social media)( profile| link| url)?$",
        r"^(enlaces?|perfil|pagina web|redes sociales)$",
        rf"^(enlaces?|perfil|pagina web|redes sociales) de(l| la| tu| su)? {PERSONA}",
    ),
    _guess(
        "event.kind",
        LINE,
        rf"^(what |which )?(kind|type|sort) of ({EVENT}|meeting|gathering|encounter)",
        r"^event (kind|type)$",
        rf"^(que )?tipo de ({EVENTO}|reunion)",
    ),
    _guess("event.hashtag", LINE, r"\bhash ?tag\b"),
    _guess(
        "event.place",
        LINE,
        r"^(place|venue|city|town|location)$",
        r"^(which|what) (place|venue|city|town)\b",
        r"^(event|conference|meeting) (place|venue|city|location)$",
        r"^(lugar|ciudad|sede|localidad)( del (evento|congreso|encuentro))?$",
        r"^en que (lugar|ciudad)\b",
    ),
    _guess(
        "event.name",
        LINE,
        rf"^(at )?(which|what) {EVENT}\b",
        r"^where( did)?$",
        r"^where (did|have) (you|we|i) (two )?(meet|met|talk|connect|see)",
        r"^where (you|we|i) met",
        rf"^(name of (the )?)?{EVENT}( name| title| attended)?$",
        r"^(donde|en donde)\b",
        rf"^(en )?(que|cual) {EVENTO}\b",
        rf"^(nombre del? (la |las )?)?{EVENTO}$",
    ),
    _guess(
        "met_at",
        DAY,
        r"^when( did)?$",
        r"^when (did|have) (you|we|i) (two )?(meet|met|talk|speak|see|connect)",
        r"^when (you|we|i) met",
        r"^when was (it|this|that|the (meeting|event|conversation))$",
        r"^(date|day)( and time)? ((that |when )?(you|we|i) met|met)",
        r"^(date|day)( and time)? of (the |your )?(meeting|event|conversation|encounter)",
        r"^(date|meeting date|event date|date met)( and time)?$",
        r"^cuando\b",
        r"^(fecha|dia)( y hora)?( de(l| la)? (encuentro|evento|reunion|conversacion|congreso))?$",
    ),
    _guess(
        "goal_at",
        DAY,
        r"^(shared )?(goal|deadline|due)( date)?$",
        r"^(by|until) when\b",
        r"^(para|hasta|antes de) cuando\b",
        r"^(fecha limite|plazo)$",
    ),
    _guess(
        "promise",
        TEXT,
        r"\bpromised?\b",
        r"^what (will|should|do|did) (you|i) (send|share|offer|agree|have to|need to|follow up)",
        r"^(next step|to do|follow up( item| action)?|action item)s?$",
        r"\bprome[ts]\w*",
        r"^(que )?(vas|va|voy) a (enviar|mandar|compartir)",
        r"^que (vas|va|voy) a (enviar|mandar|compartir)",
        r"^(compromisos?|proximos? pasos?|tareas?)$",
    ),
    _guess(
        "topics",
        TEXT,
        r"^(shared |common )?(topics?|interests?|subjects?|tags?|themes?)\b",
        r"^what (topics?|subjects?|interests?)\b",
        r"^(temas?|intereses|asuntos?|etiquetas?)\b",
        r"^(que|cuales) (temas?|intereses)\b",
    ),
    _guess(
        "document",
        LINK,
        r"^(shared )?(document|resource|file)( link| url)?s?$",
        r"^link to (the |a )?(shared )?(document|resource|file|share)",
        r"^(documento|recurso|material|archivo)s?( compartidos?)?$",
        r"^enlace a(l)? (documento|recurso|material|archivo)",
    ),
    _guess(
        "notes",
        TEXT,
        r"^notes?\b",
        r"\bnotes$",
        r"^what (did )?(you|we) (two )?(talk|speak|spoke|chat|discuss)",
        r"^(anything|something) (else|to remember)\b",
        r"^(comments?|details|remarks?|conversation|description)$",
        r"^notas?\b",
        r"^(de|sobre) que (habl|convers|charl)",
        r"^(comentarios?|observaciones|detalles|algo mas|conversacion)\b",
    ),
    _guess("owner.time_zone", LINE, r"\btime ?zone\b", r"\b(zona horaria|huso horario)\b"),
    _guess("plan", LINE, r"^(follow up )?plan$", r"^plan de seguimiento$"),
)

# These do not say whose it is: the owner's, unless the owner is known from elsewhere and only the contact is asked for.
WHOSE: Final = (
    _guess(
        "email",
        MAIL,
        r"^e ?mail( address)?$",
        r"^(direccion de )?correo( electronico)?$",
        r"\bsu (direccion de )?correo",
    ),
    _guess(
        "phone",
        PHONE,
        rf"^{TELEPHONE}( number)?$",
        r"^(numero de )?(telefono|movil|celular)( movil)?$",
        r"\bsu (numero de )?(telefono|movil)",
    ),
    _guess("name", TEXT, r"^(full |first |given )?name$", r"^nombre( completo| y apellidos?)?$", r"\bsu nombre\b"),
)

# What belongs behind an answer: the family name behind the first name, the time behind the day.
BEHIND: Final = (
    (re.compile(r"\b(first|given) (?=name)"), ("last ", "family ", "sur", "second ")),
    (re.compile(r"\bnombre\b"), ("apellidos", "apellido")),
)
CLOCK: Final = re.compile(
    r"^(at )?(what )?(start |meeting )?time( (was it|of (the )?(meeting|event)|did (you|we) meet|(you|we) met))?$"
    r"|^(a que )?hora\b"
)
HOURS: Final = re.compile(r"(\d{1,2}):(\d\d)(:\d\d)?", re.ASCII)
DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)

# A question with a number is about one contact of several: "Contact 2 name", "Second person's email".
NUMBER: Final = re.compile(r"\b(?:n |no |nr |num |number |numero )?(\d{1,2})\b")
ORDINALS: Final = (
    "first|primer|primera|primero", "second|segundo|segunda", "third|tercer|tercera|tercero",
    "fourth|cuarto|cuarta", "fifth|quinto|quinta",
)  # fmt: skip
ORDINAL: Final = {word: str(n) for n, words in enumerate(ORDINALS, 1) for word in words.split("|")}
ORDINAL_WORD: Final = re.compile(rf"\b({'|'.join(ORDINAL)})\b(?! name)")
# Within a group that is filled in once for each person a word is enough.
COLUMNS: Final = (
    _guess("contact.name", TEXT, r"\bname\b", r"\bnombre\b", r"^whom?$", r"^quien$", rf"^({PERSON}|{PERSONA})$"),
    _guess("contact.email", MAIL, rf"\b{EMAIL}\b"),
    _guess("contact.phone", PHONE, rf"\b{TELEPHONE}\b"),
    _guess("contact.links", LINK, r"\b(link|web ?site|linkedin|profile|enlace|perfil)s?\b"),
)
MARKS: Final = re.compile("[\u0300-\u036f]")


def tidied(title: str) -> str:
    """Return a title without case, accents, punctuation and differences of blanks, whatever its language.

    Vowel signs of scripts that write them as marks stay: without them other words would look the same.
    """
    plain = MARKS.sub("", unicodedata.normalize("NFKD", title)).casefold()
    kept = "".join(letter if unicodedata.category(letter)[0] in "LMN" else " " for letter in plain)
    return " ".join(kept.split())
