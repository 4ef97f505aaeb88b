"""The questions of the lesson."""

from labkit.course.quiz import blanks, choice, choices

QUESTIONS = (
    choice(
        "q5.1",
        "A client is back after its network broke. Now the old connection's `$disconnect` runs, late. "
        "It must not remove the new connection id from the execution's item. What protects it?",
        {
            "a": "a consistent read before the write",
            "b": "the condition `connectionId = :mine` on the write itself",
            "c": "a TTL on the item",
            "d": "a short wait before the write",
        },
        right="b",
        reasons={
            "a": "Between the read and the write there is a gap, and the new id may come in it.",
            "c": "TTL deletes what is old, some day. It knows nothing of who writes.",
            "d": "A wait moves the moment. Some other moment will be as bad.",
        },
        why="DynamoDB looks at the condition and writes in one step, so nothing comes in between.",
    ),
    choice(
        "q5.2",
        "A Lambda function raises `KeyError`, and nobody in it catches that. What does the program that "
        "called it get?",
        {
            "a": "an answer with `errorType` and `errorMessage`, and the mark that the function failed",
            "b": "an exception `KeyError` in its own code",
            "c": "nothing: the error is in the function's log only",
            "d": "`None`, as the function returned nothing",
        },
        right="a",
        reasons={
            "b": "The caller may be written in another language, and is another program in any case. "
            "It gets data.",
            "c": "The log has the traceback, but the caller is told too.",
            "d": "That is what a function without `return` answers. This one did not get that far.",
        },
        why="The name of the error is data. A state machine reads it, and can do different things for "
        "different names.",
    ),
    choice(
        "q5.3",
        "A client sends the same order twice, with the same idempotency key, while the first one is in "
        "work. How many executions are there?",
        {"a": "two", "b": "one", "c": "none: the second request stops the first one"},
        right="b",
        reasons={
            "a": "The key becomes the execution's name, and a name is used once.",
            "c": "`StartExecution` never stops anything.",
        },
        why="With the same name and the same input, `StartExecution` gives the execution that is there.",
    ),
    choice(
        "q5.4",
        "The function returns `{'status': 'accepted'}`. The state's resource is `lambda:invoke`, and it "
        "says nothing about its result. What is the output of the state?",
        {
            "a": "`{'status': 'accepted'}`",
            "b": "the state's input, unchanged",
            "c": "an object with the function's answer in one of its members",
            "d": "the text `accepted`",
        },
        right="c",
        reasons={
            "a": "That would be so if the resource were the function's own ARN. `lambda:invoke` is a "
            "call of Lambda's API, and gives what that answers.",
            "b": "A result replaces the input, unless the state says otherwise.",
            "d": "A state's output is JSON data as it came. Nothing is picked out by itself.",
        },
        why="`lambda:invoke` gives the answer of Lambda's API: the function's own answer is in `Payload`, "
        "beside a status code.",
    ),
    choice(
        "q5.5",
        "`GetConn` reads an item with `dynamodb:getItem`. There is no item with that key. What does the "
        "state do?",
        {
            "a": "it fails with `DynamoDB.ItemNotFoundException`",
            "b": "it fails with `States.Runtime`",
            "c": "it succeeds, and its result has no `Item`",
            "d": "it waits until there is one",
        },
        right="c",
        reasons={
            "a": "There is no such exception. Finding nothing is an answer.",
            "b": "That comes too, but later: in the state that looks for what is not there.",
            "d": "DynamoDB answers at once with what is there now.",
        },
        why="As in boto3, where `get_item` answers without `Item`. The state after it must ask whether "
        "it is there.",
    ),
    choices(
        "q5.6",
        "`Notify` calls API Gateway. After which of these answers does it make sense to try again?",
        {
            "a": "410: the connection is gone",
            "b": "429: too many requests",
            "c": "500: API Gateway failed",
            "d": "403: not allowed",
            "e": "413: the message is too large",
        },
        right=("b", "c"),
        reasons={
            "a": "A connection that is gone never comes back. The client will have a new id.",
            "d": "It is as forbidden in two seconds as it is now.",
            "e": "The message does not become smaller by being sent again.",
        },
        missing={
            "b": "The same request is fine in a moment, when there is less to do.",
            "c": "Such failures pass, most of them within seconds.",
        },
        why="Try again what may be different next time: a service that is busy, or that failed by itself.",
    ),
    choice(
        "q5.7",
        "`GetConn` looks who listens, and finds nobody. A moment later the client connects: it writes "
        "its id, looks for a result, and finds none. Then `SaveResult` writes the result. When does the "
        "client hear of it?",
        {
            "a": "at once, because its id is in the item now",
            "b": "never, unless it asks again",
            "c": "when the execution ends",
        },
        right="b",
        reasons={
            "a": "Who would tell it? `GetConn` has looked already, and looks only once.",
            "c": "The end of an execution sends nothing to anybody.",
        },
        why="Both sides have looked too early. If each of them first writes its own half and then reads "
        "the other's, one of them always finds both.",
    ),
    blanks(
        "q5.8",
        "In JSONPath, a member whose value is a path needs ___ at the end of its name. In JSONata, an "
        "expression stands between {% and ___.",
        answers=((".$", "$"), ("%}",)),
        wrong={
            "$$": "That is how a path to the context object begins: `$$.Execution.Name`.",
            "}": "That closes an object of JSON. The expression's own mark is missing.",
            "}}": "That is the form of other template languages.",
        },
        otherwise="Look at the two forms of GetConn above, letter by letter.",
        why='Without the mark, "$.order" is a text of seven characters, and nobody complains.',
    ),
)
