"""``resume``: build what a lesson needs, of the student's own answers to the exercises before it.

    system = resume(6)

A part is the newest answer of the student's that passed its check, as the journal has it.  Where there
is none, or where it does not work any more, the course's solution takes its place, and a line says so:
nothing that was skipped or lost keeps a student from going on.

It may run again at any time, in a new kernel too.  Then code and definitions are brought up to date,
items stay, and the APIs stay under their addresses as long as they were built by the same answers.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import hashlib
import io
import json
import os
import re
import secrets
import textwrap
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import FunctionType
from typing import Any, TypeVar

import boto3
from botocore.exceptions import ClientError

from labkit import resources
from labkit.course import catalogue
from labkit.course.exercise import CourseError
from labkit.course.journal import Journal, Standing
from labkit.course.source import solution
from labkit.course.system import (
    BUILD_API,
    BUILD_HTTP_API,
    CONNECTIONS,
    CREATE_TABLES,
    DEFINITION,
    EXECUTIONS,
    HANDLERS,
    HTTP_API,
    MODULE,
    ROUTES,
    SOCKET_HANDLERS,
    STAGE,
    STAND_IN,
    STATE_MACHINE,
    WEBSOCKET_API,
    Part,
    System,
    function_name,
    with_values,
)
from labkit.errors import LabError, LabNotRunning
from labkit.jupyter import work_folder
from labkit.lab import ENDPOINT_VARIABLE, Lab

TIMEOUT = 10
"""Seconds that a function of the system may run."""

MADE_OF = "labkit:made-of"
"""A tag of an API: which answer and which functions it was built of."""

_T = TypeVar("_T")


def resume(lesson: int) -> System:
    """Build what a lesson needs, and say of which answers.

    Args:
        lesson: the lesson's number; one more than the last one's builds all there is.

    Raises:
        CourseError: there is no such lesson.
        LabNotRunning: the lab does not run.
    """
    if Lab.current() is None:
        raise LabNotRunning(
            "The lab does not run, so nothing can be built. Run Lab.start(), then this cell again."
        )
    number = int(lesson)
    last = max(each.number for each in catalogue.lessons())
    if not 0 <= number <= last + 1:
        catalogue.lesson(number)  # it says which lessons there are
    system, said = build(number, Journal(work_folder()).standings(), _solution)
    print("\n".join(said) or f"Lesson {number} needs nothing from the exercises before it.")
    return system


def _solution(number: str) -> str:
    return solution(catalogue.lesson(catalogue.exercise(number).position[0]), number)


def build(
    lesson: int, standings: Mapping[str, Standing], solutions: Callable[[str], str]
) -> tuple[System, list[str]]:
    """Build what a lesson needs.

    Args:
        lesson: the lesson's number.
        standings: the student's, by the number of an exercise.
        solutions: gives the solved answer cell of an exercise, by its number.

    Returns:
        The system, and a line for each part of it: where it comes from.
    """
    site = _Site(lesson, standings, solutions)
    return site.build(), site.said


class _Site:
    """Where a system is built, part by part.

    Attributes:
        said: a line for each part: where it comes from.
    """

    def __init__(
        self, lesson: int, standings: Mapping[str, Standing], solutions: Callable[[str], str]
    ) -> None:
        self._apis = resources.client("apigatewayv2")
        self._dynamodb = resources.client("dynamodb")
        self._lambda = resources.client("lambda")
        self._lesson = lesson
        self._standings = standings
        self._solutions = solutions
        self._sources: dict[str, Mapping[str, str]] = {}
        self._functions: dict[str, str] = {}
        self._environment: dict[str, str] = {}
        self.said: list[str] = []

    def build(self) -> System:
        """Build all parts that the lesson needs."""
        if not self._has(CREATE_TABLES):
            return System()
        self._take(CREATE_TABLES, self._create_tables)
        self._know_environment(self._api(WEBSOCKET_API))
        beside = {MODULE.name: self._take(MODULE, _module)} if self._has(MODULE) else {}
        self._deploy(SOCKET_HANDLERS, beside)
        socket_api = self._websocket_api() if self._functions else {}
        self._deploy(HANDLERS, beside)
        http_api, machine = {}, ""
        if self._has(BUILD_HTTP_API):
            http_api = self._http_api()
            machine = self._state_machine(socket_api["ApiId"])
        return System(
            executions_table=EXECUTIONS,
            connections_table=CONNECTIONS,
            functions=self._functions,
            websocket_api_id=socket_api.get("ApiId", ""),
            websocket_url=self._environment.get("WEBSOCKET_URL", ""),
            http_api_id=http_api.get("ApiId", ""),
            orders_url=f"{http_api['ApiEndpoint']}/orders" if http_api else "",
            state_machine_arn=machine,
            environment=self._environment,
        )

    # -- whose answer -----------------------------------------------------------------------------

    def _has(self, part: Part) -> bool:
        """Whether the part belongs to what the lesson needs."""
        return part.exercise(self._lesson) is not None

    def _take(self, part: Part, use: Callable[[str], _T]) -> _T:
        """Build a part of the student's answer, or else of the solution, and say of which.

        Args:
            part: the part.
            use: builds it of an answer's text.

        Returns:
            What ``use`` returns.
        """
        number = part.exercise(self._lesson)
        assert number is not None
        standing = self._standings.get(number, Standing())
        why = f"your answer to {number} was not kept" if standing.solved else ""
        if standing.answer:
            try:
                with contextlib.redirect_stdout(io.StringIO()):
                    built = use(standing.answer)
            except (Exception, SystemExit) as error:
                why = f"your answer to {number} does not work any more: {_in_short(error)}"
            else:
                self.said.append(f"{part.name}: your answer to {number}")
                return built
        built = use(as_kept(part, self._solutions(number)))
        self.said.append(f"{part.name}: the solution ({why or f'{number} is not solved yet'})")
        return built

    # -- the parts --------------------------------------------------------------------------------

    def _create_tables(self, text: str) -> None:
        _function(text, CREATE_TABLES.name)(self._dynamodb, EXECUTIONS, CONNECTIONS)
        for table in (EXECUTIONS, CONNECTIONS):
            self._dynamodb.describe_table(TableName=table)

    def _know_environment(self, socket_api: Mapping[str, str] | None) -> bool:
        """Take over what the functions must know; whether that is news."""
        before = dict(self._environment)
        region, account = self._apis.meta.region_name, resources.role().split(":")[4]
        self._environment |= {"EXECUTIONS_TABLE": EXECUTIONS, "CONNECTIONS_TABLE": CONNECTIONS}
        if socket_api:
            self._environment |= {
                "WEBSOCKET_URL": f"{socket_api['ApiEndpoint']}/{STAGE}",
                "MANAGEMENT_ENDPOINT": resources.management_endpoint(socket_api["ApiId"], STAGE),
            }
        if self._has(MODULE):
            self._environment |= {
                "STATE_MACHINE_ARN": f"arn:aws:states:{region}:{account}:stateMachine:{STATE_MACHINE}",
                "TICKET_KEY": self._environment.get("TICKET_KEY") or self._ticket_key(),
            }
        return self._environment != before

    def _ticket_key(self) -> str:
        """The key that the system has, so that tickets stay good; else a new one."""
        try:
            found = self._lambda.get_function_configuration(FunctionName=function_name("connect"))
            return str(found["Environment"]["Variables"]["TICKET_KEY"])
        except (self._lambda.exceptions.ResourceNotFoundException, KeyError):
            return secrets.token_hex(16)

    def _deploy(self, parts: Iterable[Part], beside: Mapping[str, str]) -> None:
        """Deploy functions, each with the files beside it."""

        def use(name: str, text: str) -> None:
            self._function({name: text, **beside})

        for part in filter(self._has, parts):
            self._take(part, functools.partial(use, part.name))

    def _function(self, files: Mapping[str, str]) -> None:
        """Deploy a function of these files, of which the first names it."""
        name = next(iter(files)).removesuffix(".py")
        self._functions[name] = resources.function(
            function_name(name), files, environment=self._environment, timeout=TIMEOUT
        )
        self._sources[name] = files

    def _websocket_api(self) -> dict[str, Any]:
        routes = {
            key: self._functions[file] for key, file in ROUTES.items() if file in self._functions
        }
        api = self._built(
            BUILD_API,
            WEBSOCKET_API,
            routes,
            STAGE,
            lambda build: build(WEBSOCKET_API, dict(routes)),
        )
        if self._know_environment(api):
            for files in self._sources.values():
                self._function(files)
        return api

    def _http_api(self) -> dict[str, Any]:
        function = self._functions["place_order"]
        return self._built(
            BUILD_HTTP_API,
            HTTP_API,
            {"POST /orders": function},
            "$default",
            lambda build: build(HTTP_API, function),
        )

    def _built(
        self,
        part: Part,
        name: str,
        routes: Mapping[str, str],
        stage: str,
        call: Callable[[Callable[..., Any]], Any],
    ) -> dict[str, Any]:
        """Build an API, unless it is there and was built by the same answer.

        Args:
            part: the function that builds it.
            name: the API's name.
            routes: the functions' ARNs by route key.
            stage: the stage's name.
            call: calls the function.

        Returns:
            The API, as ``get_apis`` describes it.
        """

        def use(text: str) -> dict[str, Any]:
            made_of = hashlib.sha256(json.dumps([text, routes]).encode()).hexdigest()
            api = self._api(name)
            if (
                not api
                or api.get("Tags", {}).get(MADE_OF) != made_of
                or self._lacks(api, routes, stage)
            ):
                self._delete_apis(name)
                call(_function(text, part.name))
                api = self._api(name)
                lacks = self._lacks(api, routes, stage) if api else f"API {name}"
                if not api or lacks:
                    raise CourseError(f"it made no {lacks}")
                arn = f"arn:aws:apigateway:{self._apis.meta.region_name}::/apis/{api['ApiId']}"
                self._apis.tag_resource(ResourceArn=arn, Tags={MADE_OF: made_of})
            return api

        api = self._take(part, use)
        for function in routes.values():
            resources.permission(function, api["ApiId"])
        return api

    def _state_machine(self, socket_api: str) -> str:
        if not self._has(DEFINITION):
            return resources.state_machine(STATE_MACHINE, STAND_IN)
        values = {
            "DoWorkFunctionArn": self._functions["do_work"],
            "NotifyFunctionArn": self._functions["notify"],
            "ExecutionsTable": EXECUTIONS,
            "WebSocketApiId": socket_api,
            "Region": self._apis.meta.region_name,
            "Stage": STAGE,
        }
        return self._take(
            DEFINITION,
            lambda text: resources.state_machine(STATE_MACHINE, with_values(text, values)),
        )

    # -- APIs, which may have one name several times ----------------------------------------------

    def _api(self, name: str) -> dict[str, Any] | None:
        """The API of this name, if there is exactly one."""
        found = self._apis_of(name)
        return found[0] if len(found) == 1 else None

    def _apis_of(self, name: str) -> list[dict[str, Any]]:
        pages = self._apis.get_paginator("get_apis").paginate()
        return [api for page in pages for api in page["Items"] if api["Name"] == name]

    def _delete_apis(self, name: str) -> None:
        for api in self._apis_of(name):
            self._apis.delete_api(ApiId=api["ApiId"])

    def _lacks(self, api: Mapping[str, Any], routes: Mapping[str, str], stage: str) -> str:
        """What an API has not, in words; empty if it has all of it."""
        keys = {route["RouteKey"] for route in self._apis.get_routes(ApiId=api["ApiId"])["Items"]}
        stages = {each["StageName"] for each in self._apis.get_stages(ApiId=api["ApiId"])["Items"]}
        missing = [f"route {key}" for key in routes if key not in keys]
        return ", ".join(missing if stage in stages else [*missing, f"stage {stage}"])


# -- answers --------------------------------------------------------------------------------------


def as_kept(part: Part, cell: str) -> str:
    """What the journal would keep of an answer.

    Args:
        part: what it is an answer for.
        cell: the text of the answer cell.
    """
    if part.name.endswith(".py"):
        return re.sub(r"\A%%handler", "# %%handler", cell.lstrip()) + "\n"
    if part == DEFINITION:
        texts = [value for value in _run(cell).values() if isinstance(value, str)]
        return next(text for text in texts if text.lstrip().startswith("{"))
    return cell


def _module(text: str) -> str:
    """The text of ``ticket.py``, if it can be imported and has what the handlers call."""
    names = _run(text)
    for name in ("sign", "verify"):
        if not callable(names.get(name)):
            raise CourseError(f"it has no function {name}")
    return text


def _run(text: str) -> dict[str, Any]:
    """Run an answer's text; the names that it gives.  boto3, json, os and time are there."""
    names: dict[str, Any] = {
        "__name__": "answer",
        "boto3": boto3,
        "json": json,
        "os": os,
        "time": time,
    }
    # Its annotations are not evaluated, as here: what they name was not kept.
    exec(compile(text, "<answer>", "exec"), names)
    return names


