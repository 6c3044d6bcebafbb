"""The official Python SDK against a running `mcpfusion demo`.

    python python_sdk.py URL TOKEN

Version 1 of the SDK speaks the session wire; version 2 speaks that and the stateless one, and finds
out by itself which of them a server knows. All of what the installed version can do is tried. The
last line is `N passed, M failed`; the exit status is 1 if anything failed, or nothing ran.
"""

import asyncio
import contextlib
import importlib.metadata
import json
import re
import sys
import traceback
import warnings

import jsonschema
from mcp import ClientSession

SDK = importlib.metadata.version("mcp")
SESSION_WIRE, STATELESS_WIRE = "2025-11-25", "2026-07-28"
TOOL_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
INVALID_PARAMS = -32602
DEADLINE = 60  # seconds for one wire

if SDK.startswith("1."):
    import httpx
    from mcp.client.streamable_http import streamable_http_client
    from mcp.shared.exceptions import McpError as ProtocolError

    WIRES = {"session": SESSION_WIRE}
else:
    import httpx2 as httpx
    from mcp import Client, MCPError as ProtocolError
    from mcp.client.streamable_http import streamable_http_client

    # The way that the client is told to connect, and the revision it must end up with.
    WIRES = {"legacy": SESSION_WIRE, STATELESS_WIRE: STATELESS_WIRE, "auto": STATELESS_WIRE}


class Tally:
    """Counts what held and what did not, and says the latter."""

    def __init__(self):
        self.passed = self.failed = 0

    def check(self, claim, holds, seen=None):
        if holds:
            self.passed += 1
        else:
            self.failed += 1
            print(f"FAILED {claim}: {seen!r}")


def plain(model):
    """A result as it was on the wire: the names of its fields differ between the SDK's versions."""
    return model.model_dump(by_alias=True, mode="json", exclude_none=True)


def text_of(result):
    return "".join(part["text"] for part in result["content"] if part["type"] == "text")


@contextlib.asynccontextmanager
async def connected(way, url, token, statuses=None):
    """A client past its handshake, the revision that it uses and the server's name. What the server
    answers is noted in `statuses`: the SDK does not tell it."""

    async def note(response):
        if statuses is not None:
            statuses.append(response.status_code)

    headers = {"Authorization": f"Bearer {token}"} if token else {}
    hooks = {"response": [note]}
    async with httpx.AsyncClient(headers=headers, timeout=30, event_hooks=hooks) as http:
        if way == "session":
            async with streamable_http_client(url, http_client=http) as (read, write, _session_id):
                async with ClientSession(read, write) as client:
                    opened = await client.initialize()
                    yield client, opened.protocolVersion, opened.serverInfo.name
        else:
            transport = streamable_http_client(url, http_client=http)
            async with Client(transport, mode=way) as client:
                # A client that is told its revision asks nothing, so it is told no name.
                named = client.server_info.name if client.server_info else None
                yield client, client.protocol_version, named


async def lists_tools(tally, client):
    listed = [plain(tool) for tool in (await client.list_tools()).tools]
    tools = {tool["name"]: tool for tool in listed}
    names = [tool["name"] for tool in listed]
    tally.check("tools/list gives each name once", len(tools) == len(names), names)
    tally.check("names are legal", all(TOOL_NAME.fullmatch(name) for name in names), names)
    wanted = {"command_os_release", "command_list_docs", "command_id", "server_health"}
    tally.check("tools/list gives the demo's tools", wanted <= tools.keys(), names)
    for tool in listed:
        for schema in filter(None, (tool["inputSchema"], tool.get("outputSchema"))):
            try:
                jsonschema.Draft202012Validator.check_schema(schema)
                tally.check(f"{tool['name']} has an object schema", schema["type"] == "object", schema)
            except jsonschema.SchemaError as error:
                tally.check(f"{tool['name']} has valid schemas", False, error.message)
    return tools


