"""API Gateway: WebSocket APIs, HTTP APIs, ``@connections`` and deployments.

The rules are pure and know no sockets: ``routes``, ``events``, ``integrations``, ``limits`` and their
HTTP twins; ``authorizer``, ``api_key`` and ``throttle`` for who gets in; ``integration_request``,
``template`` and ``integration_response`` for what is no Lambda proxy; ``request_model`` and ``access_log``.
``connection`` turns frames into messages; ``websocket_api`` with ``admission`` and
``route_integrations``, ``management_api`` and ``http_api`` join the rules to sockets, functions, faults
and the event log; ``deployments`` says which snapshot of an API each stage serves.
"""
