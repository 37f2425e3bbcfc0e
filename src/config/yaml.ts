import { type Document, isScalar, LineCounter, parseDocument, visit, type YAMLError } from 'yaml'
import { LitestreamError } from '../errors.js'
import { yamlHint, yamlMessage } from './yaml-messages.js'

/**
 * Maximum number of references to one anchor, with nested ones multiplied: enough for thousands of
 * databases with shared settings, and far below the billions of values that a few nested aliases
 * can represent.
 */
const MAX_ALIAS_COUNT = 10_000

export interface YamlFile {
  readonly document: Document
  readonly lines: LineCounter
  /**
   * Objects, arrays and text: scalars are not converted; a key whose value is empty, `~` or `null`
   * is absent.
   */
  readonly values: unknown
}

/**
 * Parses the text of a YAML file. Throws CONFIG_INVALID, whose message quotes nothing of the text.
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
    if (error instanceof RangeError) throw fail('', 'the text is nested too deeply', 'Remove superfluous brackets.')
    throw error
  }
}

/**
 * A tag of YAML itself (`!!str`) changes nothing, because values are read as text; any other tag
 * would be ignored silently.
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

/** `seen`: an alias refers to the same object everywhere, and an object may contain itself. */
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
