"""What labkit.backend relies on inside moto.

A new moto may change any of it.  These tests fail then, before anything else does in a stranger
way, and say what to look at.  They look at moto as it is, in a process without replacements.
"""

import json
import subprocess
import sys

import pytest

from labkit.backend.interpreter import ASL, PARSER, STATE, TASK
from labkit.backend.replacements import REPLACEMENTS

LOOK = """
import importlib, inspect, json, sys
from labkit.backend import interpreter
interpreter.load_interpreter()
found = {}
for name in json.load(sys.stdin):
    module, _, path = name.partition(":")
    try:
        holder = importlib.import_module(module)
        for part in path.split(".") if path else []:
            holder = getattr(holder, part)
    except (ImportError, AttributeError) as error:
        found[name] = f"missing: {error}"
        continue
    try:
        found[name] = ", ".join(inspect.signature(holder).parameters)
    except (TypeError, ValueError):
        found[name] = type(holder).__name__
found["ec2"] = "loaded" if "moto.ec2.models" in sys.modules else "not loaded"
json.dump(found, sys.stdout)
"""

ADDED = {
    "moto.apigatewayv2.responses:ApiGatewayV2Response.update_stage",
    "moto.stepfunctions.responses:StepFunctionResponse.redrive_execution",
    "moto.stepfunctions.responses:StepFunctionResponse.start_sync_execution",
}
"""What moto lacks.  Where it has come, its own may do."""

SIGNATURES = {
    "moto.core.serialize:XFormedAttributePicker.get_possible_keys": "self, context",
    "moto.dynamodb.models:DynamoDBBackend.get_item": "self, table_name, keys, projection_expressions",
    "moto.dynamodb.models:DynamoDBBackend.transact_write_items": "self, transact_items",
    "moto.dynamodb.parsing.ast_nodes:DepthFirstTraverser.pre_processing_of_child": (
        "self, parent_node, child_id"
    ),
    "moto.dynamodb.parsing.ast_nodes:DepthFirstTraverser.process": "self, node",
    "moto.dynamodb.parsing.ast_nodes:Node.set_parent": "self, parent_node",
    "moto.dynamodb.parsing.expressions:UpdateExpressionParser.make": "expression_str",
    "moto.core.base_backend:AccountSpecificBackend.get_session": "",
    "moto.core.common_models:BaseModel.__new__": "cls, args, kwargs",
    "moto.core.responses:method_names_from_class": "clazz",
    "moto.sqs.models:SQSBackend.receive_message": (
        "self, queue_name, count, wait_seconds_timeout, visibility_timeout, message_attribute_names"
    ),
    f"{PARSER}.models:StepFunctionsParserBackend.start_execution": (
        "self, state_machine_arn, name, execution_input, trace_header"
    ),
    f"{PARSER}.models:StepFunctionsParserBackend.create_state_machine": (
        "self, name, definition, roleArn, tags, publish, loggingConfiguration, "
        "tracingConfiguration, encryptionConfiguration, version_description, sm_type"
    ),
    f"{PARSER}.models:StepFunctionsParserBackend._validate_definition": "definition",
    f"{PARSER}.models:StepFunctionsParserBackend.send_task_failure": (
        "self, task_token, error, cause"
    ),
    f"{PARSER}.models:StepFunctionsParserBackend._get_executions": "self, execution_status",
    "moto.stepfunctions.models:StateMachine._handle_name_input_idempotency": (
        "self, name, execution_input"
    ),
    f"{PARSER}.backend.execution:Execution._get_start_execution_worker": "self",
    f"{PARSER}.backend.execution:Execution.stop": "self, stop_date, error, cause",
    f"{PARSER}.backend.execution_worker:ExecutionWorker._execution_logic": "self",
    f"{PARSER}.backend.execution_worker:ExecutionWorker._get_evaluation_environment": "self",
    f"{PARSER}.quotas:is_within_size_quota": "value",
    f"{PARSER}.utils:TMP_THREADS": "list",
    f"{ASL}.parse.asl_parser:AmazonStateLanguageParser.parse": "definition",
    f"{ASL}.utils.boto_client:boto_client_for": "region, service, state_credentials",
    f"{ASL}.utils.json_path:extract_json": "path, data",
    f"{ASL}.eval.states:States.reset": "self, input_value",
    f"{ASL}.eval.event.event_manager:EventManager.get_event_history": "self",
    f"{ASL}.eval.environment:Environment.set_stop": "self, stop_date, cause, error",
    f"{ASL}.eval.environment:Environment.set_timed_out": "self",
    f"{ASL}.eval.environment:Environment.set_error": "self, error",
    f"{ASL}.eval.environment:Environment.is_running": "self",
    f"{ASL}.eval.environment:Environment.program_state": "self",
    f"{ASL}.eval.states:ContextObject.update_task_token": "self",
    f"{ASL}.eval.callback.callback:CallbackPoolManager.add": "self, callback_id",
    f"{ASL}.eval.callback.callback:CallbackEndpoint.get_outcome": "self",
    f"{ASL}.eval.callback.callback:CallbackEndpoint.notify_heartbeat": "self",
    f"{ASL}.eval.callback.callback:CallbackEndpoint.setup_heartbeat_endpoint": (
        "self, heartbeat_seconds"
    ),
    f"{ASL}.eval.callback.callback:HeartbeatTimeoutError": "type",
    f"{ASL}.eval.event.event_manager:EventManager.add_event": (
        "self, context, event_type, event_details, timestamp, update_source_event_id"
    ),
    f"{ASL}.component.common.error_name.failure_event:FailureEvent": (
        "env, error_name, event_type, event_details"
    ),
    f"{ASL}.component.common.error_name.failure_event:FailureEventException": "failure_event",
    f"{ASL}.component.common.error_name.custom_error_name:CustomErrorName": "error_name",
    f"{ASL}.component.common.error_name.states_error_name:StatesErrorName": "typ",
    f"{ASL}.component.common.flow.start_at:StartAt": "start_at_name",
    f"{ASL}.component.program.program:Program.eval": "self, env",
    f"{STATE}.exec.state_map.iteration.iteration_worker:IterationWorker._eval_job": "self, env, job",
    f"{STATE}.exec.state_parallel.branch_worker:BranchWorker": ("branch_worker_comm, program, env"),
    f"{STATE}.state_continue_with:ContinueWithNext": "next_state",
    f"{STATE}.state:CommonStateField._eval_body": "self, env",
    f"{STATE}.state:CommonStateField._eval_state_input": "self, env",
    f"{STATE}.exec.execute_state:ExecutionState._evaluate_with_timeout": "self, env",
    f"{STATE}.wait.wait_function.wait_function:WaitFunction._wait_interval": (
        "self, env, wait_seconds"
    ),
    f"{TASK}.state_task:StateTask._from_error": "self, env, ex",
    f"{TASK}.lambda_eval_utils:LambdaFunctionErrorException": "function_error, payload",
    f"{TASK}.service.state_task_service_api_gateway:StateTaskServiceApiGateway._eval_service_task": (
        "self, env, resource_runtime_part, normalised_parameters, task_credentials"
    ),
    "moto.core.request:Request.from_primitives": "method, url, headers, body",
    "moto.core.responses:ActionResult": "result",
    "moto.core.model_instances:reset_model_data": "",
    "moto.core.base_backend:BackendDict.iter_backends": "self",
    "moto.core.base_backend:BackendDict.reset": "",
    "moto.iam.models:get_account_id_from": "access_key",
    "moto.awslambda.models:LambdaFunction.invoke": (
        "self, body, request_headers, response_headers"
    ),
    "moto.sts.models:STSBackend.assume_role": (
        "self, region_name, role_session_name, role_arn, policy, duration, external_id"
    ),
    "moto.logs.models:LogsBackend.put_log_events": (
        "self, log_group_name, log_stream_name, log_events"
    ),
    "moto.awslambda.models:LambdaBackend.get_function": "self, function_name_or_arn, qualifier",
    "moto.apigatewayv2.models:ApiGatewayV2Backend.get_stage": "self, api_id, stage_name",
    "moto.apigatewayv2.models:Stage": "api, config",
    "moto.backend_index:backend_url_patterns": "list",
}


