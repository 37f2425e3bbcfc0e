import { configSchema } from './schema.js'
import type { Shape } from './shape.js'

/** The part of JSON Schema that this package's schema uses. */
export interface JsonSchema {
  readonly type?: string | readonly string[]
  readonly description?: string
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly items?: JsonSchema
  readonly anyOf?: readonly JsonSchema[]
  readonly enum?: readonly unknown[]
  readonly pattern?: string
  readonly kind?: string
  readonly defaultText?: string
  readonly secret?: boolean
  readonly unused?: boolean
}

/**
 * How each kind of value may be written in YAML, for editors; this package reads every scalar as
 * text.
 */
const WRITTEN: Readonly<Record<string, object>> = {
  text: { type: ['string', 'number'] },
  boolean: { type: 'boolean' },
  integer: { type: 'integer' },
  duration: {
    type: ['string', 'integer'],
    pattern: '^[+-]?(0|(([0-9]+(\\.[0-9]*)?|\\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$',
  },
  size: { type: ['string', 'integer'] },
  permissions: { type: ['string', 'integer'] },
}

/** `own`: with this package's additional fields; otherwise as editors read it. */
function schemaOf(shape: Shape<unknown>, own: boolean): JsonSchema {
  const { parts, kind, description, defaultText, secret, unused } = shape
  const fallback = !own && defaultText ? ` Default: ${defaultText}.` : ''
  const about = description === undefined ? {} : { description: `${description}${fallback}` }
  const marks = own
    ? {
        ...(kind === undefined ? {} : { kind }),
        ...(defaultText === undefined ? {} : { defaultText }),
        ...(secret === undefined ? {} : { secret }),
        ...(unused === undefined ? {} : { unused }),
      }
    : unused
      ? { deprecated: true }
      : {}
  switch (parts.type) {
    case 'any':
      return { ...about, ...marks }
    case 'scalar':
      return { ...about, ...(own || !kind ? { type: 'string' } : WRITTEN[kind]), ...marks }
    case 'texts':
      return { ...about, anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' } }], ...marks }
    case 'list': {
      const most = parts.most === undefined ? {} : { maxItems: parts.most }
      return { ...about, ...most, type: 'array', items: schemaOf(parts.items, own), ...marks }
    }
    case 'section': {
      const fields = Object.entries(parts.fields).map(([key, field]) => [key, schemaOf(field, own)] as const)
      const title = parts.title === undefined ? {} : { title: parts.title }
      const type = { type: 'object', properties: Object.fromEntries(fields), additionalProperties: false }
      return { ...about, ...type, ...title, ...marks }
    }
  }
}

let ownSchema: JsonSchema | undefined

/**
 * The schema with this package's additional fields (kind, default, secret), for documentation,
 * masking and suggestions.
 */
export function describedSchema(): JsonSchema {
  ownSchema ??= schemaOf(configSchema, true)
  return ownSchema
}

/** The schema for editors: `# yaml-language-server: $schema=…`. */
export function editorSchema(): object {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    ...schemaOf(configSchema, false),
    // For YAML anchors; see parseConfig.
    patternProperties: { '^x-': {} },
    title: 'litestream.yml',
  }
}

/** The schema at a path into the file; list indexes are numbers. */
export function schemaAt(path: readonly PropertyKey[]): JsonSchema | undefined {
  let schema: JsonSchema | undefined = describedSchema()
  for (const key of path) schema = typeof key === 'number' ? schema?.items : schema?.properties?.[String(key)]
  return schema
}
