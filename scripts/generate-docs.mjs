// Writes what docs/ has from the code: the references of commands and configuration, the example
// file, the JSON Schema. `--check` only says whether they are current.
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'

const root = path.dirname(import.meta.dirname)
const { configurationMarkdown } = await import(path.join(root, '.out/src/config/markdown.js'))
const { commandsMarkdown } = await import(path.join(root, '.out/src/cli/commands-markdown.js'))
const { exampleConfig } = await import(path.join(root, '.out/src/config/example.js'))
const { editorSchema } = await import(path.join(root, '.out/src/config/json-schema.js'))

const files = {
  'docs/commands.md': await commandsMarkdown(),
  'docs/configuration.md': configurationMarkdown(),
  'docs/examples/litestream.yml': exampleConfig(),
  'docs/litestream.schema.json': `${JSON.stringify(editorSchema(), null, 2)}\n`,
}
let stale = 0
for (const [file, text] of Object.entries(files)) {
  const target = path.join(root, file)
  if (!process.argv.includes('--check')) writeFileSync(target, text)
  else if (readFileSync(target, 'utf8') !== text) {
    console.error(`${file} is not current: run \`npm run docs\``)
    stale++
  }
}
process.exitCode = stale ? 1 : 0
