"""Build the pattern with boto3, step by step; and take it down again.

    system = build()
    teardown()

Each step makes one resource, or finds it from an earlier run and brings it up to date: new code is
deployed, a new definition takes effect, the shop is restocked.  The same code builds it on the local
cloud and on an account.  (On an account one would leave this to CloudFormation; here every call is
to be seen.)
"""

from __future__ import annotations

import contextlib
import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import boto3
from botocore.exceptions import ClientError

HERE = Path(__file__).parent
STAGE = "prod"
RUNTIME = "python3.12"
ANSWERED = 14_000
"""Milliseconds that API Gateway waits for a function before it answers in its place: longer than the
functions may run (10 s), and less than the clients wait, so whoever has no answer will get none."""

T = TypeVar("T")


@dataclass(frozen=True)
class System:
    """What was built.

    Attributes:
        orders_url: where orders are posted to.
        websocket_url: where clients connect to; they need a ticket, too.
        functions: the functions' names, by file.
    """

    orders_url: str
    websocket_url: str
    http_api_id: str
    websocket_api_id: str
    state_machine_arn: str
    executions_table: str
    connections_table: str
    products_table: str
    ticket_secret: str
    functions: Mapping[str, str]


def build(prefix: str = "orders", session: boto3.Session | None = None) -> System:
    """Build everything, or what is missing.

    Args:
        prefix: begins the name of every resource, so that several systems can live side by side.
        session: whose account and region; the default session's if not given.
    """
    aws = _Aws(prefix, session or boto3.Session())

    # What is remembered.
    executions = aws.table("executions", key="executionName", expires="expiresAt")
    connections = aws.table("connections", key="connectionId", expires="expiresAt")
    products = aws.table("products", key="sku")
    aws.stock(products, json.loads((HERE / "products.json").read_text("utf-8")))
    secret = aws.secret("ticket-secret")

    # The WebSocket API: its id and address are known from here on, its routes follow.
    socket_api, socket_endpoint = aws.api(
        "websocket", "WEBSOCKET", RouteSelectionExpression="$request.body.action"
    )
    websocket_url = f"{socket_endpoint}/{STAGE}"
    socket_host = f"{socket_api}.execute-api.{aws.region}.amazonaws.com"
    machine = aws.arn("states", f"stateMachine:{aws.name('work')}")

    # The functions: one package for all, and for each a role that allows what it does.
    executions_arn, connections_arn, products_arn = (
        aws.arn("dynamodb", f"table/{table}") for table in (executions, connections, products)
    )
    change_execution = _allow(executions_arn, "dynamodb:UpdateItem")
    read_execution = _allow(executions_arn, "dynamodb:GetItem")
    change_stock = _allow(products_arn, "dynamodb:UpdateItem")
    read_secret = _allow(secret, "secretsmanager:GetSecretValue")
    send = _allow(
        aws.arn("execute-api", f"{socket_api}/{STAGE}/POST/@connections/*"),
        "execute-api:ManageConnections",
    )
    allowed = {
        "place_order": [
            _allow(executions_arn, "dynamodb:PutItem"),
            _allow(machine, "states:StartExecution"),
            read_secret,
        ],
        "connect": [
            _allow(connections_arn, "dynamodb:PutItem"),
            change_execution,
            read_secret,
        ],
        "subscribe": [_allow(connections_arn, "dynamodb:GetItem"), change_execution, send],
        "disconnect": [_allow(connections_arn, "dynamodb:DeleteItem"), change_execution],
        "default": [_allow(connections_arn, "dynamodb:GetItem"), send],
        "do_work": [
            _allow(products_arn, "dynamodb:BatchGetItem"),
            change_stock,
            read_execution,
            change_execution,
            send,
        ],
        "release_stock": [change_stock, read_execution, change_execution],
    }
    environment = {
        "EXECUTIONS_TABLE": executions,
        "CONNECTIONS_TABLE": connections,
        "PRODUCTS_TABLE": products,
        "TICKET_SECRET": secret,
        "STATE_MACHINE_ARN": machine,
        "WEBSOCKET_URL": websocket_url,
        "MANAGEMENT_ENDPOINT": f"https://{socket_host}/{STAGE}",
    }
    code = _package(HERE / "functions")
    functions = {
        file: aws.function(file, code, environment, aws.role(file, "lambda", [_LOGS, *statements]))
        for file, statements in allowed.items()
    }

    # The WebSocket API's routes, deployed to a stage.
    for key, file in {
        "$connect": "connect",
        "subscribe": "subscribe",
        "$disconnect": "disconnect",
        "$default": "default",
    }.items():
        aws.route(socket_api, key, functions[file])
    deployment = aws.apis.create_deployment(ApiId=socket_api)["DeploymentId"]
    aws.stage(socket_api, STAGE, DeploymentId=deployment)

    # The state machine, whose definition names no account, no region and no stage by itself.
    task_functions = [functions["do_work"], functions["release_stock"]]
    aws.state_machine(
        "work",
        _substitute(
            (HERE / "state_machine.asl.json").read_text("utf-8"),
            DoWorkFunctionArn=functions["do_work"],
            ReleaseStockFunctionArn=functions["release_stock"],
            ExecutionsTable=executions,
            WebSocketApiId=socket_api,
            Region=aws.region,
            Stage=STAGE,
        ),
        aws.role(
            "work",
            "states",
            [
                _allow(task_functions, "lambda:InvokeFunction"),
                read_execution,
                change_execution,
                send,
            ],
        ),
    )

    # The synchronous API in front.  A page of any origin may send an order, such as the browser client
    # in a bucket of S3: what proves who ordered is the Idempotency-Key, not a cookie.
    # https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html
    cors = {
        "AllowOrigins": ["*"],
        "AllowMethods": ["POST"],
        "AllowHeaders": ["content-type", "idempotency-key"],
        "MaxAge": 3600,
    }
    http_api, http_endpoint = aws.api("http", "HTTP", CorsConfiguration=cors)
    aws.route(http_api, "POST /orders", functions["place_order"], PayloadFormatVersion="2.0")
    aws.stage(http_api, "$default", AutoDeploy=True)

    aws.wait_until_active(functions.values())
    return System(
        orders_url=f"{http_endpoint}/orders",
        websocket_url=websocket_url,
        http_api_id=http_api,
        websocket_api_id=socket_api,
        state_machine_arn=machine,
        executions_table=executions,
        connections_table=connections,
        products_table=products,
        ticket_secret=secret,
        functions={file: arn.rsplit(":", 1)[-1] for file, arn in functions.items()},
    )


