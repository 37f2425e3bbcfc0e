// Writes the generated files of docs/: the references of the API, the commands and the configuration,
// the example file and the JSON Schema.
//
// usage: node scripts/generate-docs.mjs [--check]
//   --check      only report files that are not current
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { apiPage } from './api-docs.mjs'
import { commandLine } from './command-line.mjs'

const { values } = commandLine(import.meta.filename, { options: { check: { type: 'boolean', default: false } } })
const root = path.dirname(import.meta.dirname)
const { configurationMarkdown } = await import(path.join(root, '.out/src/config/markdown.js'))
const { commandsMarkdown } = await import(path.join(root, '.out/src/cli/commands-markdown.js'))
const { exampleConfig } = await import(path.join(root, '.out/src/config/example.js'))
const { HINTS } = await import(path.join(root, '.out/src/error-hints.js'))
const { editorSchema } = await import(path.join(root, '.out/src/config/json-schema.js'))

const files = {
  'docs/api.md': apiPage(path.join(root, '.out/src'), HINTS).text,
  'docs/commands.md': await commandsMarkdown(),
  'docs/configuration.md': configurationMarkdown(),
  'docs/examples/litestream.yml': exampleConfig(),
  'docs/litestream.schema.json': `${JSON.stringify(editorSchema(), null, 2)}\n`,
}
let stale = 0
for (const [file, text] of Object.entries(files)) {
  const target = path.join(root, file)
  if (!values.check) writeFileSync(target, text)
  else if (readFileSync(target, 'utf8') !== text) {
    console.error(`${file} is not current: run \`npm run docs\``)
    stale++
  }
}
process.exitCode = stale ? 1 : 0
