"""The checks of lesson 01's exercises."""

from __future__ import annotations

import contextlib
import io
import json
import textwrap
from collections.abc import Callable, Iterable
from typing import Any

import boto3
import websocket
from botocore.exceptions import ClientError

from labkit.course.exercise import Attempt, Diagnosis, Kind, exercise
from labkit.course.sandbox import STAGE, Refused, Sandbox, Socket

ECHO = """
import json

import boto3


def handler(event, context):
    request = event["requestContext"]
    if request["eventType"] == "MESSAGE":
        endpoint = f"https://{request['domainName']}/{request['stage']}"
        api = boto3.client("apigatewaymanagementapi", endpoint_url=endpoint)
        answer = {"route": request["routeKey"], "body": event["body"]}
        api.post_to_connection(
            ConnectionId=request["connectionId"], Data=json.dumps(answer).encode()
        )
    return {"statusCode": 200}
"""
"""Answers each message with its route and its text."""


def _chosen(aws: Sandbox, url: str, messages: Iterable[str]) -> list[str | None]:
    """The routes that an API of echo functions chooses; ``None`` for its error."""
    client = aws.connect(url)
    found: list[str | None] = []
    for message in messages:
        client.send(message)
        found.append(client.receive().get("route"))
    return found


# -- 1.1 ------------------------------------------------------------------------------------------

ROUTES = ("$default", "order", "cancel")

MESSAGES = (
    '{"action": "order", "id": 7}',
    '{"action": "Cancel"}',
    "cancel",
    '{"type": "order"}',
    '{"action": "$connect"}',
    '{"action": "cancel", "action2": "order"}',
)


@exercise(
    "1.1",
    "Which route takes it?",
    kind=Kind.PREDICT,
    difficulty=1,
    minutes=5,
    hints=(
        "What does the expression look at, and what does it never look at?",
        "The key is the text in the member `action` of a JSON object. It is compared exactly. What has "
        "no such text, or names no route that messages can reach, goes to `$default`.",
        "Two of the six have a route of their own: the first and the last.",
    ),
    diagnoses={
        "NOT_SIX": "give one route key, a text, for each of the six messages, in their order",
        "NO_SUCH_ROUTE": "name one of the routes that the API has, letter by letter",
        "CASE": Diagnosis(
            "compare route keys letter by letter",
            ("Are `Cancel` and `cancel` the same text?",),
        ),
        "NOT_JSON_TEXT": Diagnosis(
            "ask what the expression can read in a message that is no JSON object",
            ("Where is the member `action` in the text `cancel`?",),
        ),
        "OTHER_MEMBER": "look at the member that the expression names, and at no other",
        "LIFECYCLE": Diagnosis(
            "ask who calls `$connect`: a message, or API Gateway itself",
            ("Could a client pretend to connect again, on a connection that is open?",),
        ),
        "TOO_MUCH_DEFAULT": "see which messages name a route that the API has",
    },
    solved="Everything that has no route of its own goes to $default. So $default sees typing errors, "
    "old clients and attacks: a good place for a friendly answer, a bad one for trust.",
)
def which_route(attempt: Attempt, prediction: Any) -> None:
    if (
        not isinstance(prediction, list | tuple)
        or len(prediction) != len(MESSAGES)
        or not all(isinstance(key, str) for key in prediction)
    ):
        raise attempt.not_yet(
            "NOT_SIX",
            did=textwrap.shorten(f"prediction is {prediction}", 100, placeholder=" …"),
            expected='a list of six texts, such as "order" or "$default"',
        )
    with attempt.sandbox() as aws:
        function = aws.function("echo", ECHO)
        url = aws.websocket_api(dict.fromkeys(ROUTES, function))
        taken = _chosen(aws, url, MESSAGES)
    codes = (
        "TOO_MUCH_DEFAULT",
        "CASE",
        "NOT_JSON_TEXT",
        "OTHER_MEMBER",
        "LIFECYCLE",
        "OTHER_MEMBER",
    )
    rows = zip(MESSAGES, prediction, taken, codes, strict=True)
    for number, (message, said, took, code) in enumerate(rows, 1):
        if said != took:
            if said == "$default":
                code = "TOO_MUCH_DEFAULT"
            elif said not in ROUTES and code != "LIFECYCLE":
                code = "NO_SUCH_ROUTE"
            raise attempt.not_yet(
                code,
                did=f"message {number}, {message}: you said {said}",
                expected=f"the API gave it to {took}",
            )


