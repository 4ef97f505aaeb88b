"""The questions of the lesson."""

from labkit.course.quiz import choice, choices

QUESTIONS = (
    choice(
        "q6.1",
        "Warm-up, from lesson 05: the state machine stores the result before it looks who listens. Why "
        "in this order?",
        {
            "a": "So that a client that connects in between finds the result, or is found.",
            "b": "Because the table is faster than the WebSocket.",
            "c": "So that the result can be read in the console.",
        },
        right="a",
        reasons={
            "b": "Speed does not matter here. In the other order both sides could look too early.",
            "c": "It can, but that is not why the order matters.",
        },
        why="Each side writes its own half first, and then looks for the other's. Whoever comes second "
        "sees both.",
    ),
    choice(
        "q6.2",
        "Warm-up, from lesson 03: `$connect` sends a message to its own connection. What happens?",
        {
            "a": "The client receives it as its first frame.",
            "b": "410 Gone: the connection does not exist yet.",
            "c": "The message waits until the connection is open.",
        },
        right="b",
        reasons={
            "a": "The handshake is still under way while the function runs.",
            "c": "API Gateway stores no messages, for nobody.",
        },
        why="The connection exists when `$connect` has answered with 200. So the client sends the first "
        "message: `subscribe`.",
    ),
    choice(
        "q6.3",
        "The client connects a second after the work is finished, and sends nothing. What does it get?",
        {
            "a": "the result, since it is stored",
            "b": "nothing",
            "c": "an error",
        },
        right="b",
        reasons={
            "a": "It is stored, but somebody has to send it. Notify ran a second ago.",
            "c": "The ticket is good, and so is the connection.",
        },
        why="Nobody looks for the client any more. It has to ask: that is what `subscribe` is for.",
    ),
    choice(
        "q6.4",
        "The result is sent twice: by Notify, and by `subscribe`. How does the client notice?",
        {
            "a": "by the time at which it came",
            "b": "by its id and sequence number, which are the same",
            "c": "it cannot; so the functions must never send twice",
        },
        right="b",
        reasons={
            "a": "Two copies come at two times.",
            "c": "To send exactly once over a network is not possible. To count once is.",
        },
        why="Send at least once, count once: with numbers that the sender chooses and repeats.",
    ),
    choices(
        "q6.5",
        "Which of these must a client be ready for?",
        {
            "a": "the same message twice",
            "b": "a connection that ends at any time",
            "c": "an old message after a newer one",
            "d": "the result of another customer's order",
        },
        right=("a", "b", "c"),
        reasons={"d": "The ticket is bound to one execution, and the functions look at the table."},
        missing={
            "a": "Retries and `subscribe` may both send it.",
            "b": "Networks are lost, and after two hours every connection ends.",
            "c": "API Gateway promises no order of messages.",
        },
        why="None of these is rare when there are many clients.",
    ),
)
