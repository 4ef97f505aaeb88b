"""What an optimised integration adds to a service's answer: how the answer came over HTTP.

A task of ``dynamodb:getItem`` has ``SdkHttpMetadata`` and ``SdkResponseMetadata`` beside ``Item``; one
of ``lambda:invoke`` has them beside ``Payload``.  A task of ``aws-sdk:…`` has not.

Source: results of AWS that were published.  The headers here are those that the local cloud
answers with, so there are fewer than on AWS.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

REQUEST_ID = "x-amzn-RequestId"


def added(result: Mapping[str, Any], status: int, headers: Mapping[str, str]) -> dict[str, Any]:
    """A task's result with the metadata of the answer, its members in the order of their names.

    Args:
        result: the service's answer, as the SDK reads it.
        status: the answer's HTTP status.
        headers: its headers, under any case that ``Mapping.get`` finds.
    """
    metadata = {
        "SdkHttpMetadata": {
            "AllHttpHeaders": {name: [value] for name, value in headers.items()},
            "HttpHeaders": dict(headers),
            "HttpStatusCode": status,
        },
        "SdkResponseMetadata": {"RequestId": headers.get(REQUEST_ID, "")},
    }
    return dict(sorted({**result, **metadata}.items()))
