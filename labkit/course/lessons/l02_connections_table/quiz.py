"""The questions of the lesson."""

from labkit.course.quiz import blanks, choice, choices

QUESTIONS = (
    choice(
        "q2.1",
        "Warm-up, from lesson 01: who holds the WebSocket connection while nothing is sent?",
        {
            "a": "the Lambda function that answered `$connect`",
            "b": "API Gateway",
            "c": "the state machine",
        },
        right="b",
        reasons={
            "a": "It ended when it had answered. Functions hold nothing.",
            "c": "It does not know that the connection exists. It has to look it up.",
        },
        why="API Gateway holds the connection. Everybody else knows only its id, and only if somebody "
        "has written it down. That is what this lesson is about.",
    ),
    choice(
        "q2.2",
        "Warm-up, from lesson 01: a client sends a message, and the connection is closed with code "
        "1009. What was wrong with the message?",
        {"a": "It was no text.", "b": "It was too big.", "c": "No route matched."},
        right="b",
        reasons={
            "a": "That is 1003: API Gateway takes text only.",
            "c": "That is an error message, and the connection stays open.",
        },
        why="A frame has at most 32 KB, and a message at most 128 KB.",
    ),
    choice(
        "q2.3",
        "Eight threads write the same new item at the same moment, each on the condition that it does "
        "not exist yet. How many of them succeed?",
        {
            "a": "all of them; the last one stays",
            "b": "exactly one",
            "c": "one or more, by chance",
            "d": "none; they block each other",
        },
        right="b",
        reasons={
            "a": "That is what happens without a condition.",
            "c": "DynamoDB looks at the condition and writes in one step. Nothing comes between.",
            "d": "There are no locks. The writes come one after the other, and the first one wins.",
        },
        why="Condition and write are one step. So a conditional write can choose a winner.",
    ),
    choice(
        "q2.4",
        "An item's `expiresAt` was a minute ago, and TTL is on. You read the item. What do you get?",
        {
            "a": "nothing: it is deleted at that very moment",
            "b": "the item, perhaps for days",
            "c": "an error",
        },
        right="b",
        reasons={
            "a": "A process in the background deletes expired items when it gets to them.",
            "c": "An expired item is an item like any other until it is deleted.",
        },
        why='AWS says: "within a few days". Who reads must look at the time.',
    ),
    blanks(
        "q2.5",
        "DynamoDB's TTL attribute is a number: the time in ___ since the epoch.",
        answers=(("seconds", "second", "s"),),
        wrong={
            "milliseconds": "That is what JavaScript and many logs use. DynamoDB would wait some "
            "50,000 years.",
            "days": "Finer than that: a connection lives for two hours.",
        },
        otherwise="Think of what `time.time()` gives.",
        why="In milliseconds the number is a thousand times too large, and nobody tells you.",
    ),
    choices(
        "q2.6",
        "A table holds 1,000,000 items. Which of these reads all of them?",
        {
            "a": "`get_item` with the whole key",
            "b": "`query` for one partition key, which 3 items have",
            "c": "`scan` with a filter that 3 items pass",
            "d": "`scan` without a filter",
        },
        right=("c", "d"),
        reasons={
            "a": "It goes to one item.",
            "b": "It reads the three items of that partition key, and no other.",
        },
        missing={
            "c": "A filter works after reading: all is read and paid for, and most is thrown away.",
            "d": "That is what a scan is: everything.",
        },
        why="Keys decide what is read. Filters decide what you get to see of it.",
    ),
)