# -- 1.2 ------------------------------------------------------------------------------------------


@exercise(
    "1.2",
    "The route selection as a function",
    kind=Kind.FILL_IN,
    difficulty=2,
    minutes=10,
    needs=("1.1",),
    hints=(
        "How many ways are there for a message to miss its route?",
        "First find the text in the member `action`, if there is one. Then ask whether it is a key of "
        "`routes` that messages can reach. Only then think of `$default`, which may be missing.",
        "try: body = json.loads(message) … except ValueError: body = None. Then "
        'isinstance(body, dict), body.get("action"), and at the end: '
        'return "$default" if "$default" in routes else None.',
    ),
    diagnoses={
        "NOT_JSON_FAILS": "let a message that is no JSON go where what matches nothing goes",
        "NO_OBJECT_FAILS": "ask whether the JSON is an object before you look for a member in it",
        "NO_ACTION_FAILS": "let an object go where what matches nothing goes if its `action` is missing, "
        "or is no text",
        "LIFECYCLE": "let no message reach `$connect` or `$disconnect`",
        "NOT_A_ROUTE": "ask whether what the message names is one of `routes` before you return it",
        "NO_DEFAULT": "give what matches no route to `$default`",
        "DEFAULT_INVENTED": "return None where the API has no `$default`",
        "WRONG_ROUTE": "return the route whose key is the text in `action`",
    },
    solved="API Gateway evaluates the expression once for each message, and compares the result with "
    "the route keys as text.",
)
def route_selection(attempt: Attempt, route_key: Callable[[str, set[str]], Any]) -> None:
    with attempt.sandbox() as aws:
        function = aws.function("echo", ECHO)
        name = f"order{aws.random.randrange(1000)}"
        messages = (
            json.dumps({"action": name, "id": aws.random.randrange(100)}),
            json.dumps({"action": "nonsense"}),
            json.dumps({"id": 1}),
            name,
            json.dumps([name]),
            json.dumps(name),
            json.dumps({"action": "$connect"}),
            json.dumps({"action": "$disconnect"}),
            json.dumps({"action": {"name": name}}),
            "",
        )
        for routes in ({"$default", "$connect", name}, {name, "$connect", "$disconnect"}):
            url = aws.websocket_api(dict.fromkeys(sorted(routes), function))
            for message, took in zip(messages, _chosen(aws, url, messages), strict=True):
                _compare(attempt, route_key, message, routes, took)


def _compare(
    attempt: Attempt,
    route_key: Callable[[str, set[str]], Any],
    message: str,
    routes: set[str],
    took: str | None,
) -> None:
    shown = f"route_key({message!r}, {sorted(routes)})"
    wanted = f"the API gave it to {took}" if took else "None: the API answered Forbidden"
    try:
        said = route_key(message, set(routes))
    except (ValueError, AttributeError, TypeError, KeyError) as error:
        raise attempt.not_yet(
            _fails_on(message), did=f"{shown} raised {type(error).__name__}", expected=wanted
        ) from None
    if said == took:
        return
    if said in ("$connect", "$disconnect"):
        code = "LIFECYCLE"
    elif said == "$default":
        code = "DEFAULT_INVENTED" if took is None else "WRONG_ROUTE"
    elif took == "$default" and said is None:
        code = "NO_DEFAULT"
    elif said is not None and said not in list(routes):
        code = "NOT_A_ROUTE"
    else:
        code = "WRONG_ROUTE"
    raise attempt.not_yet(code, did=f"{shown} gave {said!r}", expected=wanted)


def _fails_on(message: str) -> str:
    """The diagnosis for a function that fails on a message: by what the message is."""
    try:
        body = json.loads(message)
    except ValueError:
        return "NOT_JSON_FAILS"
    return "NO_ACTION_FAILS" if isinstance(body, dict) else "NO_OBJECT_FAILS"


# -- 1.3 ------------------------------------------------------------------------------------------