def teardown(prefix: str = "orders", session: boto3.Session | None = None) -> list[str]:
    """Close connections, stop executions, and delete everything that :func:`build` made.

    What is gone already is no error, so a second run finishes what a first one began.

    Returns:
        What is still there, which should be nothing.
    """
    aws = _Aws(prefix, session or boto3.Session())
    machine = aws.arn("states", f"stateMachine:{aws.name('work')}")
    with _gone_is_fine():
        for execution in _pages(aws.states, "list_executions", stateMachineArn=machine):
            if execution["status"] == "RUNNING":
                aws.states.stop_execution(executionArn=execution["executionArn"])
    aws.states.delete_state_machine(stateMachineArn=machine)

    # The functions go before the connections and their logs after both: $disconnect would run once
    # more for each connection, and whatever runs makes its log group anew.
    for name in aws.functions_of_mine():
        aws.functions.delete_function(FunctionName=name)
    for api in aws.apis_of_mine():
        if api["ProtocolType"] == "WEBSOCKET":
            aws.close_connections(api["ApiId"], aws.name("connections"))
        aws.apis.delete_api(ApiId=api["ApiId"])
    for name in aws.log_groups_of_mine():
        aws.logs.delete_log_group(logGroupName=name)
    for name in aws.roles_of_mine():
        with _gone_is_fine():
            aws.iam.delete_role_policy(RoleName=name, PolicyName="what-it-does")
        aws.iam.delete_role(RoleName=name)
    for name in aws.tables_of_mine():
        aws.dynamodb.delete_table(TableName=name)
        aws.dynamodb.get_waiter("table_not_exists").wait(TableName=name)
    with _gone_is_fine():
        aws.secrets.delete_secret(
            SecretId=aws.name("ticket-secret"), ForceDeleteWithoutRecovery=True
        )
    return [
        *(api["Name"] for api in aws.apis_of_mine()),
        *aws.functions_of_mine(),
        *aws.log_groups_of_mine(),
        *aws.roles_of_mine(),
        *aws.tables_of_mine(),
    ]


