"""The questions of the lesson."""

from labkit.course.quiz import blanks, choice

QUESTIONS = (
    choice(
        "q4.1",
        "Warm-up, from lesson 02: eight functions write the same new item, each on the condition that "
        "it does not exist yet. What do the seven others get?",
        {
            "a": "a `ConditionalCheckFailedException`, which is an answer",
            "b": "nothing: their writes are lost without a word",
            "c": "an error that they should retry",
        },
        right="a",
        reasons={
            "b": "DynamoDB tells each of them that its condition did not hold.",
            "c": "A retry would be refused again: the item is there now.",
        },
        why="They learn that somebody was faster, and go on from there.",
    ),
    choice(
        "q4.2",
        "Warm-up, from lesson 03: a function raises an exception. What does the client see of its text?",
        {
            "a": "all of it",
            "b": "nothing",
            "c": "the last line",
        },
        right="b",
        reasons={
            "a": "It would tell strangers about your code and your data.",
            "c": "Not even that. It is in the log, for you.",
        },
        why="The client gets API Gateway's own words. What happened is in the function's log.",
    ),
    choice(
        "q4.3",
        "A function behind an HTTP API works for a minute. What does the client get, and what becomes "
        "of the work?",
        {
            "a": "It waits for a minute and gets the result.",
            "b": "It gets 503 after 30 seconds at the latest, and the function goes on.",
            "c": "It gets 503 after 30 seconds at the latest, and the function is ended.",
        },
        right="b",
        reasons={
            "a": "No integration of an HTTP API waits longer than 30 seconds.",
            "c": "API Gateway stops waiting. It does not tell the function, which has its own time-out.",
        },
        why="The worst of all: the work is done, and the client thinks that it is not, and tries again.",
    ),
    blanks(
        "q4.4",
        "The longest wait for an answer is ___ seconds for an HTTP API, and ___ seconds for a route of a "
        "WebSocket API.",
        answers=(("30",), ("29",)),
        wrong={
            "900": "That is the longest time-out of a function (15 minutes). The API waits less.",
            "60": "Less than that.",
        },
        otherwise="Both are about half a minute, and they differ by one.",
        why="Whatever may take longer is started, not awaited.",
    ),
    choice(
        "q4.5",
        "An execution of the name `order-1` runs. `start_execution` is called again, with the same name "
        "and the same input. What happens?",
        {
            "a": "A second execution of that name is started.",
            "b": "The call succeeds, and its answer is that of the first one. Nothing is started.",
            "c": "The execution begins anew.",
        },
        right="b",
        reasons={
            "a": "A name belongs to one execution of a state machine, and no second one gets it.",
            "c": "Nothing that a client sends again may undo what was done.",
        },
        why="AWS calls this idempotent: once or several times, the outcome is the same.",
    ),
    choice(
        "q4.6",
        "The function writes the item and then fails, before it starts the execution. The client tries "
        "again with the same key. What should happen?",
        {
            "a": "It is told that the order is there already.",
            "b": "The item is found, and the execution is started.",
            "c": "A second item is written, under another name.",
        },
        right="b",
        reasons={
            "a": "True, and nobody would ever work on it.",
            "c": "Then the customer has ordered twice.",
        },
        why="Each step may be done twice without harm, so the whole may be done twice.",
    ),
    choice(
        "q4.7",
        "With tickets in place, somebody finds an order's execution ARN in a log. What can they do "
        "with it in this system?",
        {
            "a": "listen to the order's result",
            "b": "make a ticket of it, since a ticket holds nothing but a name and a time",
            "c": "nothing",
        },
        right="c",
        reasons={
            "a": "`$connect` takes the execution from the ticket, and looks at nothing else.",
            "b": "It holds a signature as well, and for that one needs the key.",
        },
        why="What is written on invoices and in logs must open nothing. What opens a door must be secret, "
        "or signed.",
    ),
)
