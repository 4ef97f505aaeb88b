"""Lesson 01: the WebSocket API, its handshake, frames, routes and stages."""