LINES = {
    "a": 'client.send("hello")',
    "b": 'api = apis.create_api(Name="echo", ProtocolType="WEBSOCKET", '
    'RouteSelectionExpression="$request.body.action")',
    "c": 'deployment = apis.create_deployment(ApiId=api["ApiId"])',
    "d": 'integration = apis.create_integration(ApiId=api["ApiId"], IntegrationType="AWS_PROXY", '
    'IntegrationMethod="POST", IntegrationUri=uri)',
    "e": 'client = websocket.create_connection(api["ApiEndpoint"] + "/prod", timeout=1)',
    "f": "print(client.recv())",
    "g": 'uri = f"arn:aws:apigateway:{apis.meta.region_name}:lambda:path/2015-03-31/functions/'
    '{function}/invocations"',
    "h": 'apis.create_stage(ApiId=api["ApiId"], StageName="prod", '
    'DeploymentId=deployment["DeploymentId"])',
    "i": 'apis.create_route(ApiId=api["ApiId"], RouteKey="$default", '
    'Target="integrations/" + integration["IntegrationId"])',
}


@exercise(
    "1.3",
    "From nothing to the first echo",
    kind=Kind.ORDER_LINES,
    difficulty=2,
    minutes=8,
    hints=(
        "Which line needs nothing that another line makes?",
        "API, integration, route, deployment, stage: each is made of the one before it. A client "
        "comes last, and it sends before it can receive.",
        "Begin with g and b, in either order. The client's lines are e, a, f, at the end.",
    ),
    diagnoses={
        "NOT_ALL_LINES": "use each of the nine letters once",
        "USED_BEFORE_MADE": "put the line that makes a name above the lines that use it",
        "NOTHING_TO_DEPLOY": "make the route before the deployment: an empty API cannot be deployed",
        "NO_STAGE": "make the stage before a client connects to it",
        "NOTHING_RECEIVED": "send before you wait for an answer",
    },
)
def first_echo(attempt: Attempt, order: Any) -> None:
    given = order if isinstance(order, list | tuple | str) else ()
    letters = [each for each in (str(letter).strip(" ,").lower() for letter in given) if each]
    if sorted(letters) != sorted(LINES):
        missing = [letter for letter in LINES if letter not in letters]
        raise attempt.not_yet(
            "NOT_ALL_LINES",
            did=f"your order is {letters}",
            expected=f"each of a to i once; missing: {', '.join(missing) or 'none'}",
        )
    with attempt.sandbox() as aws, contextlib.ExitStack() as after:
        names = {
            "apis": aws.client("apigatewayv2"),
            "function": aws.function("echo", ECHO),
            "websocket": websocket,
        }
        printed = io.StringIO()
        for letter in letters:
            try:
                with contextlib.redirect_stdout(printed):
                    exec(LINES[letter], names)
            except Exception as error:
                raise _stopped(attempt, letter, error) from None
            if letter == "e":
                after.callback(names["client"].shutdown)
                if letters.index("f") < letters.index("a"):
                    names["client"].settimeout(0.3)  # nothing was sent, so nothing will come
        if "hello" not in printed.getvalue():
            raise attempt.not_yet(
                "NOTHING_RECEIVED",
                did=f"the lines printed {printed.getvalue().strip() or 'nothing'}",
                expected='the echo of "hello"',
            )


def _stopped(attempt: Attempt, letter: str, error: Exception) -> Exception:
    said = f"{type(error).__name__}: {error}".partition("-+-+-")[0].strip()
    if isinstance(error, ClientError):  # without "An error occurred … when calling …"
        said = f"{type(error).__name__}: {error.response['Error']['Message']}"
    code, expected = "USED_BEFORE_MADE", "every name is made before it is used"
    if isinstance(error, websocket.WebSocketBadStatusException):
        code, expected = "NO_STAGE", "there is a stage of that name when the client connects"
    elif isinstance(error, websocket.WebSocketTimeoutException):
        code, expected = "NOTHING_RECEIVED", "a message was sent before an answer is awaited"
    elif "At least one route" in said:
        code, expected = "NOTHING_TO_DEPLOY", "the API has a route when it is deployed"
    return attempt.not_yet(
        code,
        did=textwrap.shorten(f"line {letter} stopped: {said}", 100, placeholder=" …"),
        expected=expected,
    )


# -- 1.4 ------------------------------------------------------------------------------------------