class _Aws:
    """The steps: each makes one resource, or finds it and brings it up to date."""

    def __init__(self, prefix: str, session: boto3.Session) -> None:
        client: Callable[[str], Any] = session.client
        self.prefix = prefix
        self.region = session.region_name or "us-east-1"
        self.account = client("sts").get_caller_identity()["Account"]
        self.apis = client("apigatewayv2")
        self.dynamodb = client("dynamodb")
        self.functions = client("lambda")
        self.iam = client("iam")
        self.logs = client("logs")
        self.secrets = client("secretsmanager")
        self.states = client("stepfunctions")
        self.session = session

    def name(self, what: str) -> str:
        return f"{self.prefix}-{what.replace('_', '-')}"

    def arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"

    def table(self, what: str, *, key: str, expires: str = "") -> str:
        name = self.name(what)
        try:
            self.dynamodb.create_table(
                TableName=name,
                KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
            )
        except self.dynamodb.exceptions.ResourceInUseException:
            return name
        self.dynamodb.get_waiter("table_exists").wait(TableName=name)
        if expires:
            self.dynamodb.update_time_to_live(
                TableName=name,
                TimeToLiveSpecification={"Enabled": True, "AttributeName": expires},
            )
        return name

    def stock(self, table: str, products: list[dict[str, Any]]) -> None:
        puts = [
            {
                "PutRequest": {
                    "Item": {
                        "sku": {"S": product["sku"]},
                        "name": {"S": product["name"]},
                        "unitPrice": {"N": product["unitPrice"]},
                        "currency": {"S": product["currency"]},
                        "available": {"N": str(product["available"])},
                    }
                }
            }
            for product in products
        ]
        self.dynamodb.batch_write_item(RequestItems={table: puts})

    def secret(self, what: str) -> str:
        try:
            # The secret is made inside Secrets Manager; no program of ours ever holds it but those
            # that sign with it.
            made = self.secrets.create_secret(Name=self.name(what))
        except self.secrets.exceptions.ResourceExistsException:
            found = self.secrets.describe_secret(SecretId=self.name(what))
            return str(found["ARN"])
        password = self.secrets.get_random_password(PasswordLength=64, ExcludePunctuation=True)
        self.secrets.put_secret_value(SecretId=made["ARN"], SecretString=password["RandomPassword"])
        return str(made["ARN"])

    def role(self, what: str, service: str, statements: list[dict[str, Any]]) -> str:
        name = self.name(f"{what}-role")
        trust = {
            "Effect": "Allow",
            "Principal": {"Service": f"{service}.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
        try:
            role = self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=_policy([trust]))
        except self.iam.exceptions.EntityAlreadyExistsException:
            role = self.iam.get_role(RoleName=name)
        self.iam.put_role_policy(
            RoleName=name, PolicyName="what-it-does", PolicyDocument=_policy(statements)
        )
        return str(role["Role"]["Arn"])

    def function(self, file: str, code: bytes, environment: dict[str, str], role: str) -> str:
        name = self.name(file)
        settings = {
            "FunctionName": name,
            "Handler": f"functions.{file}.handler",
            "Runtime": RUNTIME,
            "Role": role,
            "Timeout": 30 if file in ("do_work", "release_stock") else 10,
            "MemorySize": 256,
            "Environment": {"Variables": environment},
        }
        try:
            made = _until_role_is_known(
                lambda: self.functions.create_function(**settings, Code={"ZipFile": code})
            )
        except self.functions.exceptions.ResourceConflictException:
            made = self.functions.update_function_configuration(**settings)
            self.functions.get_waiter("function_updated_v2").wait(FunctionName=name)
            self.functions.update_function_code(FunctionName=name, ZipFile=code)
        return str(made["FunctionArn"])

    def wait_until_active(self, functions: Any) -> None:
        for arn in functions:
            self.functions.get_waiter("function_active_v2").wait(FunctionName=arn)

    def api(self, what: str, protocol: str, **settings: Any) -> tuple[str, str]:
        name = self.name(what)
        for api in self.apis_of_mine():
            if api["Name"] == name:
                self.apis.update_api(ApiId=api["ApiId"], **settings)
                return api["ApiId"], api["ApiEndpoint"]
        api = self.apis.create_api(Name=name, ProtocolType=protocol, **settings)
        return api["ApiId"], api["ApiEndpoint"]

    def route(self, api: str, key: str, function: str, **settings: str) -> None:
        routes = self.apis.get_routes(ApiId=api)["Items"]
        if any(route["RouteKey"] == key for route in routes):
            return
        integration = self.apis.create_integration(
            ApiId=api,
            IntegrationType="AWS_PROXY",
            IntegrationMethod="POST",
            IntegrationUri=f"arn:aws:apigateway:{self.region}:lambda:path/2015-03-31/functions/{function}/invocations",
            TimeoutInMillis=ANSWERED,
            **settings,
        )
        self.apis.create_route(
            ApiId=api, RouteKey=key, Target=f"integrations/{integration['IntegrationId']}"
        )
        with contextlib.suppress(self.functions.exceptions.ResourceConflictException):
            self.functions.add_permission(
                FunctionName=function,
                StatementId=f"invoked-by-{api}",
                Action="lambda:InvokeFunction",
                Principal="apigateway.amazonaws.com",
                SourceArn=self.arn("execute-api", f"{api}/*"),
            )

    def stage(self, api: str, name: str, **settings: Any) -> None:
        stages = self.apis.get_stages(ApiId=api)["Items"]
        if any(stage["StageName"] == name for stage in stages):
            self.apis.update_stage(ApiId=api, StageName=name, **settings)
        else:
            self.apis.create_stage(ApiId=api, StageName=name, **settings)

    def state_machine(self, what: str, definition: str, role: str) -> None:
        try:
            _until_role_is_known(
                lambda: self.states.create_state_machine(
                    name=self.name(what), definition=definition, roleArn=role, type="STANDARD"
                )
            )
        except self.states.exceptions.StateMachineAlreadyExists:
            arn = self.arn("states", f"stateMachine:{self.name(what)}")
            self.states.update_state_machine(
                stateMachineArn=arn, definition=definition, roleArn=role
            )

    def close_connections(self, api: str, table: str) -> None:
        host = f"{api}.execute-api.{self.region}.amazonaws.com"
        client: Callable[..., Any] = self.session.client
        management = client("apigatewaymanagementapi", endpoint_url=f"https://{host}/{STAGE}")
        with _gone_is_fine():
            for item in _pages(self.dynamodb, "scan", TableName=table):
                with _gone_is_fine():
                    management.delete_connection(ConnectionId=item["connectionId"]["S"])

    def apis_of_mine(self) -> list[dict[str, Any]]:
        return [
            api
            for api in _pages(self.apis, "get_apis")
            if api["Name"] in (self.name("websocket"), self.name("http"))
        ]

    def functions_of_mine(self) -> list[str]:
        names = [found["FunctionName"] for found in _pages(self.functions, "list_functions")]
        return self._mine(names)

    def log_groups_of_mine(self) -> list[str]:
        mine = f"/aws/lambda/{self.prefix}-"
        found = _pages(self.logs, "describe_log_groups", logGroupNamePrefix=mine)
        return [group["logGroupName"] for group in found]

    def roles_of_mine(self) -> list[str]:
        names = self._mine(found["RoleName"] for found in _pages(self.iam, "list_roles"))
        return [name for name in names if name.endswith("-role")]

    def tables_of_mine(self) -> list[str]:
        return self._mine(_pages(self.dynamodb, "list_tables"))

    def _mine(self, names: Any) -> list[str]:
        return [name for name in names if name.startswith(f"{self.prefix}-")]


_LOGS = {
    "Effect": "Allow",
    "Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
    "Resource": "*",
}


def _allow(resource: str | list[str], *actions: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource}


def _policy(statements: list[dict[str, Any]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def _package(folder: Path) -> bytes:
    """The folder as a zip file, in which it is a package.  Equal sources give equal bytes."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        for path in sorted(folder.glob("*.py")):
            entry = zipfile.ZipInfo(f"{folder.name}/{path.name}")  # dated 1980
            entry.external_attr = 0o644 << 16  # Lambda must be able to read it
            out.writestr(entry, path.read_bytes())
    return archive.getvalue()


def _substitute(text: str, **values: str) -> str:
    # JSONPath begins with $ as well ("$.order", "$$.Execution.Name"), so only ${Name} is replaced,
    # as SAM's DefinitionSubstitutions do.
    for name, value in values.items():
        text = text.replace(f"${{{name}}}", value)
    return text


def _until_role_is_known(call: Callable[[], T]) -> T:
    """Make the call; on an account, a new role takes some seconds to be known everywhere."""
    for _ in range(15):
        try:
            return call()
        except ClientError as error:
            if "assume" not in str(error):
                raise
        time.sleep(2)
    return call()


def _pages(client: Any, operation: str, **arguments: Any) -> Iterator[Any]:
    """Everything that a listing operation lists, whatever its pages."""
    paginator = client.get_paginator(operation)
    (listed, *_) = paginator.result_keys
    return iter(paginator.paginate(**arguments).search(f"{listed.expression}[]"))


@contextlib.contextmanager
def _gone_is_fine() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        gone = ("NotFound", "DoesNotExist", "NoSuchEntity", "Gone")
        if not any(word in code for word in gone):
            raise