async def calls(tally, client, tools):
    async def call(name, arguments=None):
        result = plain(await client.call_tool(name, arguments or {}))
        schema = tools[name].get("outputSchema")
        if schema:
            try:
                jsonschema.validate(result.get("structuredContent"), schema)
                tally.check("structuredContent holds against outputSchema", True)
            except jsonschema.ValidationError as error:
                tally.check(f"structuredContent of {name}", False, error.message)
        return result

    result = await call("command_os_release")
    structured = result["structuredContent"]
    tally.check("a command tool succeeds", not result.get("isError"), result)
    tally.check("its exit code is 0", structured["exit_code"] == 0, structured)
    tally.check("its output is structured", "PRETTY_NAME=" in structured["stdout"], structured)
    tally.check("its output is text too", structured["stdout"].strip() in text_of(result), result)

    result = await call("server_health")
    tally.check("an API tool succeeds", not result.get("isError"), result)
    health = json.loads(text_of(result))
    tally.check("the health is the server's", health["status"] == "ok", health)
    tally.check("it counts the tools that are listed", health["tools"] == len(tools), health)

    result = await call("command_list_docs", {"directory": "/etc"})
    tally.check("a bad value is a result, not a fault", result["isError"] is True, result)
    tally.check("which names the argument", "directory" in text_of(result), text_of(result))
    tally.check("nothing ran", result["structuredContent"]["exit_code"] is None, result)

    result = await call("command_list_docs", {"directorx": "/usr/share/doc"})
    tally.check("an unknown argument is refused", result["isError"] is True, result)
    tally.check("with the name meant", "directory" in text_of(result), text_of(result))

    result = await call("command_os_release", {"executable": "/usr/bin/id"})
    tally.check("a static parameter is not an argument", result["isError"] is True, result)

    try:
        result = await client.call_tool("no_such_tool", {})
        tally.check("an unknown tool is a fault", False, result)
    except ProtocolError as error:
        code = getattr(error, "error", error).code
        tally.check("an unknown tool is a fault of the request", code == INVALID_PARAMS, error)

    many = await asyncio.gather(
        *(call(name) for _ in range(5) for name in ("command_os_release", "command_id", "command_uname"))
    )
    for at, (word, result) in enumerate(zip(["PRETTY_NAME=", "uid=", "Linux"] * 5, many, strict=True)):
        tally.check(f"call {at} of many at once gets its own answer", word in text_of(result), result)


async def refused(tally, way, url):
    """With a token that is nobody's, and without one."""
    for kind, token in (("a wrong token", "mcpf_" + "A" * 43), ("no token", None)):
        statuses = []
        try:
            async with connected(way, url, token, statuses) as (client, _revision, _name):
                await client.list_tools()
            tally.check(f"{kind} is refused ({way})", False, "it was not")
        except Exception as error:
            plain_no = bool(statuses) and set(statuses) == {401}
            tally.check(f"{kind} is refused with 401 ({way})", plain_no, (statuses, error))
    async with httpx.AsyncClient() as http:
        ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
        answer = await http.post(url, json=ping, headers={"Authorization": "Bearer wrong"})
        challenge = answer.headers.get("www-authenticate", "")
        tally.check("401 comes with a challenge", challenge.startswith("Bearer"), challenge)


async def wire(tally, way, revision, url, token):
    async with connected(way, url, token) as (client, spoken, named):
        tally.check(f"{way} speaks {revision}", spoken == revision, spoken)
        # A client that is told its revision asks nothing at first.
        if way != STATELESS_WIRE:
            tally.check("the server tells its name", named == "mcpfusion", named)
        if revision == SESSION_WIRE:
            tally.check("ping is answered", await client.send_ping() is not None)
        await calls(tally, client, await lists_tools(tally, client))
    await refused(tally, way, url)


def main():
    _program, url, token = sys.argv
    # Version 2 warns of what the session wire still has.
    warnings.simplefilter("ignore")
    tally = Tally()
    for way, revision in WIRES.items():
        before = tally.passed
        try:
            asyncio.run(asyncio.wait_for(wire(tally, way, revision, url, token), DEADLINE))
        except Exception:
            traceback.print_exc(file=sys.stdout)
            tally.check(f"{way} gets to its end", False)
        print(f"python mcp {SDK}, {way} ({revision}): {tally.passed - before} passed")
    print(f"{tally.passed} passed, {tally.failed} failed")
    return 0 if tally.passed and not tally.failed else 1


if __name__ == "__main__":
    sys.exit(main())
