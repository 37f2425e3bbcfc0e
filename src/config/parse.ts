import { type Document, isMap, isScalar, type LineCounter } from 'yaml'
import { LitestreamError } from '../errors.js'
import { nearest } from '../util/nearest.js'
import { schemaAt } from './json-schema.js'
import { type ConfigFile, configSchema } from './schema.js'
import { formatKeyPath, ShapeFault } from './shape.js'
import { parseYaml } from './yaml.js'

/**
 * A configuration file as written, before inheritance and defaults are applied. `place` returns the
 * position of each value in the text.
 */
export interface ParsedConfig {
  readonly file: string
  readonly values: ConfigFile
  /**
   * Returns `file:line:column` of the value at `path`. If the value is absent, returns the position
   * of the nearest enclosing section.
   */
  place(path: readonly PropertyKey[]): string
}

class Places {
  readonly #document: Document
  readonly #lines: LineCounter
  readonly #file: string

  constructor(file: string, document: Document, lines: LineCounter) {
    this.#file = file
    this.#document = document
    this.#lines = lines
  }

  at(offset: number): string {
    const { line, col } = this.#lines.linePos(offset)
    return `${this.#file}:${line}:${col}`
  }

  value(path: readonly PropertyKey[]): string {
    for (let depth = path.length; depth > 0; depth--) {
      const node = this.#document.getIn(path.slice(0, depth), true) as { range?: [number, number, number] } | undefined
      if (node?.range) return this.at(node.range[0])
    }
    return this.#file
  }

  key(path: readonly PropertyKey[], key: string): string {
    const map = path.length === 0 ? this.#document.contents : this.#document.getIn(path, true)
    if (isMap(map)) {
      for (const { key: node } of map.items)
        if (isScalar(node) && node.value === key && node.range) return this.at(node.range[0])
    }
    return this.value(path)
  }
}

function invalid(place: string, message: string, hint?: string): LitestreamError {
  const file = place.replace(/:\d+:\d+$/, '')
  return new LitestreamError('CONFIG_INVALID', `${place}: ${message}`, { file, hint })
}

/**
 * Wrong key names that users know from other programs and documents, each with the correct key. The
 * names in OTHER_NAMES are not similar enough to the correct keys for a suggestion by similarity.
 */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  'access-key-secret': 'secret-access-key',
  'aws-access-key-id': 'access-key-id',
  'aws-secret-access-key': 'secret-access-key',
}

function unknownKey(places: Places, path: readonly PropertyKey[], key: string): LitestreamError {
  const known = Object.keys(schemaAt(path)?.properties ?? {})
  const section = path.length === 0 ? 'at the top of the file' : `in ${formatKeyPath(path)}`
  const meant = known.find((one) => one === OTHER_NAMES[key]) ?? nearest(key, known)
  const elsewhere = meant === undefined && schemaAt([key]) ? `Move \`${key}\` to the top of the file.` : undefined
  const hint = meant
    ? `Did you mean \`${meant}\`?`
    : (elsewhere ?? `Use one of the valid keys of this section: ${known.join(', ')}.`)
  return invalid(places.key(path, key), `unknown key \`${key}\` ${section}`, hint)
}

/**
 * Removes the keys at the top of the file whose names begin with `x-`. As in the files of other
 * programs, keys that begin with `x-` hold YAML anchors. The YAML parser has already resolved all
 * aliases to the anchors under keys that begin with `x-`.
 */
function withoutExtensions(values: unknown): unknown {
  if (typeof values !== 'object' || values === null || Array.isArray(values)) return values
  return Object.fromEntries(Object.entries(values).filter(([key]) => !key.startsWith('x-')))
}

/**
 * Parses YAML and checks the values against the schema. Throws CONFIG_INVALID with the file, the
 * line, the column and a suggested correction.
 */
export function parseConfig(text: string, file: string): ParsedConfig {
  const { document, values, lines } = parseYaml(text, file)
  const places = new Places(file, document, lines)
  try {
    return { file, values: configSchema.read(withoutExtensions(values), []) ?? {}, place: (path) => places.value(path) }
  } catch (error) {
    if (!(error instanceof ShapeFault)) throw error
    const { at, unknownKey: unknown, message, hint } = error
    if (unknown !== undefined) throw unknownKey(places, at, unknown)
    const where = formatKeyPath(at)
    throw invalid(
      places.value(at),
      where ? `${where}: ${message}` : message,
      where
        ? (hint ??
            'Correct the value in the configuration file. docs/configuration.md lists the valid values of each key.')
        : 'Write a section that begins with `dbs:` or another key.',
    )
  }
}
