// The official TypeScript SDK against a running `mcpfusion demo`.
//
//   NODE_MODULES=DIR node typescript_sdk.mjs URL TOKEN
//
// DIR is a node_modules with `@modelcontextprotocol/sdk` (version 1, the session wire) and
// `@modelcontextprotocol/client` (version 2, both wires). The last line is `N passed, M failed`; the
// exit status is 1 if anything failed, or nothing ran.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const SESSION_WIRE = '2025-11-25';
const STATELESS_WIRE = '2026-07-28';
const INVALID_PARAMS = -32602;
const DEADLINE = 60_000; // milliseconds for one wire
const WANTED = ['command_os_release', 'command_list_docs', 'command_id', 'server_health'];

const [url, token] = process.argv.slice(2);
const modules = path.resolve(process.env.NODE_MODULES);
const load = async (name) =>
  import(pathToFileURL(createRequire(path.join(modules, 'x.js')).resolve(name)));
const version = (name) => JSON.parse(readFileSync(path.join(modules, name, 'package.json'))).version;

let passed = 0;
let failed = 0;
function check(claim, holds, seen) {
  if (holds) {
    passed += 1;
  } else {
    failed += 1;
    console.log(`FAILED ${claim}: ${seen instanceof Error ? seen.stack : JSON.stringify(seen)}`);
  }
}

const textOf = (result) =>
  result.content.filter((part) => part.type === 'text').map((part) => part.text).join('');

// Each SDK checks structuredContent against outputSchema itself, in callTool, and throws if it
// does not hold; so a result that arrives has been checked, provided that the schema was listed.
async function calls(client, tools) {
  const call = (name, args = {}) => client.callTool({ name, arguments: args });

  let result = await call('command_os_release');
  let structured = result.structuredContent;
  check('a command tool succeeds', !result.isError, result);
  check('its exit code is 0', structured.exit_code === 0, structured);
  check('its output is structured', structured.stdout.includes('PRETTY_NAME='), structured);
  check('its output is text too', textOf(result).includes(structured.stdout.trim()), result);

  result = await call('server_health');
  check('an API tool succeeds', !result.isError, result);
  const health = JSON.parse(textOf(result));
  check("the health is the server's", health.status === 'ok', health);
  check('it counts the tools that are listed', health.tools === tools.length, health);

  result = await call('command_list_docs', { directory: '/etc' });
  structured = result.structuredContent;
  check('a bad value is a result, not a fault', result.isError === true, result);
  check('which names the argument', textOf(result).includes('directory'), result);
  check('nothing ran', structured.exit_code === null, structured);

  result = await call('command_list_docs', { directorx: '/usr/share/doc' });
  check('an unknown argument is refused', result.isError === true, result);
  check('with the name meant', textOf(result).includes('directory'), result);

  result = await call('command_os_release', { executable: '/usr/bin/id' });
  check('a static parameter is not an argument', result.isError === true, result);

  try {
    check('an unknown tool is a fault', false, await call('no_such_tool'));
  } catch (error) {
    check('an unknown tool is a fault of the request', error.code === INVALID_PARAMS, error);
  }

  const names = ['command_os_release', 'command_id', 'command_uname'];
  const words = ['PRETTY_NAME=', 'uid=', 'Linux'];
  const many = await Promise.all(Array.from({ length: 15 }, (_, at) => call(names[at % 3])));
  many.forEach((one, at) => {
    check(`call ${at} of many at once gets its own answer`, textOf(one).includes(words[at % 3]), one);
  });
}

async function wire({ connect, revision }) {
  const client = await connect(token);
  try {
    check(`it speaks ${revision}`, client.revision() === revision, client.revision());
    check('the server tells its name', client.sdk.getServerVersion()?.name === 'mcpfusion',
      client.sdk.getServerVersion());
    const { tools } = await client.sdk.listTools();
    const names = tools.map((tool) => tool.name);
    check('tools/list gives each name once', new Set(names).size === names.length, names);
    check("tools/list gives the demo's tools", WANTED.every((name) => names.includes(name)), names);
    const command = tools.find((tool) => tool.name === 'command_os_release');
    check('a command tool has an outputSchema', command.outputSchema?.type === 'object', command);
    check('a command tool has its hints', command.annotations?.readOnlyHint === true, command);
    if (revision === SESSION_WIRE) {
      check('ping is answered', (await client.sdk.ping()) !== undefined);
    }
    await calls(client.sdk, tools);
  } finally {
    await client.sdk.close();
  }
}

async function refused({ connect }) {
  for (const [kind, bearer] of [['a wrong token', `mcpf_${'A'.repeat(43)}`], ['no token', '']]) {
    const statuses = [];
    try {
      const client = await connect(bearer, statuses);
      await client.sdk.listTools();
      check(`${kind} is refused`, false, 'it was not');
    } catch (error) {
      const plain = statuses.length > 0 && statuses.every((status) => status === 401);
      check(`${kind} is refused with 401`, plain, { statuses, error: String(error) });
    }
  }
}

// A fetch that notes what the endpoint answered; what the SDK asks elsewhere, looking for an
// authorisation server, is not of interest here.
const noting = (statuses) => async (to, init) => {
  const response = await fetch(to, init);
  if (String(to) === url) statuses.push(response.status);
  return response;
};

function connector(Client, Transport, options) {
  return async (bearer, statuses = []) => {
    const headers = bearer ? { Authorization: `Bearer ${bearer}` } : {};
    const transport = new Transport(new URL(url), { requestInit: { headers }, fetch: noting(statuses) });
    const sdk = new Client({ name: 'clients', version: '1' }, options);
    await sdk.connect(transport);
    const revision = () => sdk.getNegotiatedProtocolVersion?.() ?? transport.protocolVersion;
    return { sdk, revision };
  };
}

async function ways() {
  const v1 = await load('@modelcontextprotocol/sdk/client/index.js');
  const http = await load('@modelcontextprotocol/sdk/client/streamableHttp.js');
  const v2 = await load('@modelcontextprotocol/client');
  const one = `sdk ${version('@modelcontextprotocol/sdk')}`;
  const two = `client ${version('@modelcontextprotocol/client')}`;
  const modern = (mode) =>
    connector(v2.Client, v2.StreamableHTTPClientTransport, { versionNegotiation: { mode } });
  return [
    { name: one, revision: SESSION_WIRE, connect: connector(v1.Client, http.StreamableHTTPClientTransport) },
    { name: `${two}, legacy`, revision: SESSION_WIRE, connect: modern('legacy') },
    { name: `${two}, pinned`, revision: STATELESS_WIRE, connect: modern({ pin: STATELESS_WIRE }) },
    { name: `${two}, auto`, revision: STATELESS_WIRE, connect: modern('auto') },
  ];
}

for (const way of await ways()) {
  const before = passed;
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no end after ${DEADLINE} ms`)), DEADLINE);
  });
  try {
    await Promise.race([wire(way).then(() => refused(way)), late]);
  } catch (error) {
    check(`${way.name} gets to its end`, false, error);
  }
  clearTimeout(timer);
  console.log(`typescript ${way.name} (${way.revision}): ${passed - before} passed`);
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(passed > 0 && failed === 0 ? 0 : 1);
