"""The attributes of every kind, declared once: what GraphQL's `details` and JSON Schemas say.

A connector puts what its vendor tells into `Draft.attributes` by these names, where one fits, and
whatever else is worth keeping by names of its own. One name means one thing, and has one type,
wherever it stands. `so(..., "older")` also reads what is stored under an older name.
"""

from typing import Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from hub.details.values import Flag, Moment, Number, Text, Texts, Whole, Word


def so(about: str, *older: str, several: bool = False) -> Any:
    """Describe an attribute: what it tells, and by which other names it was stored before."""
    named = AliasChoices(*older) if older else None
    if several:
        return Field(default_factory=list, description=about, validation_alias=named)
    return Field(default=None, description=about, validation_alias=named)


class Details(BaseModel):
    """Attributes with types. Making one from any mapping never fails."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True, defer_build=True)


class Deal(Details):
    """A deal: what it is worth, where it stands, why it ended."""

    amount: Number = so("What it is worth, in `currency`.")
    currency: Text = so("The currency of `amount`, such as EUR.")
    stage: Text = so("The stage it is in.")
    pipeline: Text = so("The pipeline that the stage belongs to.")
    reason: Text = so("Why it was won or lost.")
    competitor: Text = so("The competitor it was lost to, or won against.")
    type: Text = so("What sort of deal it is, in the source's words.")
    channel: Word = so("The way it came in.", "source")
    driver: Text = so("What made the customer decide.")
    archived: Flag = so("Whether it was put aside at its source.")


class Lead(Details):
    """A lead: who may become a customer, and how it came in."""

    amount: Number = so("What it may be worth, in `currency`.")
    currency: Text = so("The currency of `amount`, such as EUR.")
    channel: Word = so("The way it came in.", "source")
    state: Word = so("Where it stands, in the source's words.", "status")
    label: Text = so("How the source marked it: hot, warm, cold.")
    rating: Text = so("How promising it is, in the source's words.")
    type: Text = so("What sort of lead it is, in the source's words.")
    title: Text = so("The position of the person in question.")
    converted: Flag = so("Whether it has become a deal.")
    archived: Flag = so("Whether it was put aside at its source.")


class Ticket(Details):
    """A customer's question or trouble, and how it is handled."""

    number: Word = so("Its number, as agents and customers name it.")
    priority: Word = so("Its priority, in the source's words.")
    state: Word = so("Where it stands, in the source's words.", "status")
    channel: Word = so("The way it came in: mail, chat, web.")
    type: Text = so("What sort of ticket it is, in the source's words.")
    queue: Text = so("The queue or the group that it waits in.")
    category: Text = so("The category that the source sorts it into.")
    reason: Text = so("Why it was opened, or closed.", "state_reason")
    problem: Word = so("The ticket of the problem behind it.")
    repository: Text = so("The repository that it is about.")
    answer: Text = so("What answers it, where that is known.")
    count: Whole = so("So many tickets that say the same.")


class Incident(Details):
    """An outage, an alert or planned work: what is affected, and who deals with it."""

    number: Word = so("Its number, as people name it.")
    service: Text = so("The service that is affected.")
    components: Texts = so("The parts that are affected.", several=True)
    urgency: Text = so("How urgent it is, in the source's words.")
    priority: Word = so("Its priority, in the source's words.")
    impact: Text = so("How much is affected, in the source's words.")
    state: Word = so("Where it stands, in the source's words.", "status")
    assignees: Texts = so("The names of those who deal with it.", several=True)
    escalation_policy: Text = so("By which rule it is handed on.")
    event: Text = so("What happened to it last, in the source's words.")
    page: Text = so("The status page that it is on.")
    generator_url: Text = so("Where the rule that raised it can be seen.")
    starts_at: Moment = so("When it began, or is planned to.")
    ends_at: Moment = so("Until when it is planned.", "scheduled_until")


