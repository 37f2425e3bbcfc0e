import { type Document, isScalar, LineCounter, parseDocument, visit, type YAMLError } from 'yaml'
import { LitestreamError } from '../errors.js'
import { yamlHint, yamlMessage } from './yaml-messages.js'

/**
 * Maximum number of references to one anchor. A reference inside a nested alias counts once for
 * each expansion of that alias. The limit is high enough for thousands of databases with shared
 * settings. The limit refuses a file in which a few nested aliases expand to billions of values.
 */
const MAX_ALIAS_COUNT = 10_000

export interface YamlFile {
  readonly document: Document
  readonly lines: LineCounter
  /**
   * The values of the YAML file as objects, arrays and texts. Numbers and other scalars stay texts.
   * A key whose value is empty, `~` or `null` is absent.
   */
  readonly values: unknown
}

/**
 * Parses the text of a YAML file. Throws CONFIG_INVALID. The error message for invalid YAML does
 * not quote the text of the file.
 */
export function parseYaml(text: string, file: string): YamlFile {
  const lines = new LineCounter()
  const fail = (place: string, message: string, hint: string) =>
    new LitestreamError('CONFIG_INVALID', `${file}${place}: ${message}`, { file, hint })
  if (text.includes('\0')) throw fail('', 'the file contains NUL characters', 'Save the file as UTF-8 text.')
  try {
    const document = parseDocument(text, { schema: 'failsafe', merge: true, lineCounter: lines, prettyErrors: false })
    const error = document.errors[0] ?? document.warnings.find((warning) => isUnknownTag(warning, text))
    if (error) {
      const { line, col } = lines.linePos(error.pos[0])
      throw fail(`:${line}:${col}`, yamlMessage(error), yamlHint(error))
    }
    return { document, lines, values: valuesOf(document) }
  } catch (error) {
    if (error instanceof LitestreamError) throw error
    if (error instanceof ReferenceError) {
      throw fail(
        '',
        'the aliases (*name) expand to too many values',
        `Use at most ${MAX_ALIAS_COUNT} references to an alias.`,
      )
    }
    if (error instanceof RangeError)
      throw fail('', 'the text is nested too deeply', 'Remove brackets or levels of indentation.')
    throw error
  }
}

/**
 * Returns whether a warning is about an unknown tag. YAML's own tags such as `!!str` are allowed
 * but have no effect, because the program reads all values as text. The YAML parser itself would
 * ignore every other tag without an error.
 */
function isUnknownTag(warning: YAMLError, text: string): boolean {
  return warning.code === 'TAG_RESOLVE_FAILED' && !text.startsWith('!!', warning.pos[0])
}

function valuesOf(document: Document): unknown {
  visit(document, {
    Pair(_, pair) {
      if (isScalar(pair.value) && pair.value.type === 'PLAIN' && /^(|~|null)$/i.test(String(pair.value.source ?? ''))) {
        pair.value.value = null
      }
    },
  })
  const { contents } = document
  if (contents === null || (isScalar(contents) && (contents.value === null || contents.value === ''))) return {}
  return withoutNulls(document.toJS({ maxAliasCount: MAX_ALIAS_COUNT }), new Map())
}

/**
 * `seen` contains the copies of objects that were visited, because several aliases may refer to the
 * same object, and an object may contain itself.
 */
function withoutNulls(value: unknown, seen: Map<unknown, unknown>): unknown {
  if (value === null || typeof value !== 'object') return value
  const known = seen.get(value)
  if (known !== undefined) return known
  if (Array.isArray(value)) {
    const list: unknown[] = []
    seen.set(value, list)
    for (const item of value) list.push(withoutNulls(item, seen))
    return list
  }
  const kept: Record<string, unknown> = Object.create(null)
  seen.set(value, kept)
  for (const [key, item] of Object.entries(value)) if (item !== null) kept[key] = withoutNulls(item, seen)
  return kept
}