def _function(text: str, name: str) -> Callable[..., Any]:
    """The function that an answer defines; one of another name is the last in its text."""
    names = _run(text)
    functions = [value for value in names.values() if isinstance(value, FunctionType)]
    if not functions:
        raise CourseError(f"it has no function {name}")
    found = names.get(name)
    return found if isinstance(found, FunctionType) else functions[-1]


def _in_short(error: BaseException) -> str:
    """An error in a line."""
    said = str(error) if isinstance(error, LabError) else f"{type(error).__name__}: {error}"
    if isinstance(error, ClientError):
        said = "{Code}: {Message}".format(**error.response["Error"])
    first = (said.strip().splitlines() or [""])[0].partition(". ")[0]
    return textwrap.shorten(first.rstrip(".: "), 120, placeholder=" …")


# -- the command ----------------------------------------------------------------------------------


def main(arguments: Sequence[str]) -> int:
    """Run ``labkit resume``.

    Args:
        arguments: the lesson's number.

    Returns:
        The exit status.
    """
    parser = argparse.ArgumentParser(
        prog="labkit resume",
        description="Build what a lesson needs, of your own answers to the exercises before it, in the "
        f"local cloud that {ENDPOINT_VARIABLE} names.",
    )
    parser.add_argument("lesson", type=int, help="its number, such as 06")
    lesson = parser.parse_args(arguments).lesson
    if not os.environ.get(ENDPOINT_VARIABLE):
        raise LabNotRunning(
            "No local cloud is named, and one that this command started would end with it. Start one "
            f"with `labkit serve`, set {ENDPOINT_VARIABLE} to the endpoint that it prints, and run this "
            f"again. In a notebook, call resume({lesson}) instead."
        )
    lab = Lab.start()
    try:
        system = resume(lesson)
    finally:
        lab.stop()
    for name, url in (("orders", system.orders_url), ("WebSocket", system.websocket_url)):
        if url:
            print(f"{name}: {url}")
    return 0
