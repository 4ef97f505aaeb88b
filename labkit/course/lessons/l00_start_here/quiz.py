"""The question of the lesson."""

from labkit.course.quiz import choice

QUESTIONS = (
    choice(
        "q0.1",
        "The client has sent its order and got the answer 202. What does it do to get the result?",
        {
            "a": "It waits: the answer to the order comes when the work is done.",
            "b": "It connects to the address in the answer, and listens.",
            "c": "It sends the order again until the answer holds the result.",
            "d": "It opens a server, so that the state machine can call it.",
        },
        right="b",
        reasons={
            "a": "The answer has come already: 202 means accepted, not done.",
            "c": "That would be polling, and with another key each time it would even order twice.",
            "d": "A browser or a phone cannot be called. It opens the connection itself, outwards.",
        },
        why="The client opens the connection, so no address of its own is needed; the result comes "
        "through it by itself.",
    ),
)
