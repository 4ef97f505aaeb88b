"""Functions that tell the test what they got, and do what the client asks for."""

import json
import os
import socket

import boto3
from botocore.exceptions import ClientError


def told(name, event, hold=False, **more):
    """Tell the test, and wait until it says to go on."""
    address = ("127.0.0.1", int(os.environ["RECORDER"]))
    with socket.create_connection(address, timeout=20) as test:
        test.sendall(
            json.dumps({"function": name, "event": event, "hold": hold, **more}).encode() + b"\n"
        )
        test.recv(16)


def connect(event, context):
    """Answer ``$connect`` as the query asks for."""
    asked = event.get("queryStringParameters") or {}
    told("connect", event, post=posted(event) if "post" in asked else None)
    if "raise" in asked:
        raise RuntimeError("secret of the function")
    answer = {"statusCode": int(asked.get("status", 200))}
    if "protocol" in asked:
        answer["headers"] = {"Sec-WebSocket-Protocol": asked["protocol"]}
    return answer


def posted(event):
    """Send the client something; the error's name, if it cannot be."""
    where = event["requestContext"]
    endpoint = os.environ.get("ENDPOINT") or f"https://{where['domainName']}/{where['stage']}"
    api = boto3.client("apigatewaymanagementapi", endpoint_url=endpoint, region_name="us-east-1")
    try:
        api.post_to_connection(ConnectionId=where["connectionId"], Data=b"too early")
    except ClientError as error:
        return error.response["Error"]["Code"]
    return "sent"


def message(event, context):
    """Do what a message says."""
    body = event.get("body") or ""
    told("message", event, hold="hold" in body)
    if "raise" in body:
        raise RuntimeError("secret of the function")
    if "malformed" in body:
        return "no object"
    return {"statusCode": 200, "body": "the function's body"}


def known(event, context):
    """Be another route's function."""
    told("known", event)
    return {"statusCode": 200}


def disconnect(event, context):
    """Take note of the end."""
    told("disconnect", event)
    return {"statusCode": 200}


def http(event, context):
    """Answer an HTTP API."""
    asked = event.get("queryStringParameters") or {}
    told("http", event)
    if "raise" in asked:
        raise RuntimeError("secret of the function")
    return {"plain": ["data"]}