@pytest.fixture(scope="module")
def found():
    replaced = [f"{one.module}:{one.name}" for one in REPLACEMENTS]
    done = subprocess.run(
        [sys.executable, "-c", LOOK],
        input=json.dumps([*replaced, *SIGNATURES]),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize("one", REPLACEMENTS, ids=lambda one: f"{one.module}:{one.name}")
def test_what_is_replaced_is_there(found, one):
    name = f"{one.module}:{one.name}"
    there = not found[name].startswith("missing")
    if name in ADDED:
        assert not there, f"moto has {name} now: see whether its own does, and drop labkit's."
    else:
        assert there, (
            f"moto has no {name} any more ({found[name]}). labkit replaces it because: {one.why}. "
            "Find what stands in its place and adapt REPLACEMENTS in labkit/backend/."
        )


@pytest.mark.parametrize("name", SIGNATURES)
def test_what_is_called_or_replaced_takes_the_same_arguments(found, name):
    assert found[name] == SIGNATURES[name], (
        f"{name} of moto has changed. Look for it in labkit/backend/ and adapt its use."
    )


def test_interpreter_loads_without_ec2(found):
    assert found["ec2"] == "not loaded", (
        "moto's interpreter imports EC2 again, by another way than moto.batch: a second at the "
        "first state machine. See load_interpreter in labkit/backend/interpreter.py."
    )


def test_parsed_programs_keep_no_state_of_an_execution():
    """One program is shared by all executions of a definition."""
    from labkit.backend import Backend
    from labkit.clock import Clock
    from labkit.eventlog import EventLog
    from labkit.faults import Faults

    log = EventLog()
    backend = Backend(log=log, faults=Faults(log), clock=Clock(1000))
    try:
        sfn = backend.client("stepfunctions", "us-east-1", "123456789012")
        a, b, c = ({"StartAt": x, "States": {x: {"Type": "Pass", "End": True}}} for x in "abc")
        states = {
            "P": {"Type": "Parallel", "Branches": [a, b], "Next": "M"},
            "M": {"Type": "Map", "ItemProcessor": c, "Next": "W"},
            "W": {"Type": "Wait", "Seconds": 1, "End": True},
        }
        arn = sfn.create_state_machine(
            name="m",
            definition=json.dumps({"StartAt": "P", "States": states}),
            roleArn="arn:aws:iam::123456789012:role/r",
        )["stateMachineArn"]
        names = [f"n{number}" for number in range(8)]
        for name in names:
            sfn.start_execution(stateMachineArn=arn, name=name, input=json.dumps({"me": name}))
        for name in names:
            execution = arn.replace(":stateMachine:", ":execution:") + f":{name}"
            log.wait(lambda e, arn=execution: e.kind == "execution.ended" and e["execution"] == arn)
            done = sfn.describe_execution(executionArn=execution)
            assert json.loads(done["output"]) == [{"me": name}, {"me": name}], (
                "Executions disturb each other: a component of moto's interpreter keeps state. "
                "Drop the cache of AmazonStateLanguageParser.parse in labkit/backend/state_machine.py."
            )
    finally:
        backend.close()
