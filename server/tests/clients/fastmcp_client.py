"""The FastMCP client against a running `mcpfusion demo`: another way to connect and to be refused.

    python fastmcp_client.py URL TOKEN

The last line is `N passed, M failed`; the exit status is 1 if anything failed, or nothing ran.
"""

import asyncio
import importlib.metadata
import json
import sys

from fastmcp import Client
from fastmcp.exceptions import ToolError

DEADLINE = 60  # seconds


async def claims(url, token):
    """What must hold, each with whether it does and what was seen."""
    async with Client(url, auth=token) as client:
        tools = {tool.name: tool for tool in await client.list_tools()}
        yield "it lists the demo's tools", {"command_os_release", "server_health"} <= tools.keys(), tools

        result = await client.call_tool("command_os_release")
        yield "a command tool exits with 0", result.structured_content["exit_code"] == 0, result
        yield "its output is there", "PRETTY_NAME=" in result.structured_content["stdout"], result
        yield "and built from outputSchema", result.data.exit_code == 0, result.data

        result = await client.call_tool("server_health")
        health = json.loads(result.content[0].text)
        yield "an API tool answers", health["status"] == "ok", health

        try:
            result = await client.call_tool("command_list_docs", {"directory": "/etc"})
            yield "a bad value is an error of the tool", False, result
        except ToolError as error:
            yield "a bad value is told with its argument", "directory" in str(error), error

    try:
        async with Client(url, auth="mcpf_" + "A" * 43) as client:
            yield "a wrong token is refused", False, await client.list_tools()
    except Exception as error:
        yield "a wrong token is refused with 401", "401" in str(error), error


async def tally(url, token):
    passed = failed = 0
    async for claim, holds, seen in claims(url, token):
        if holds:
            passed += 1
        else:
            failed += 1
            print(f"FAILED {claim}: {seen!r}")
    return passed, failed


def main():
    _program, url, token = sys.argv
    passed, failed = asyncio.run(asyncio.wait_for(tally(url, token), DEADLINE))
    print(f"fastmcp {importlib.metadata.version('fastmcp')}: {passed} passed")
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
