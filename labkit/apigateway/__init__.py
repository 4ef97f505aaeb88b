"""API Gateway: WebSocket APIs, HTTP APIs, ``@connections`` and deployments.

The rules are pure and know no sockets: ``routes``, ``events``, ``integrations``, ``limits`` and their
HTTP twins.  ``connection`` turns frames into messages; ``websocket_api``, ``management_api`` and
``http_api`` join the rules to sockets, functions, faults and the event log; ``deployments`` says which
snapshot of an API each stage serves.
"""
