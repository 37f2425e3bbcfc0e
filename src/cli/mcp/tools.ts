import { resetTool, restoreTool } from './changing-tools.js'
import { databasesTool, infoTool, ltxTool, statusTool, versionTool } from './inspecting-tools.js'
import type { Tool } from './tool.js'

/** The tools of the MCP server, which have the names and parameters of Litestream's tools. */
export const TOOLS: readonly Tool[] = [
  databasesTool,
  infoTool,
  ltxTool,
  resetTool,
  restoreTool,
  statusTool,
  versionTool,
]

/** Returns the list of tools in the format of the Model Context Protocol. */
export function describeTools() {
  return TOOLS.map(({ name, description, parameters, required, annotations }) => ({
    name,
    description,
    inputSchema: { type: 'object' as const, properties: parameters, required: [...required] },
    annotations,
  }))
}