@exercise(
    "1.4",
    "The route that nobody can use",
    kind=Kind.FIND_THE_FAULT,
    difficulty=2,
    minutes=8,
    hints=(
        "The route is in the API. Do clients see the API, or something made of it?",
        "A stage serves a deployment. A route that was made later is not in it. There must be a new "
        "deployment, and the stage must be told to serve it.",
        "After create_route: deployment = apis.create_deployment(ApiId=api_id), then "
        'apis.update_stage(ApiId=api_id, StageName=stage, DeploymentId=deployment["DeploymentId"]).',
    ),
    diagnoses={
        "NOT_DEPLOYED": "make a deployment after the route",
        "DEPLOYED_TOO_EARLY": "make the deployment after the route, not before it",
        "NOT_ON_STAGE": "tell the stage to serve the new deployment",
        "OTHER_STAGE": "publish on the stage that the function is given",
        "AUTO_DEPLOY": "leave the stage without AutoDeploy, and give it a new deployment instead",
        "NO_ROUTE": "keep making the route, under the key and for the integration that are given",
    },
    solved="A deployment never changes. To go back after a bad release, point the stage to the "
    "deployment before it.",
)
def unusable_route(attempt: Attempt, add_route: Callable[..., Any]) -> None:
    with attempt.sandbox() as aws:
        apis = aws.client("apigatewayv2")
        stage = f"live{aws.random.randrange(100)}"
        key = aws.random.choice(["refund", "return", "invoice"])
        function = aws.function("echo", ECHO)
        api_id = aws.websocket_api({"order": function}).split("/")[-2]
        apis.delete_stage(ApiId=api_id, StageName=STAGE)
        first = apis.create_deployment(ApiId=api_id)["DeploymentId"]
        apis.create_stage(ApiId=api_id, StageName=stage, DeploymentId=first)
        integration = apis.get_integrations(ApiId=api_id)["Items"][0]["IntegrationId"]
        add_route(apis, api_id, stage, key, integration)

        routes = {route["RouteKey"] for route in apis.get_routes(ApiId=api_id)["Items"]}
        if key not in routes:
            raise attempt.not_yet(
                "NO_ROUTE", did=f"the API has the routes {sorted(routes)}", expected=f"{key!r} too"
            )
        endpoint = apis.get_api(ApiId=api_id)["ApiEndpoint"]
        try:
            took = _chosen(
                aws, f"{endpoint}/{stage}", ['{"action": "order"}', f'{{"action": "{key}"}}']
            )
        except Refused as refused:
            raise attempt.not_yet(
                "OTHER_STAGE",
                did=f"clients of the stage {stage!r} are refused with {refused.status}",
                expected="they connect as before",
            ) from None
        if took != ["order", key]:
            raise _why_forbidden(attempt, aws, api_id, stage, key, first)
        if apis.get_stage(ApiId=api_id, StageName=stage).get("AutoDeploy"):
            raise attempt.not_yet(
                "AUTO_DEPLOY",
                did=f"the stage {stage!r} has AutoDeploy now: each later change is public at once",
                expected="the new route is public, and the next change waits for its deployment",
            )


def _why_forbidden(
    attempt: Attempt, aws: Sandbox, api_id: str, stage: str, key: str, first: str
) -> Exception:
    apis = aws.client("apigatewayv2")
    stages = apis.get_stages(ApiId=api_id)["Items"]
    served = {each["StageName"]: each.get("DeploymentId") for each in stages}
    made = [
        call["operation"]
        for call in aws.calls("apigateway")
        if call["operation"] in ("CreateRoute", "CreateDeployment")
    ]
    # What the check itself called comes first: a route, and a deployment of it.
    since = made[made.index("CreateDeployment") + 1 :]
    did = f'on {stage!r}, {{"action": "{key}"}} is answered Forbidden'
    expected = f"the route {key!r} takes it"
    if "CreateDeployment" not in since:
        code = "NOT_DEPLOYED"
    elif served.get(stage) == first and len(set(served.values())) > 1:
        code = "OTHER_STAGE"
    elif served.get(stage) == first:
        code = "NOT_ON_STAGE"
    elif since.index("CreateDeployment") < since.index("CreateRoute"):
        code = "DEPLOYED_TOO_EARLY"
    else:
        code = "NO_ROUTE"
    return attempt.not_yet(code, did=did, expected=expected)