class ErrorReport(Details):
    """An error in the product: how often, whom it meets."""

    number: Word = so("Its short name at the source.", "shortId")
    level: Text = so("How bad it is: fatal, error, warning.")
    priority: Word = so("Its priority, in the source's words.")
    state: Word = so("Where it stands, in the source's words.", "substatus")
    platform: Text = so("What the part runs on that fails.")
    count: Whole = so("How often it happened.")
    users: Whole = so("How many people met it.", "userCount")
    team: Text = so("The team that it was given to.")
    first_seen_at: Moment = so("When it was seen first.", "firstSeen")
    last_seen_at: Moment = so("When it was seen last.", "lastSeen")


class Mention(Details):
    """What was said of us, or of a competitor, in public: where, and how far it carries."""

    outlet: Text = so("The medium that it stands in.")
    competitor: Text = so("The competitor that it is about.")
    language: Text = so("Its language, as the source names it.")
    country: Text = so("The country of the medium.")
    reach: Whole = so("How many people it reaches, as the source estimates.")
    points: Whole = so("How many readers found it good.")
    comments: Whole = so("How many comments it has.")
    tone: Number = so("How it is said, on the source's own scale.")
    link: Text = so("The page that it is about.")
    image: Text = so("The address of its picture.")
    story: Text = so("The discussion that it is a part of.")
    hashtags: Texts = so("The hashtags in it.", several=True)
    categories: Texts = so("What its medium sorts it by.", several=True)
    reply_to: Word = so("What it answers to, by the source's id.")
    quotes: Text = so("What it quotes, by the source's id.")
    visibility: Text = so("Who can read it there.")
    warning: Text = so("What its author warns of.")


class Metric(Details):
    """A number over a period, and what it was before."""

    name: Text = so("What is measured.")
    value: Number = so("The number.")
    unit: Text = so("The unit of the number.")
    previous: Number = so("The number of the period before.")
    target: Number = so("The number to be reached.")
    dimension: Text = so("What it is told apart by: a channel, a competitor, a country.")
    starts_at: Moment = so("When the period began.")
    ends_at: Moment = so("When the period ended.")


class Release(Details):
    """A version, a plan or a piece of work."""

    version: Text = so("The version, or its tag.", "tag")
    prerelease: Flag = so("Whether it is only for those who want to try it.")
    repository: Text = so("The repository that it is made of.")
    number: Word = so("The number of the piece of work.")
    state: Word = so("Where it stands, in the source's words.", "status")
    due_at: Moment = so("When it is to be ready, or withdrawn.")
    replacement: Text = so("What takes the place of what is withdrawn.")


class Feedback(Details):
    """What a customer thinks: a score, or words."""

    score: Number = so("The score that was given.")
    scale: Number = so("The best score there is: 5, or 10 for a net promoter score.")
    rating: Text = so("The answer in words: good, bad.")
    reason: Text = so("Why, as the customer chose from a list.")
    number: Word = so("The ticket or the discussion that it is about.")
    category: Text = so("The category that the source sorts it into.")
    repository: Text = so("The repository that it is about.")


class PersonChange(Details):
    """Somebody who came, rose or left."""

    title: Text = so("The position.")
    department: Text = so("The department, in the source's words.")
    team: Text = so("The team.")
    location: Text = so("Where the work is done.")
    previous_title: Text = so("The position before.")
    starts_at: Moment = so("From when on.")


class Policy(Details):
    """A rule that binds us: which, where, from when on."""

    regulation: Text = so("The name of the rule.")
    jurisdiction: Text = so("Where it holds.")
    reference: Text = so("Its number or paragraph.")
    responsible: Text = so("Who sees to it that we follow.")
    starts_at: Moment = so("From when on it binds.")
    due_at: Moment = so("By when it is to be acknowledged.")


class Goal(Details):
    """A goal: how much, by when, how far we are."""

    name: Text = so("What is to be reached.")
    target: Number = so("The number to be reached.")
    value: Number = so("The number so far.")
    unit: Text = so("The unit of both numbers.")
    reached: Flag = so("Whether it has been reached.")
    due_at: Moment = so("By when.")


