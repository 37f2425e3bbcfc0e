import type * as server from '@modelcontextprotocol/sdk/server/index.js'
import type * as http from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import type * as types from '@modelcontextprotocol/sdk/types.js'
import { loadOptionalPackage } from '../../storage/optional-package.js'

const PACKAGE = {
  name: '@modelcontextprotocol/sdk',
  neededFor: 'an MCP server (`mcp-addr`)',
  install: '@modelcontextprotocol/sdk@1',
} as const

/** The parts of the official SDK of the Model Context Protocol that this program uses. */
export interface McpLibrary {
  readonly Server: typeof server.Server
  readonly Transport: typeof http.StreamableHTTPServerTransport
  readonly types: Pick<typeof types, 'CallToolRequestSchema' | 'ListToolsRequestSchema' | 'McpError' | 'ErrorCode'>
}

/**
 * Loads the official MCP SDK. The MCP SDK is an optional package, which only `mcp-addr` needs.
 * Throws PACKAGE_MISSING if the SDK is not installed.
 */
export function loadMcpLibrary(): McpLibrary {
  return {
    Server: loadOptionalPackage<typeof server>({ ...PACKAGE, module: 'server/index.js' }).Server,
    Transport: loadOptionalPackage<typeof http>({ ...PACKAGE, module: 'server/streamableHttp.js' })
      .StreamableHTTPServerTransport,
    types: loadOptionalPackage<typeof types>({ ...PACKAGE, module: 'types.js' }),
  }
}