# -- 1.5 ------------------------------------------------------------------------------------------


@exercise(
    "1.5",
    "Why did it end?",
    kind=Kind.FILL_IN,
    difficulty=3,
    minutes=10,
    hints=(
        "What kinds of frames can come, and what tells you which one it is?",
        "Read in a loop. A text frame is a message; a close frame carries its code in two bytes and "
        "ends the loop; an exception means that no close frame came.",
        "while True: opcode, data = connection.recv_data() … if opcode == "
        'websocket.ABNF.OPCODE_CLOSE: return messages, int.from_bytes(data[:2], "big").',
    ),
    diagnoses={
        "LOST_MESSAGES": "keep every message that comes before the end, in its order",
        "NOT_TEXT": "turn each message's bytes into text",
        "CODE_IN_MESSAGES": "tell the close frame from the messages by its opcode",
        "WRONG_CODE": "read the code from the first two bytes of the close frame, the high byte first",
        "NO_1006": "return the messages and 1006 when the connection is lost without a close frame",
        "NOT_TWO": "return the list of messages and the code",
    },
)
def close_codes(attempt: Attempt, listen: Callable[[Any], Any]) -> None:
    with attempt.sandbox() as aws:
        url = aws.websocket_api({"$default": aws.function("echo", ECHO)})
        management = boto3.client(
            "apigatewaymanagementapi", endpoint_url=aws.management_endpoint(url)
        )

        def deleted(client: Socket) -> int:
            management.delete_connection(ConnectionId=client.id)
            return 1000

        def too_big(client: Socket) -> int:
            client.send("x" * (32 * 1024 + 1))
            return 1009

        def lost(client: Socket) -> int:
            # Named by its id, the connection would be cut at once, and sending would be the error.
            aws.fault("connection", "drop", api=url.split("/")[-2])
            client.send("anybody there?")
            return 1006

        for end in (deleted, too_big, lost):
            texts = [f"news {aws.random.randrange(1000)}" for _ in range(aws.random.randint(2, 4))]
            client = aws.connect(url)
            for text in texts:
                management.post_to_connection(ConnectionId=client.id, Data=text.encode())
            code = end(client)
            client.connection.settimeout(2)
            _heard(attempt, listen, client.connection, texts, code)


def _heard(
    attempt: Attempt,
    listen: Callable[[Any], Any],
    client: websocket.WebSocket,
    texts: list[str],
    code: int,
) -> None:
    expected = f"{texts} and {code}"
    try:
        heard = listen(client)
    except websocket.WebSocketTimeoutException:
        raise attempt.not_yet(
            "WRONG_CODE", did="listen went on reading after the end", expected=expected
        ) from None
    except websocket.WebSocketConnectionClosedException:
        raise attempt.not_yet(
            "NO_1006" if code == 1006 else "CODE_IN_MESSAGES",
            did="listen raised WebSocketConnectionClosedException",
            expected=expected,
        ) from None
    if not isinstance(heard, tuple | list) or len(heard) != 2 or not isinstance(heard[0], list):
        raise attempt.not_yet("NOT_TWO", did=f"listen returned {heard!r}"[:90], expected=expected)
    messages, said = heard
    did = f"listen returned {messages} and {said!r}"[:160]
    if messages == [text.encode() for text in texts]:
        raise attempt.not_yet("NOT_TEXT", did=did, expected=expected)
    if len(messages) > len(texts):
        raise attempt.not_yet("CODE_IN_MESSAGES", did=did, expected=expected)
    if messages != texts:
        raise attempt.not_yet("LOST_MESSAGES", did=did, expected=expected)
    if said != code:
        raise attempt.not_yet(
            "NO_1006" if code == 1006 else "WRONG_CODE", did=did, expected=expected
        )


# -- 1.6 ------------------------------------------------------------------------------------------


