"""Accounts beside the student's own, in which checks try things out."""

import json
import threading
import urllib.request

import boto3
import pytest
from botocore.exceptions import ClientError

from labkit import Lab, package
from labkit.lab import running
from labkit.runtime import redirect

ACCOUNT = "210987654321"
TABLE = {
    "TableName": "things",
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "BillingMode": "PAY_PER_REQUEST",
}
PUTS = """
import boto3
dynamodb = boto3.client("dynamodb")
def handler(event, context):
    dynamodb.put_item(TableName="things", Item={"id": {"S": "from the function"}})
    return context.invoked_function_arn
"""


@pytest.fixture(scope="module")
def lab():
    with running() as lab:
        yield lab


@pytest.fixture
def dynamodb(lab):
    """A client with a table in the student's account."""
    client = boto3.client("dynamodb", region_name="us-east-1")
    client.create_table(**TABLE)
    yield client
    client.delete_table(TableName="things")


def act_in(account: str):
    keys = boto3.client("sts", region_name="us-east-1").assume_role(
        RoleArn=f"arn:aws:iam::{account}:role/check", RoleSessionName="check"
    )["Credentials"]
    return redirect.acting_as(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])


def remove(lab: Lab, account: str) -> None:
    request = urllib.request.Request(f"{lab.endpoint}/_labkit/accounts/{account}", method="DELETE")
    with urllib.request.urlopen(request) as answer:
        assert json.load(answer) == {"account": account}


def test_a_client_of_any_age_and_thread_acts_in_the_other_account_within_the_block(lab, dynamodb):
    with act_in(ACCOUNT):
        assert dynamodb.list_tables()["TableNames"] == []
        thread = threading.Thread(target=lambda: dynamodb.create_table(**TABLE))
        thread.start()
        thread.join()
        described = dynamodb.describe_table(TableName="things")["Table"]
        assert described["TableArn"].split(":")[4] == ACCOUNT
        dynamodb.put_item(TableName="things", Item={"id": {"S": "theirs"}})
    assert dynamodb.scan(TableName="things")["Items"] == []
    assert lab.log.wait(lambda event: event.get("account") == ACCOUNT)
    remove(lab, ACCOUNT)


def test_a_function_of_the_account_acts_there_and_nothing_of_it_stays(lab, dynamodb):
    functions = boto3.client("lambda", region_name="us-east-1")
    iam = boto3.client("iam")
    apis = boto3.client("apigatewayv2", region_name="us-east-1")
    with act_in(ACCOUNT):
        dynamodb.create_table(**TABLE)
        functions.create_function(
            FunctionName="puts",
            Runtime="python3.12",
            Handler="puts.handler",
            Role=iam.create_role(RoleName="puts", AssumeRolePolicyDocument="{}")["Role"]["Arn"],
            Code={"ZipFile": package({"puts.py": PUTS})},
        )
        answer = functions.invoke(FunctionName="puts")
        assert json.load(answer["Payload"]).split(":")[4] == ACCOUNT
        assert dynamodb.scan(TableName="things")["Items"] == [{"id": {"S": "from the function"}}]
        api = apis.create_api(Name="a", ProtocolType="HTTP")["ApiId"]
    assert dynamodb.scan(TableName="things")["Items"] == []
    started = lab.log.wait(lambda event: event.kind == "function.started")
    remove(lab, ACCOUNT)
    lab.log.wait(lambda event: event.kind == "function.ended" and event["pid"] == started["pid"])
    with act_in(ACCOUNT):
        assert functions.list_functions()["Functions"] == []
        assert dynamodb.list_tables()["TableNames"] == []
        with pytest.raises(ClientError, match="NotFoundException"):
            apis.get_api(ApiId=api)
    assert dynamodb.list_tables()["TableNames"] == ["things"]


def test_keys_of_a_removed_account_never_lead_into_the_students(lab, dynamodb):
    with act_in(ACCOUNT):
        dynamodb.list_tables()
        remove(lab, ACCOUNT)
        with pytest.raises(ClientError, match="ResourceNotFoundException"):
            dynamodb.put_item(TableName="things", Item={"id": {"S": "late"}})
    assert dynamodb.scan(TableName="things")["Items"] == []


def test_a_running_execution_of_a_removed_account_ends(lab):
    states = boto3.client("stepfunctions", region_name="us-east-1")
    wait = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 3600, "End": True}}}
    with act_in(ACCOUNT):
        machine = states.create_state_machine(
            name="waits", definition=json.dumps(wait), roleArn=f"arn:aws:iam::{ACCOUNT}:role/any"
        )["stateMachineArn"]
        arn = states.start_execution(stateMachineArn=machine)["executionArn"]
        lab.log.wait(lambda event: event.kind == "state.entered" and event["execution"] == arn)
        remove(lab, ACCOUNT)
        assert states.list_state_machines()["stateMachines"] == []
    assert not [thread for thread in threading.enumerate() if arn in thread.name]
