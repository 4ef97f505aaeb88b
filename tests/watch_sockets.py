"""Run as a program: uses AWS in every way a student might, and prints each address it spoke to.

An audit hook sees what no code above the operating system can hide: every connection, every
datagram and every name that is looked up, in this process.  Standard output is one JSON object.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

spoken: list[str] = []


def watch(event: str, arguments: tuple[object, ...]) -> None:
    if event in ("socket.connect", "socket.sendto"):
        spoken.append(str(arguments[1]))
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        spoken.append(str(arguments[0]))


sys.addaudithook(watch)

home = Path(tempfile.mkdtemp())
config = home / "config"
config.write_text(
    "[profile instance]\n"
    "role_arn = arn:aws:iam::123456789012:role/any\n"
    "credential_source = Ec2InstanceMetadata\n"
    "region = eu-west-1\n"
    "[profile container]\n"
    "role_arn = arn:aws:iam::123456789012:role/any\n"
    "credential_source = EcsContainer\n"
    "region = eu-west-1\n"
    "[profile signon]\n"
    "sso_start_url = https://example.awsapps.com/start\n"
    "sso_region = us-east-1\n"
    "sso_account_id = 123456789012\n"
    "sso_role_name = any\n"
    "region = us-east-1\n"
    "[profile external]\n"
    f"credential_process = {sys.executable} -c \"open({str(home / 'ran')!r}, 'w')\"\n"
    "region = us-east-1\n"
)
credentials = home / "credentials"
credentials.write_text(
    "[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\n"
    "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n"
)
os.environ.pop("AWS_ENDPOINT_URL", None)
os.environ["AWS_CONFIG_FILE"] = str(config)
os.environ["AWS_SHARED_CREDENTIALS_FILE"] = str(credentials)
os.environ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "/any"
os.environ["HTTPS_PROXY"] = os.environ["HTTP_PROXY"] = "http://proxy.example:3128"

import boto3  # noqa: E402

made_before = boto3.client("dynamodb", region_name="us-east-1")
signon_before = boto3.Session(profile_name="signon").client("dynamodb")
spoken_before = list(spoken)

from labkit import Lab  # noqa: E402

lab = Lab.start()
answers: dict[str, object] = {}


def ask(name: str, client: object) -> None:
    answers[name] = client.list_tables()["TableNames"]  # type: ignore[attr-defined]


ask("client made before", made_before)
ask("profile made before, which would sign on first", signon_before)
ask("client made after", boto3.client("dynamodb", region_name="us-east-1"))
ask("default region", boto3.client("dynamodb"))
ask(
    "AWS's own endpoint",
    boto3.client("dynamodb", endpoint_url="https://dynamodb.eu-central-1.amazonaws.com"),
)
ask(
    "somebody's endpoint",
    boto3.client("dynamodb", endpoint_url="https://aws.example.com", region_name="us-east-1"),
)
ask(
    "keys that look real",
    boto3.client(
        "dynamodb",
        region_name="us-east-1",
        aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
        aws_secret_access_key="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    ),
)
for profile in ("instance", "container", "signon", "external"):
    ask(f"profile {profile}", boto3.Session(profile_name=profile).client("dynamodb"))
answers["resource"] = [table.name for table in boto3.resource("dynamodb").tables.all()]
answers["account"] = boto3.client("sts").get_caller_identity()["Account"]

function = b"""
import socket, sys
spoken = []
sys.addaudithook(lambda event, arguments: spoken.append(str(arguments[1 if 'connect' in event else 0]))
                 if event in ('socket.connect', 'socket.getaddrinfo') else None)
import json, os, urllib.request, boto3
early = boto3.client('dynamodb')
def handler(event, context):
    early.list_tables()
    boto3.client('dynamodb', region_name='eu-west-1',
                 endpoint_url='https://dynamodb.eu-west-1.amazonaws.com').list_tables()
    boto3.client('sts').get_caller_identity()
    try:
        urllib.request.urlopen('https://abc.execute-api.us-east-1.amazonaws.com/', timeout=5)
    except urllib.error.HTTPError as error:
        pass
    return {'spoken': spoken, 'environment': dict(os.environ)}
"""
from labkit import package  # noqa: E402

role = boto3.client("iam").create_role(
    RoleName="any",
    AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": []}),
)["Role"]["Arn"]
functions = boto3.client("lambda")
functions.create_function(
    FunctionName="speaks",
    Runtime="python3.13",
    Handler="speaks.handler",
    Role=role,
    Timeout=20,
    Code={"ZipFile": package({"speaks.py": function})},
)
answered = functions.invoke(FunctionName="speaks")
lab.stop()
print(
    json.dumps(
        {
            "endpoint": lab.endpoint,
            "spoken": spoken,
            "spoken_before": spoken_before,
            "answers": answers,
            "process_ran": (home / "ran").exists(),
            "function": json.loads(answered["Payload"].read()),
            "leftovers": {k: v for k, v in os.environ.items() if "ENDPOINT" in k or "SECRET" in k},
        }
    )
)