class Partnership(Details):
    """A partner, and what we do together."""

    partner: Text = so("The partner's name.")
    program: Text = so("The programme that it takes part in.")
    tier: Text = so("Its rank in the programme.")
    region: Text = so("Where the partnership holds.")
    starts_at: Moment = so("From when on.")
    ends_at: Moment = so("Until when.")


class Event(Details):
    """Something with a time and a place."""

    starts_at: Moment = so("When it begins.", "starts")
    ends_at: Moment = so("When it ends.", "ends")
    all_day: Flag = so("Whether it takes whole days.")
    recurs: Flag = so("Whether it is one of a series.")
    tentative: Flag = so("Whether it is not certain yet.")
    location: Text = so("Where it is.")
    attendees: Texts = so("Who takes part.", several=True)
    speakers: Texts = so("Who speaks.", several=True)


class Meeting(Details):
    """A meeting: when, where, with whom, and what it decided."""

    starts_at: Moment = so("When it begins.", "starts")
    ends_at: Moment = so("When it ends.", "ends")
    all_day: Flag = so("Whether it takes whole days.")
    recurs: Flag = so("Whether it is one of a series.")
    tentative: Flag = so("Whether it is not certain yet.")
    location: Text = so("Where it is.")
    attendees: Texts = so("Who takes part.", several=True)
    agenda: Texts = so("What is to be spoken of.", several=True)
    decisions: Texts = so("What was decided.", several=True)


class Need(Details):
    """What a team asks of others."""

    asked_of: Texts = so("The roles that something is asked of.", several=True)
    due_at: Moment = so("By when it is needed.")


class Post(Details):
    """A post, or an answer to one."""

    channel: Word = so("Where it was posted.")
    post: Text = so("The title of what it is an answer to.")
    parent: Word = so("What it answers to, by the source's id.")
    reply_to: Word = so("What it answers to, by the source's id.")
    quotes: Text = so("What it quotes, by the source's id.")
    type: Text = so("What sort of post it is, in the source's words.")
    format: Text = so("Its form: standard, gallery, video.")
    language: Text = so("Its language, as the source names it.")
    outlet: Text = so("The site that it stands on.")
    repository: Text = so("The repository that it is about.")
    number: Word = so("The number of what it is an answer to.")
    categories: Texts = so("The categories that it stands in.", several=True)
    tags: Texts = so("The words that it is found by.", several=True)
    hashtags: Texts = so("The hashtags in it.", several=True)
    asked_of: Texts = so("The roles that something is asked of.", several=True)
    votes: Whole = so("How many are for it.")


class Message(Details):
    """A message in a channel."""

    channel: Word = so("The name of the channel.")
    channel_id: Text = so("The channel, by the source's id.", "room")
    type: Text = so("What sort of message it is, in the source's words.", "message_type")
    mentions: Texts = so("Whom it names, by the source's id.", several=True)
    files: Whole = so("How many files came with it.")
    pinned: Flag = so("Whether it is kept at the top of the channel.")


class Mail(Details):
    """The newest mail of a conversation."""

    message_id: Text = so("Its Message-ID.")
    folder: Text = so("The folder that it is in.")
    participants: Texts = so("The addresses of all who take part.", several=True)
    attachments: Texts = so("The names of its files.", several=True)
    answers: Whole = so("How many mails it follows.")
    list: Text = so("The mailing list it came by.")
    list_name: Text = so("The name of the mailing list.")
    size: Whole = so("Its size in bytes.")
    cut: Flag = so("Whether the hub has only its beginning.")


class HubNotice(Details):
    """What the hub tells of itself."""

    source_name: Text = so("The source that it is about.", "source")
    endpoint: Text = so("The endpoint that it is about.")
    by: Text = so("Who did it.")
