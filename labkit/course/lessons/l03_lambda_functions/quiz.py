"""The questions of the lesson."""

from labkit.course.quiz import choice, choices

QUESTIONS = (
    choice(
        "q3.1",
        "Warm-up, from lesson 02: a client is back under a new connection id, and the `$disconnect` of "
        "its old connection comes late. What keeps the new id in the order's item?",
        {
            "a": "events of one client come in order",
            "b": "the condition `connectionId = :mine`",
            "c": "TTL",
        },
        right="b",
        reasons={
            "a": "To AWS the two connections have nothing to do with each other.",
            "c": "TTL deletes what is over. It keeps nothing.",
        },
        why="Who deletes must say whose it is. The old connection's id is not in the item any more, so "
        "nothing happens.",
    ),
    choice(
        "q3.2",
        "Warm-up, from lesson 01: an API refuses a handshake. What does the client get?",
        {
            "a": "a message with an error, on an open connection",
            "b": "a close frame with a code",
            "c": "an HTTP status, such as 403, instead of 101",
        },
        right="c",
        reasons={
            "a": "That happens to a message that cannot be handled. Here there is no connection yet.",
            "b": "Close frames travel on a connection, and there is none yet.",
        },
        why="A handshake is an HTTP request, so its refusal is an HTTP answer.",
    ),
    choice(
        "q3.3",
        "The function is called five times, one call after the other. What does it return as `call`?",
        {"a": "1, 1, 1, 1, 1", "b": "1, 2, 3, 4, 5", "c": "nobody can know"},
        right="b",
        reasons={
            "a": "That would be so if the file were imported anew for each call.",
            "c": "Calls that come one right after the other find the environment warm. Only after a "
            "longer pause nobody can know.",
        },
        why="The file is imported once for each environment, and all five calls meet the same one.",
    ),
    choice(
        "q3.4",
        "In which events can a function read `execution=order-1`?",
        {
            "a": "in all three: the URL is the same all the time",
            "b": "in those of `$connect` and of `$disconnect`",
            "c": "only in that of `$connect`",
        },
        right="c",
        reasons={
            "a": "A message is a frame. It has no URL, and API Gateway adds none.",
            "b": "The event of `$disconnect` has headers, but none of the client's, and no query.",
        },
        why="The query belongs to the handshake. Whoever needs it later must have written it down.",
    ),
    choice(
        "q3.5",
        "What does the client get?",
        {
            "a": "the exception's text",
            "b": "the message `Internal server error`",
            "c": "a close frame",
            "d": "nothing",
        },
        right="b",
        reasons={
            "a": "It would tell strangers about the inside of the system.",
            "c": "One message that fails is no reason to end the connection.",
            "d": "API Gateway waits for the function, and tells the client that it failed.",
        },
        why="API Gateway sends it by itself, with ids by which you find the call in the log. The "
        "connection stays open.",
    ),
    choice(
        "q3.6",
        "The function behind `$connect` sends `welcome` to the connection of its event. What happens?",
        {
            "a": "The client receives it as its first message.",
            "b": "The client receives it later, with its first message's answer.",
            "c": "The function gets an error: 410.",
        },
        right="c",
        reasons={
            "a": "The connection does not exist until the function has answered.",
            "b": "API Gateway keeps no messages for later.",
        },
        why="The id is there already, the connection is not. So nobody can be written to.",
    ),
    choices(
        "q3.7",
        "Which of these belong into the function behind `$connect`? (several)",
        {
            "a": "look whether the client may come in",
            "b": "send what the client has missed",
            "c": "write the connection down, with a time when it expires",
            "d": "work out a report that takes ten seconds",
            "e": "delete the client's older connection, since `$disconnect` will have come",
        },
        right=("a", "c"),
        reasons={
            "b": "It gets 410. Wait for the first message.",
            "d": "The client waits at the door for ten seconds. Start work elsewhere.",
            "e": "`$disconnect` may come late or never, and the older one may be another tab, alive.",
        },
        missing={
            "a": "Here it is refused before it costs anything, with an HTTP status that it understands.",
            "c": "No later event says what the URL said, and nobody promises a `$disconnect`.",
        },
        why="Look, write, answer: three quick steps.",
    ),
)
