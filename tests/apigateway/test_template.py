"""Mapping templates: the language, its methods, and what it refuses."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.apigateway.template import TemplateProblem, render
from labkit.apigateway.template_methods import variables

CONTEXT = {
    "connectionId": "R1kmxc2VNjMCFIA=",
    "connectedAt": 1_674_162_806_344,
    "authorizer": {"principalId": "ada"},
}
ORDER = {"action": "order", "items": [{"sku": "a", "n": 2}, {"sku": "b", "n": 1}], "note": 'a "b"'}


def of(template: str, body: Any = ORDER) -> str:
    text = body if isinstance(body, str) else json.dumps(body)
    return render(template, variables(text, CONTEXT, {"table": "orders"}))


@pytest.mark.behaviour("websocket.integrations.templates")
def test_put_item_template_of_a_connections_table() -> None:
    template = """{
        "TableName": "${stageVariables.table}",
        "Item": {
            "connectionId": {"S": "$context.connectionId"},
            "since": {"N": "$context.connectedAt"},
            "who": {"S": "$context.authorizer.principalId"}
        }
    }"""
    assert json.loads(of(template)) == {
        "TableName": "orders",
        "Item": {
            "connectionId": {"S": "R1kmxc2VNjMCFIA="},
            "since": {"N": "1674162806344"},
            "who": {"S": "ada"},
        },
    }


@pytest.mark.behaviour("websocket.integrations.templates")
def test_start_execution_template_escapes_the_message() -> None:
    template = """#set($data = $util.escapeJavaScript($input.json('$')))
        {"input": "$data", "stateMachineArn": "arn:aws:states:eu-central-1:123456789012:stateMachine:o"}"""
    assert json.loads(json.loads(of(template))["input"]) == ORDER


@pytest.mark.behaviour("websocket.integrations.templates")
def test_list_is_written_with_commas_between() -> None:
    template = (
        "[#foreach($item in $input.path('$.items'))"
        '{"$item.sku": $item.n, "at": $foreach.index}#if($foreach.hasNext),#end#end]'
    )
    assert json.loads(of(template)) == [{"a": 2, "at": 0}, {"b": 1, "at": 1}]


@pytest.mark.behaviour("websocket.integrations.templates")
@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("$input.body", json.dumps(ORDER)),
        ("$input.json('$.items[0].n')", "2"),
        ("$input.json('$.missing')", '""'),
        ("$input.path('$.items').size()", "2"),
        ("$input.path(\"$['items'][1]\").sku", "b"),
        ("$input.path('$.items[*].sku')", '["a","b"]'),
        ("<$input.path('$.missing')>", "<>"),
        ("<$input.path('$.missing').size()>", "<>"),
        ("<$!context.nothing>", "<>"),
        ("$unset ${unset} $!unset.", "$unset ${unset} $!unset."),
        (r"\$context.connectionId costs $5 #1", "$context.connectionId costs $5 #1"),
        ("a## comment\nb#* more\n *#c", "abc"),
        ("${context.connectionId}x", "R1kmxc2VNjMCFIA=x"),
        ("#set($a = 1)#set($b = $a + 2 * 3)$b", "7"),
        ("#set($a = 7 / 2)$a", "3"),
        ("#set($a = -7 % 3)$a", "-1"),
        ("#set($a = 'x' + 1)$a", "x1"),
        ('#set($a = "c:$context.authorizer.principalId")$a', "c:ada"),
        ("#set($a = '$context')$a", "$context"),
        ("#set($m = {'a': [1, 2]})#set($m.b = 'z')$m.a[1]$m.b$m.get('b')", "2zz"),
        (
            "#set($m = {})#set($x = $m.put('k', 1))#foreach($e in $m.entrySet())$e.key=$e.value#end",
            "k=1",
        ),
        ("#set($l = [])#set($x = $l.add('v'))$l.get(0)$l.isEmpty()", "vfalse"),
        ("#foreach($i in [1..3])$i$velocityCount#end#foreach($i in [2..1])$i#end", "11223321"),
        ("#foreach($i in [1,2])#if($foreach.first)<#end$i#if($foreach.last)>#end#end$i", "<12>$i"),
        ("#if($context.nothing)a#elseif(1 == 2)b#{else}c#end", "c"),
        ("#if(!$context.nothing && ('a' eq 'b' || 1 lt 2) and not false)yes#end", "yes"),
        ("#if($input.path('$.action') == 'order')yes#{else}no#end", "yes"),
        ("#if($input.path('$.missing') == $null || '' == '')yes#end", "yes"),
        ("$util.base64Decode($util.base64Encode('ä b'))", "ä b"),
        ("$util.urlEncode('a b&c')$util.urlDecode('a+b%26c')", "a+b%26ca b&c"),
        ('$util.parseJson(\'{"a": {"b": 5}}\').a.b', "5"),
        ("$util.escapeJavaScript('it''s').replaceAll(\"\\\\'\", \"'\")", "it's"),
        ("$context.connectionId.substring(0, 3).toLowerCase().length()", "3"),
    ],
)
def test_template_gives(template: str, text: str) -> None:
    assert of(template) == text


def test_message_that_is_no_json_is_one_text() -> None:
    assert of("$input.body|$input.path('$')|$input.json('$')", "hello") == 'hello|hello|"hello"'


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("\n\n#set($a 1)", "line 3 .*needs a ="),
        ("#if(true)a", "no #end"),
        ("a#end", "#end belongs to no"),
        ("#foreach($i of [1])#end", "'in'"),
        ("#foreach($i in 5)#end", "no list"),
        ("#foreach($i in [1..2000])#end", "1000 numbers"),
        ("#macro(a)#end", "does not know #macro"),
        ("$input.params('x')", r"\$input has no method params\(\); it has body, json, path"),
        ("$util.qr(1)", "base64Decode"),
        ("$util.encode", "no member encode"),
        ("$context.connectionId.explode()", r"no method explode\(\)"),
        ("$input.path('items')", r"begin with \$"),
        ("$input.path('$..n')", "does not know"),
        ("$util", "stands alone"),
        ("$util.base64Encode()", "fails"),
        ("$util.parseJson('{')", "fails"),
        ("#if('a' < 1)#end", "needs numbers"),
        ("#set($a = )", "no expression"),
        ("#if(" + "(" * 5000 + "1" + ")" * 5000 + ")#end", "nested"),
    ],
)
def test_what_is_not_known_is_refused_with_its_reason(template: str, why: str) -> None:
    with pytest.raises(TemplateProblem, match=why):
        of(template)


def test_context_is_not_changed_by_a_template() -> None:
    seen = variables("{}", CONTEXT, {})
    render("#set($context.authorizer.principalId = 'x')#set($context = 1)", seen)
    assert CONTEXT["authorizer"] == {"principalId": "ada"}


@given(st.text(alphabet="#$!{}()[]'\"\\ .,:=<>&|+-*/%a1ifseten d", max_size=60))
def test_any_text_is_rendered_or_refused(template: str) -> None:
    with suppress(TemplateProblem):
        assert isinstance(of(template), str)
