"""Calls to moto through the backend."""

import asyncio
import gc
import io
import json
import re
import sys
import threading
import time
import zipfile
from collections import Counter

import pytest
from botocore.exceptions import ClientError

from labkit.apigateway.model import Protocol
from labkit.backend import Backend
from labkit.clock import Clock
from labkit.errors import AwsError
from labkit.eventlog import EventLog
from labkit.faults import Faults
from labkit.wire import AwsRequest, Headers

ACCOUNT, REGION = "123456789012", "us-east-1"


@pytest.fixture
def log():
    return EventLog()


@pytest.fixture
def backend(log):
    made = Backend(log=log, faults=Faults(log), clock=Clock())
    yield made
    made.close()


@pytest.fixture
def client(backend):
    return lambda service, account=ACCOUNT: backend.client(service, REGION, account)


@pytest.fixture
def table(client):
    dynamodb = client("dynamodb")
    dynamodb.create_table(
        TableName="t",
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return dynamodb


def package(code="def handler(event, context):\n    return event\n"):
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        archive.writestr("work.py", code)
    return memory.getvalue()


@pytest.fixture
def function(client):
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "lambda.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    role = client("iam").create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps(trust))
    functions = client("lambda")
    functions.create_function(
        FunctionName="work",
        Runtime="python3.12",
        Handler="work.handler",
        Role=role["Role"]["Arn"],
        Code={"ZipFile": package()},
        Environment={"Variables": {"TABLE": "t"}},
        Timeout=7,
        MemorySize=256,
    )
    return functions


def put_item(key, *, condition=""):
    item = {"TableName": "t", "Item": {"k": {"S": key}}}
    if condition:
        item["ConditionExpression"] = condition
    return AwsRequest(
        method="POST",
        service="dynamodb",
        region=REGION,
        path="/",
        headers=Headers(
            {
                "X-Amz-Target": "DynamoDB_20120810.PutItem",
                "Content-Type": "application/x-amz-json-1.0",
            }
        ),
        body=json.dumps(item).encode(),
    )


# Calls


def test_many_services_answer_in_their_own_protocol(client):
    assert client("sts").get_caller_identity()["Account"] == ACCOUNT
    assert client("sns").create_topic(Name="t")["TopicArn"].endswith(f":{ACCOUNT}:t")
    assert client("events").list_event_buses()["EventBuses"][0]["Name"] == "default"
    assert client("ssm").put_parameter(Name="/p", Value="v", Type="String")["Version"] == 1
    assert client("secretsmanager").create_secret(Name="s", SecretString="x")["Name"] == "s"
    assert client("cloudwatch").list_metrics()["Metrics"] == []


def test_key_of_an_object_is_kept_as_it_is(client):
    s3 = client("s3")
    s3.create_bucket(Bucket="orders")
    s3.put_object(Bucket="orders", Key="a b/ä=%2F", Body=b"body")
    assert [o["Key"] for o in s3.list_objects_v2(Bucket="orders")["Contents"]] == ["a b/ä=%2F"]
    assert s3.get_object(Bucket="orders", Key="a b/ä=%2F")["Body"].read() == b"body"


def test_error_of_aws_is_an_answer(backend, table):
    backend.call(put_item("a"))
    answer = backend.call(put_item("a", condition="attribute_not_exists(k)"))
    assert answer.status == 400
    assert json.loads(answer.body)["__type"].endswith("#ConditionalCheckFailedException")


@pytest.mark.behaviour("cloud.machine.moto")
def test_call_that_moto_lacks_says_that_the_local_cloud_does_not_emulate_it(backend, log, client):
    with pytest.raises(ClientError, match="does not emulate") as raised:
        client("stepfunctions").delete_state_machine_version(stateMachineVersionArn="arn:x")
    assert raised.value.response["Error"]["Code"] == "NotImplemented"
    assert [e.kind for e in log if e.kind.startswith("cloud")] == ["cloud.warning"]


@pytest.mark.behaviour("cloud.machine.moto")
def test_service_that_moto_lacks_is_an_answer_too(backend, expected):
    request = AwsRequest(method="GET", service="nosuchservice", region=REGION, path="/")
    assert backend.call(request).status == expected.status


def test_failure_of_the_cloud_is_in_the_log_and_an_internal_failure(backend, log, table):
    request = put_item("a")
    request.method = None  # whatever a caller sends, it has one: this is the cloud's own mistake
    answer = backend.call(request)
    assert answer.status == 500
    assert json.loads(answer.body)["__type"] == "InternalFailure"
    assert [e.kind for e in log if e.kind.startswith("cloud")] == ["cloud.error"]


async def test_event_loop_goes_on_while_a_call_waits_for_its_turn(backend, table):
    entered, release = threading.Event(), threading.Event()

    def hold():
        with backend._lock:
            entered.set()
            release.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    assert entered.wait(10)
    waiting = asyncio.ensure_future(backend.answer(put_item("a")))
    await asyncio.sleep(0)
    assert not waiting.done()
    release.set()
    assert (await asyncio.wait_for(waiting, 10)).status == 200
    holder.join(10)


async def test_answers_are_those_of_call(backend, table):
    assert (await backend.answer(put_item("a"))).status == 200
    assert (await backend.answer(put_item("a", condition="attribute_not_exists(k)"))).status == 400


@pytest.mark.behaviour("dynamodb.writes.condition")
def test_each_conditional_write_has_one_winner(backend, table, expected):
    """moto alone lets two of four threads win the same key, a third of the time."""
    threads, keys = 4, 400
    winners: list[int] = []  # append is atomic, += is not
    refusals: list[bytes] = []
    start = threading.Barrier(threads)
    requests = [put_item(f"{n}", condition="attribute_not_exists(k)") for n in range(keys)]

    def write():
        start.wait(30)
        for number, request in enumerate(requests):
            answer = backend.call(request)
            if answer.status == 200:
                winners.append(number)
            else:
                refusals.append(answer.body)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    try:
        workers = [threading.Thread(target=write) for _ in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(60)
    finally:
        sys.setswitchinterval(interval)
    assert sorted(winners) == list(range(keys))
    errors = {json.loads(body)["__type"].rpartition("#")[2] for body in refusals}
    assert errors == {expected.error}


async def test_long_polling_holds_up_no_other_call(backend, client, table):
    sqs = client("sqs")
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    poll = asyncio.get_running_loop().run_in_executor(
        None, lambda: sqs.receive_message(QueueUrl=url, WaitTimeSeconds=10)
    )
    started = time.monotonic()
    assert (await asyncio.wait_for(backend.answer(put_item("a")), 5)).status == 200
    await asyncio.to_thread(sqs.send_message, QueueUrl=url, MessageBody="hello")
    received = await asyncio.wait_for(poll, 9)
    assert received["Messages"][0]["Body"] == "hello"
    assert time.monotonic() - started < 9


# API Gateway


@pytest.fixture
def api(client):
    v2 = client("apigatewayv2")
    made = v2.create_api(
        Name="chat", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action"
    )
    api_id = made["ApiId"]
    integration = v2.create_integration(
        ApiId=api_id, IntegrationType="AWS_PROXY", IntegrationUri="arn:uri"
    )["IntegrationId"]
    route = v2.create_route(ApiId=api_id, RouteKey="$default", Target=f"integrations/{integration}")
    v2.create_route_response(ApiId=api_id, RouteId=route["RouteId"], RouteResponseKey="$default")
    v2.create_stage(ApiId=api_id, StageName="prod", StageVariables={"color": "blue"})
    return api_id


def test_api_is_read_with_its_routes_and_integrations(backend, api):
    read = backend.api(api)
    assert read is not None
    assert read.protocol is Protocol.WEBSOCKET
    assert (read.account, read.region) == (ACCOUNT, REGION)
    assert read.route_selection_expression == "$request.body.action"
    route = read.routes["$default"]
    assert route.response_keys == {"$default"}
    integration = read.integration_of(route)
    assert integration is not None
    assert (integration.type, integration.uri) == ("AWS_PROXY", "arn:uri")
    assert integration.timeout_ms == 29_000
    assert [one.id for one in backend.apis()] == [api]


def test_a_route_key_and_a_stage_are_taken_once(client, api):
    v2 = client("apigatewayv2")
    for again, said in (
        (
            lambda: v2.create_route(ApiId=api, RouteKey="$default"),
            "Route with key $default already exists for this API",
        ),
        (lambda: v2.create_stage(ApiId=api, StageName="prod"), "Stage already exists"),
    ):
        with pytest.raises(v2.exceptions.ConflictException, match=re.escape(said)):
            again()
    assert len(v2.get_routes(ApiId=api)["Items"]) == 1
    assert v2.get_stage(ApiId=api, StageName="prod")["StageVariables"] == {"color": "blue"}


def test_an_id_alone_is_no_target_of_a_route(backend, client, api):
    v2 = client("apigatewayv2")
    integration = v2.get_integrations(ApiId=api)["Items"][0]["IntegrationId"]
    v2.create_route(ApiId=api, RouteKey="order", Target=integration)
    read = backend.api(api)
    assert read is not None
    assert read.integration_of(read.routes["order"]) is None


def test_unknown_api_is_none_and_has_no_stages(backend):
    assert backend.api("nothing") is None
    assert backend.stages("nothing") == []


def test_deployment_of_a_stage_is_shown(backend, client, api):
    backend.set_deployment(api, "prod", "d1")
    (stage,) = backend.stages(api)
    assert (stage.name, stage.deployment_id, stage.auto_deploy) == ("prod", "d1", False)
    assert stage.variables == {"color": "blue"}
    assert client("apigatewayv2").get_stage(ApiId=api, StageName="prod")["DeploymentId"] == "d1"


def test_stage_can_be_updated(backend, client, api):
    answer = client("apigatewayv2").update_stage(
        ApiId=api, StageName="prod", AutoDeploy=True, StageVariables={"color": "green"}
    )
    assert answer["AutoDeploy"] is True
    (stage,) = backend.stages(api)
    assert stage.auto_deploy is True
    assert stage.variables == {"color": "green"}


def test_deployment_to_a_stage_that_is_not_there_is_refused(backend, api):
    with pytest.raises(AwsError) as raised:
        backend.set_deployment(api, "nothing", "d1")
    assert (raised.value.code, raised.value.status) == ("NotFoundException", 404)


# Lambda


def test_function_is_read_as_it_is_deployed(backend, function):
    read = backend.function("work", ACCOUNT, REGION)
    assert read is not None
    assert read.arn == f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:work"
    assert (read.handler, read.runtime) == ("work.handler", "python3.12")
    assert (read.timeout, read.memory) == (7.0, 256)
    assert read.environment == {"TABLE": "t"}
    assert read.reserved_concurrency is None
    assert read.log_group == "/aws/lambda/work"
    assert zipfile.ZipFile(io.BytesIO(read.package)).namelist() == ["work.py"]


@pytest.mark.parametrize(
    "ref",
    [
        "work",
        "work:$LATEST",
        f"{ACCOUNT}:function:work",
        f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:work",
        f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:work:$LATEST",
        f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:work:live",
        "work:1",
    ],
)
def test_function_is_found_under_each_of_its_names(backend, function, ref):
    version = function.publish_version(FunctionName="work")["Version"]
    function.create_alias(FunctionName="work", Name="live", FunctionVersion=version)
    read = backend.function(ref, ACCOUNT, REGION)
    assert read is not None
    assert read.name == "work"
    assert read.version == ("1" if ref.endswith(("live", ":1")) else "$LATEST")


@pytest.mark.parametrize("ref", ["nothing", "work:7", "not a name", "arn:aws:s3:::work"])
def test_unknown_function_is_none(backend, function, ref):
    assert backend.function(ref, ACCOUNT, REGION) is None


def test_revision_changes_with_code_and_configuration_only(backend, function):
    seen = [backend.function("work", ACCOUNT, REGION).revision]
    function.get_function(FunctionName="work")
    assert backend.function("work", ACCOUNT, REGION).revision == seen[-1]
    function.update_function_code(FunctionName="work", ZipFile=package("def handler(e, c): 1\n"))
    seen.append(backend.function("work", ACCOUNT, REGION).revision)
    function.update_function_configuration(FunctionName="work", Timeout=9)
    seen.append(backend.function("work", ACCOUNT, REGION).revision)
    function.update_function_configuration(
        FunctionName="work", Environment={"Variables": {"TABLE": "u"}}
    )
    seen.append(backend.function("work", ACCOUNT, REGION).revision)
    assert len(set(seen)) == len(seen)


def test_reserved_concurrency_is_read_and_zero_is_a_reservation(backend, function):
    function.put_function_concurrency(FunctionName="work", ReservedConcurrentExecutions=0)
    assert backend.function("work", ACCOUNT, REGION).reserved_concurrency == 0
    function.delete_function_concurrency(FunctionName="work")
    assert backend.function("work", ACCOUNT, REGION).reserved_concurrency is None


def test_unchanged_function_costs_a_look_into_a_dictionary(backend, function):
    assert backend.function("work", ACCOUNT, REGION) is backend.function("work", ACCOUNT, REGION)


def test_a_statement_id_of_a_policy_is_taken_once(backend, function):
    allowed = {
        "FunctionName": "work",
        "StatementId": "api",
        "Action": "lambda:InvokeFunction",
        "Principal": "apigateway.amazonaws.com",
    }
    function.add_permission(**allowed)
    with pytest.raises(
        function.exceptions.ResourceConflictException, match=r"statement id \(api\)"
    ):
        function.add_permission(**allowed)
    policy = json.loads(function.get_policy(FunctionName="work")["Policy"])
    assert [statement["Sid"] for statement in policy["Statement"]] == ["api"]
    function.remove_permission(FunctionName="work", StatementId="api")
    function.add_permission(**allowed)


def test_deleted_function_is_gone_at_once(backend, function):
    assert backend.function("work", ACCOUNT, REGION)
    function.delete_function(FunctionName="work")
    assert backend.function("work", ACCOUNT, REGION) is None


# Logs, credentials, life


def test_log_events_make_their_group_and_stream(backend, client):
    now = int(time.time() * 1000)
    backend.put_log_events(ACCOUNT, REGION, "/aws/lambda/work", "s", [(now, "a"), (now, "b")])
    backend.put_log_events(ACCOUNT, REGION, "/aws/lambda/work", "s", [(now, "c")])
    events = client("logs").filter_log_events(logGroupName="/aws/lambda/work")["events"]
    assert [e["message"] for e in events] == ["a", "b", "c"]


def test_credentials_belong_to_the_account_of_their_role(backend, client):
    other = "210987654321"
    keys = backend.credentials(other, f"arn:aws:iam::{other}:role/r")
    assert backend.account(keys["AccessKeyId"]) == other
    assert client("sts", other).get_caller_identity()["Account"] == other
    assert backend.credentials(other, f"arn:aws:iam::{other}:role/r") == keys
    assert backend.account("AKIAIOSFODNN7EXAMPLE") == ACCOUNT


def test_profile_that_does_not_exist_does_not_matter(backend, client, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "nothing")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://example.org/prefix")
    assert client("kinesis").list_streams()["StreamNames"] == []


def test_seed_makes_ids_the_same(backend, client):
    ids = []
    for _ in range(2):
        backend.reset()
        backend.seed(7)
        made = client("apigatewayv2").create_api(Name="a", ProtocolType="HTTP")
        ids.append(made["ApiId"])
    assert ids[0] == ids[1]


def test_new_backend_begins_empty(log, table):
    again = Backend(log=log, faults=Faults(log), clock=Clock())
    try:
        assert again.client("dynamodb", REGION, ACCOUNT).list_tables()["TableNames"] == []
    finally:
        again.close()


def test_close_may_be_called_twice_and_leaves_no_thread(log):
    made = Backend(log=log, faults=Faults(log), clock=Clock())
    asyncio.run(made.answer(put_item("a")))
    made.close()
    made.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("labkit-")]


def test_what_is_replaced_is_not_kept(table):
    def there():
        gc.collect()
        kinds = ("Table", "Item", "DynamoType")
        names = (type(one).__name__ for one in gc.get_objects())
        return Counter(name for name in names if name in kinds)

    def write(times):
        for _ in range(times):
            table.put_item(TableName="t", Item={"k": {"S": "one"}, "a": {"S": "x"}})
            put = {"TableName": "t", "Item": {"k": {"S": "two"}}}
            table.transact_write_items(TransactItems=[{"Put": put}])

    write(2)
    before = there()
    assert before["Table"] >= 1
    write(5)
    assert there() == before