@exercise(
    "1.6",
    "Make: an API for your system",
    kind=Kind.MAKE,
    difficulty=3,
    minutes=15,
    needs=("1.3", "1.4"),
    hints=(
        "Which of the four kinds of things is made once, and which once for each route?",
        "One API and one stage; an integration and a route for each entry of `routes`. The URL is the "
        "API's endpoint and the stage's name.",
        'for route_key, function in routes.items(): create_integration(…, IntegrationUri=f"arn:aws:'
        'apigateway:{region}:lambda:path/2015-03-31/functions/{function}/invocations"), then '
        "create_route(…). At the end create_stage(…, AutoDeploy=True).",
    ),
    diagnoses={
        "NOT_TWO": "return the API's id and the URL, in this order",
        "WRONG_URL": "return the URL that clients connect to: the API's endpoint, a slash, the stage",
        "NOT_DEPLOYED": "publish the API on the stage `prod`",
        "NO_FUNCTION": "let each route's Target be `integrations/` and the integration's id, and the "
        "integration's URI end in the function's ARN and `/invocations`",
        "WRONG_SELECTION": "let messages find their route by the member `action`",
        "ONE_FUNCTION_FOR_ALL": "give each route an integration with its own function",
        "ROUTE_MISSING": "make a route for each entry of `routes`, `$connect` too",
        "WRONG_NAME": "give the API the name that the function gets",
    },
    solved="This function is part of your system now: resume() calls it in later lessons.",
)
def build(attempt: Attempt, build_api: Callable[[str, dict[str, str]], Any]) -> None:
    with attempt.sandbox() as aws:
        keys = ["$connect", "$default", *aws.random.sample(["order", "cancel", "subscribe"], 2)]
        functions = {key: aws.function(f"on-{key.strip('$')}", _named(key)) for key in keys}
        name = f"shop{aws.random.randrange(1000)}"
        built = build_api(name, dict(functions))
        if not isinstance(built, tuple | list) or len(built) != 2:
            raise attempt.not_yet(
                "NOT_TWO", did=f"build_api returned {built!r}"[:90], expected="an API id and a URL"
            )
        api_id, url = built
        apis = {api["ApiId"]: api for api in aws.client("apigatewayv2").get_apis()["Items"]}
        if not isinstance(api_id, str) or api_id not in apis:
            raise attempt.not_yet(
                "NOT_TWO",
                did=f"no API has the id {str(api_id)[:60]!r}",
                expected=f"the id comes first; APIs there are: {', '.join(apis) or 'none'}",
            )
        if apis[api_id]["Name"] != name:
            raise attempt.not_yet(
                "WRONG_NAME", did=f"its name is {apis[api_id]['Name']!r}", expected=repr(name)
            )
        right = f"{apis[api_id]['ApiEndpoint']}/prod"
        if str(url).rstrip("/") != right:
            raise attempt.not_yet("WRONG_URL", did=f"the URL is {url}", expected=right)
        _serves(attempt, aws, right, keys)


def _named(key: str) -> str:
    """A function that tells which one it is."""
    return ECHO.replace('"body": event["body"]', f'"function": {key!r}')


def _serves(attempt: Attempt, aws: Sandbox, url: str, keys: list[str]) -> None:
    try:
        client = aws.connect(url)
    except Refused as refused:
        raise attempt.not_yet(
            "NO_FUNCTION" if refused.status >= 500 else "NOT_DEPLOYED",
            did=f"a client that connects to the URL is refused with {refused.status}"
            + (": $connect leads to no function" if refused.status >= 500 else ""),
            expected="it connects",
        ) from None
    if not aws.invocations("on-connect"):
        called = [key for key in keys if aws.invocations(f"on-{key.strip('$')}")]
        raise attempt.not_yet(
            "ONE_FUNCTION_FOR_ALL" if called else "ROUTE_MISSING",
            did=f"connecting called {f'the one for {called[0]}' if called else 'no function'}",
            expected="the function for $connect",
        )
    answers = {}
    for key in keys[1:]:
        client.send({"action": key})
        answers[key] = client.receive()
    own = [key for key in keys[2:] if answers[key].get("route") == key]
    for key, answer in answers.items():
        did = f'{{"action": "{key}"}} went to {answer.get("function", "no function")}'
        if answer.get("message"):
            did = f'{{"action": "{key}"}} is answered {answer["message"]}'
        if answer.get("function") == key and answer.get("route") == key:
            continue
        if answer.get("route") == key:
            code = "ONE_FUNCTION_FOR_ALL"
        elif not own and answer.get("route") == "$default":
            code = "WRONG_SELECTION"
        else:
            code = "ROUTE_MISSING"
        raise attempt.not_yet(code, did=did, expected=f"the function for {key} gets it")
