"""The questions of the lesson."""

from labkit.course.quiz import blanks, choice, choices

QUESTIONS = (
    blanks(
        "q1.1",
        "WebSockets are an open standard for establishing a persistent connection between a ___ "
        "and a ___.",
        answers=(("client", "browser"), ("server",)),
        wrong={
            "router": "A router only passes packets on. Who opens the connection, and who accepts it?",
            "database": "A database may stand behind it. Who answers the handshake?",
            "function": "A Lambda function runs for a moment and holds no connection.",
        },
        otherwise="Think of the two sides of a web page: who asks, and who answers?",
        why="The client opens it and the server accepts it. Persistent means: it stays open, and "
        "both sides may send at any time.",
    ),
    choice(
        "q1.2",
        "In lesson 00 the answer to POST /orders was 202 Accepted. What did it say?",
        {
            "a": "The order is done, and here is the result.",
            "b": "We have the order, the work has been started, and here is where to listen.",
            "c": "The order is malformed.",
        },
        right="b",
        reasons={
            "a": "That would be 200 OK. The work had hardly begun when the answer came.",
            "c": "That would be 400 Bad Request, with the field that is wrong.",
        },
        why="The function that answers only starts the work, so it can answer at once.",
    ),
    choice(
        "q1.3",
        "A WebSocket begins with an HTTP request. With which status does the server accept it?",
        {
            "a": "101 Switching Protocols",
            "b": "200 OK",
            "c": "202 Accepted",
            "d": "301 Moved Permanently",
        },
        right="a",
        reasons={
            "b": "After 200 the request would be over, as with any page.",
            "c": "202 means that work was begun. Here the two sides change their language.",
            "d": "The client stays at the same address, on the same connection.",
        },
        why="After 101 the same TCP connection no longer speaks HTTP. It carries frames.",
    ),
    choice(
        "q1.4",
        'The API has the routes `$default` and `order`. A client sends the text `{"action": "ORDER"}`. '
        "Which route takes it?",
        {
            "a": "`order`",
            "b": "`$default`",
            "c": "none: the client gets an error",
        },
        right="b",
        reasons={
            "a": "Route keys are compared exactly, letter by letter: ORDER is not order.",
            "c": "There would be an error if the API had no `$default`.",
        },
        why="What matches no route goes to `$default`, if there is one.",
    ),
    choice(
        "q1.5",
        "You add a route to an API whose stage has no AutoDeploy. When can clients use it?",
        {
            "a": "At once.",
            "b": "After they have connected again.",
            "c": "After a new deployment is on the stage.",
        },
        right="c",
        reasons={
            "a": "That is what AutoDeploy is for, and this stage has none.",
            "b": "A new connection to the same stage meets the same deployment.",
        },
        why="So you can change an API in peace and publish all changes together.",
    ),
    choices(
        "q1.6",
        "The client is a phone behind a home router. Which of these does it need, to receive results "
        "over the WebSocket?",
        {
            "a": "an open port in the router",
            "b": "a way out to the internet",
            "c": "an address that the server can reach",
            "d": "the WebSocket's URL",
        },
        right=("b", "d"),
        reasons={
            "a": "The connection goes outwards, like any web page.",
            "c": "The server answers on the connection that the client has opened.",
        },
        missing={
            "b": "Without it the client cannot open the connection.",
            "d": "It has to know where to connect to.",
        },
        why="The client opens one connection outwards. Everything else comes through it.",
    ),
)
